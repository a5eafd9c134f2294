"""METEOR is exact where Java is, and None with a reason where it is not."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest

from pycap.metrics import score
from pycap.metrics.meteor import explain_missing

CANDIDATES, REFERENCES = {1: "a dog"}, {1: ["a cat"]}


def run_without_meteor(capsys: pytest.CaptureFixture) -> str:
    """Score, and return the one line that says why METEOR is missing."""
    assert score(CANDIDATES, REFERENCES, meteor=True)["meteor"] is None
    output = capsys.readouterr()
    assert output.out == ""
    (line,) = output.err.splitlines()
    return line


def test_missing_java_is_said_in_one_line(monkeypatch, capsys):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert run_without_meteor(capsys).startswith("pycap: METEOR needs Java, and no `java` is on the PATH")


def test_missing_package_is_said_in_one_line(monkeypatch, capsys):
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    line = run_without_meteor(capsys)
    assert line == "pycap: METEOR needs the package pycocoevalcap: pip install 'pycap-caption[eval]'"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("read line\nexit 3", "ended early (exit code 3)"),
        ("while read line; do echo garbage; done", "answered 'garbage' where a score was expected"),
        ("while read line; do echo NaN; done", "answered 'NaN' where a score was expected"),
    ],
)
def test_failing_java_is_said_in_one_line(monkeypatch, capsys, tmp_path: Path, script: str, reason: str):
    java = tmp_path / "java"
    java.write_text(f"#!/bin/sh\n{script}\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("pycap.metrics.meteor.find_program", lambda *parts: Path("meteor.jar"))
    assert run_without_meteor(capsys) == f"pycap: METEOR failed: java -jar meteor.jar {reason}"


def test_meteor_is_not_run_unasked(monkeypatch):
    monkeypatch.setattr("pycap.metrics.score_meteor", lambda *arguments: pytest.fail("METEOR was run"))
    assert score(CANDIDATES, REFERENCES)["meteor"] is None


@pytest.mark.slow
def test_meteor_equals_pycocoevalcap(corpus: dict):
    if (reason := explain_missing()) is not None:
        pytest.skip(reason)
    expected = corpus["systems"]["odd"]
    scores = score(expected["captions"], corpus["references"], meteor=True)
    assert scores["meteor"] == pytest.approx(expected["corpus"]["meteor"], abs=1e-9)
