"""`pycap info` says what is there, what is missing and what to do about it."""

from __future__ import annotations

import json
import shutil

import pytest

import pycap
from pycap.cli.info import describe_checkpoint
from pycap.ops import library


def test_info_is_one_json_object(run, monkeypatch, tmp_path):
    monkeypatch.setenv("PYCAP_CACHE", str(tmp_path))
    result = run("info", "--json")
    report = json.loads("\n".join(result.out))
    assert (result.code, result.err, len(result.out)) == (0, [], 1)
    assert report["version"] == pycap.__version__
    assert report["cache"] == str(tmp_path)
    assert set(report["native"]) == {"available", "isa", "threads", "missing"}
    assert set(report["cuda"]) == {"built", "missing", "device"}
    assert report["native"]["available"] == (report["native"]["missing"] is None)
    assert report["checkpoint"]["name"] == "flickr8k"


def test_info_names_every_part_on_a_line_of_its_own(run):
    names = [line[:12].strip() for line in run("info").out]
    assert names == [
        "pycap", "python", "torch", "backend", "CPU kernels", "CUDA kernels", "GPU", "checkpoint", "cache"
    ]  # fmt: skip


def test_missing_kernels_say_how_to_build_them(run, monkeypatch):
    monkeypatch.setattr(library, "cpu", None)
    monkeypatch.setattr(library, "_cpu_reason", "no compiler was found")
    result = run("info")
    (line,) = [line for line in result.out if line.startswith("CPU kernels")]
    assert result.code == 0
    assert "no compiler was found" in line
    assert "pip install" in line
    assert json.loads(run("info", "--json").out[0])["backend"] == "reference"


def test_a_checkpoint_is_described_with_its_scores(tiny_checkpoint):
    found = describe_checkpoint(tiny_checkpoint)
    assert found["missing"] is None
    assert found["scores"] == {"bleu_4": 0.21, "cider": 0.53}
    assert (found["cnn"], found["image_size"], found["words"]) == ("lite2", 64, 20)
    assert found["bytes"] > 1000


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("model.safetensors", None, "model.safetensors is not there; `pycap train` makes such a folder"),
        ("config.json", "{", "config.json or vocab.json cannot be read"),
        ("config.json", "{}", "config.json or vocab.json cannot be read"),
        ("vocab.json", "3", "config.json or vocab.json cannot be read"),
    ],
)
def test_a_damaged_checkpoint_is_described_too(tiny_checkpoint, tmp_path, name, content, message):
    folder = shutil.copytree(tiny_checkpoint, tmp_path / "copy")
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_text(content)
    assert message in describe_checkpoint(folder)["missing"]
