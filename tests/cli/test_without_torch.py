"""`pycap caption` on a CPU needs no torch and waits for no other heavy import."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import PACKAGE_HOME, WITHOUT_TORCH, child_environment, draw_picture, run_python

from pycap.captioner import Captioner
from pycap.ops import library

pytestmark = pytest.mark.skipif(not library.native_available(), reason=library.missing_reason())


@pytest.fixture
def photo(tmp_path) -> Path:
    draw_picture(0, (320, 240)).save(tmp_path / "photo.jpg")
    return tmp_path / "photo.jpg"


@pytest.fixture
def bare(tmp_path):
    """Run `python -m pycap WORDS` in a Python that has no torch."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(WITHOUT_TORCH)

    def run(*words: object) -> subprocess.CompletedProcess[str]:
        environment = child_environment()
        environment["PYTHONPATH"] = f"{tmp_path / 'site'}{os.pathsep}{environment['PYTHONPATH']}"
        command = [sys.executable, "-m", "pycap", *map(str, words)]
        return subprocess.run(
            command, capture_output=True, text=True, env=environment, cwd=PACKAGE_HOME, check=False
        )

    return run


def test_a_photo_is_captioned_where_torch_is_missing(bare, photo):
    done = bare("caption", photo)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == Captioner.load()(photo).text + "\n"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ["--device", "cuda"],
            "device 'cuda' needs PyTorch, which is not installed; pip install torch, or take cpu",
        ),
        (
            ["--backend", "reference"],
            "backend 'reference' needs PyTorch, which is not installed; pip install torch",
        ),
    ],
)
def test_what_needs_torch_says_so_where_it_is_missing(bare, photo, words, line):
    done = bare("caption", photo, *words)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"pycap: {line}\n")


def test_training_says_so_too(bare, tmp_path):
    done = bare("train", "--data", tmp_path, "--out", tmp_path / "run")
    line = "this needs torch, which is not installed; pip install torch"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"pycap: {line}\n")


def test_info_says_that_torch_is_missing(bare):
    done = bare("info")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\ntorch        not installed" in done.stdout


def test_a_caption_imports_nothing_heavy(photo):
    code = """
import sys
from pycap.cli import main
assert main(["caption", sys.argv[1]]) == 0
heavy = {"torch", "matplotlib", "nltk", "tqdm", "scipy", "asyncio", "importlib.metadata"} & set(sys.modules)
other = {name for name in sys.modules if name.startswith(("pycap.cli.", "pycap.data.", "pycap.engines."))}
assert not heavy, heavy
assert not {"pycap.cli.train", "pycap.data.check", "pycap.engines.torch"} & other, other
"""
    done = run_python(code, str(photo))
    assert done.returncode == 0, done.stderr
