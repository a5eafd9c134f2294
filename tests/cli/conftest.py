"""Run the command inside the test process."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tiny import draw_picture

from pycap.cli import main


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    code: int
    out: list[str]
    err: list[str]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Call `pycap WORDS` with `stdin`; returns exit code and lines."""

    def call(*words: object, stdin: bytes = b"") -> Result:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        try:
            code = main([str(word) for word in words])
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        captured = capsys.readouterr()
        return Result(code, captured.out.splitlines(), captured.err.splitlines())

    return call


@pytest.fixture
def caption(run: Callable[..., Result], tiny_checkpoint: Path, backend: str) -> Callable[..., Result]:
    """Call `pycap caption WORDS` with the tiny checkpoint."""

    def call(*words: object, **options: bytes) -> Result:
        return run("caption", "--checkpoint", tiny_checkpoint, "--backend", backend, *words, **options)

    return call


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder with img1.png, img2.jpg, img10.png and deeper/img3.png, and things that are no pictures."""
    folder = tmp_path / "pictures"
    (folder / "deeper").mkdir(parents=True)
    for seed, name in enumerate(("img1.png", "img2.jpg", "img10.png", "deeper/img3.png")):
        draw_picture(seed).save(folder / name)
    draw_picture(9).save(folder / ".hidden.png")
    (folder / "notes.txt").write_text("no picture")
    return folder
