"""`pycap export` completes a checkpoint that then captions without a word about it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
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
