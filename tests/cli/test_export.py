"""`pycap export` completes a checkpoint that then captions without a word about it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tiny import draw_picture

from pycap import checkpoint
from pycap.ops import library


@pytest.fixture
def old_checkpoint(tiny_checkpoint, tmp_path) -> Path:
    """A checkpoint from before the frozen part of the CNN was stored."""
    folder = shutil.copytree(tiny_checkpoint, tmp_path / "old")
    (folder / checkpoint.CNN).unlink()
    return folder


@pytest.mark.filterwarnings("always:.*pycap export")
@pytest.mark.skipif(not library.native_available(), reason=library.missing_reason())
def test_an_old_checkpoint_asks_for_the_export_and_is_quiet_afterwards(run, old_checkpoint, tmp_path):
    draw_picture(0).save(tmp_path / "photo.png")
    words = ("caption", "--checkpoint", old_checkpoint, tmp_path / "photo.png")
    before = run(*words)
    assert (before.code, len(before.err)) == (0, 1)
    assert f"`pycap export {old_checkpoint}` adds it" in before.err[0]
    exported = run("export", old_checkpoint)
    assert (exported.code, exported.out, exported.err) == (0, [str(old_checkpoint)], [])
    after = run(*words)
    assert (after.code, after.out, after.err) == (0, before.out, [])


def test_a_copy_is_made_and_the_original_left_alone(run, old_checkpoint, tmp_path):
    result = run("export", old_checkpoint, "--out", tmp_path / "new")
    assert (result.code, result.out, result.err) == (0, [str(tmp_path / "new")], [])
    assert checkpoint.load(tmp_path / "new").cnn is not None
    assert not (old_checkpoint / checkpoint.CNN).exists()
    again = run("export", old_checkpoint, "--out", tmp_path / "new")
    assert (again.code, again.err) == (1, [f"pycap: {tmp_path / 'new'}: is there already; name a new folder"])


def test_a_small_copy_says_the_same(run, tiny_checkpoint, tmp_path):
    small = tmp_path / "small"
    result = run("export", tiny_checkpoint, "--int8", "--out", small)
    assert (result.code, result.out, result.err) == (0, [str(small)], [])
    sizes = [(folder / "model.safetensors").stat().st_size for folder in (tiny_checkpoint, small)]
    assert sizes[1] < sizes[0]
    before, after = (checkpoint.load(folder) for folder in (tiny_checkpoint, small))
    assert before.weights.keys() == after.weights.keys()
    assert before.config == after.config
    key = "decoder.key.weight"
    assert 0 < np.abs(before.weights[key].astype(np.float32) - after.weights[key]).max() < 0.01
    draw_picture(0).save(tmp_path / "photo.png")
    said = [
        run("caption", "--checkpoint", folder, tmp_path / "photo.png") for folder in (tiny_checkpoint, small)
    ]
    assert said[1].code == 0
    assert said[0].out == said[1].out


def test_a_small_copy_needs_a_name(run, tiny_checkpoint):
    result = run("export", tiny_checkpoint, "--int8")
    assert (result.code, result.out) == (2, [])
    assert result.err[-1].endswith("--int8 rounds weights for good; name the smaller copy with --out FOLDER")


def test_a_checkpoint_whose_codes_lost_their_scales_is_one_line(run, tiny_checkpoint, tmp_path):
    small = tmp_path / "small"
    run("export", tiny_checkpoint, "--int8", "--out", small)
    weights = load_file(small / "model.safetensors")
    save_file(
        {n: v for n, v in weights.items() if n != "decoder.key.weight.scale"}, small / "model.safetensors"
    )
    draw_picture(0).save(tmp_path / "photo.png")
    result = run("caption", "--checkpoint", small, tmp_path / "photo.png")
    assert (result.code, result.out) == (1, [])
    assert result.err == [
        f"pycap: {small}: broken checkpoint: decoder.key.weight is stored as int8 without a scale for every row; "
        "copy or train it again"
    ]


def test_a_complete_checkpoint_is_said_to_be(run, tiny_checkpoint):
    result = run("export", tiny_checkpoint)
    assert (result.code, result.out) == (0, [str(tiny_checkpoint)])
    assert result.err == [f"pycap: {tiny_checkpoint}: is complete, nothing to do"]


def test_what_is_no_checkpoint_is_one_line(run, tmp_path):
    result = run("export", tmp_path)
    assert (result.code, result.out) == (1, [])
    assert result.err == [
        f"pycap: {tmp_path}: not a checkpoint, config.json is missing; give a folder made by `pycap train`"
    ]
