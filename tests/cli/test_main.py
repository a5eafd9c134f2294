"""The command as a whole: help that costs nothing, exit codes, errors of one line."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
from tiny import PACKAGE_HOME, child_environment, run_python

import pycap
from pycap import cli
from pycap.cli.lines import escape_line

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("words", [["--help"], ["--version"], *([name, "--help"] for name in cli.COMMANDS)])
def test_help_imports_nothing_heavy(words):
    code = f"""
import sys
from pycap.cli import main
try:
    main({words!r})
except SystemExit as stopped:
    assert not stopped.code, stopped.code
heavy = {{"torch", "numpy", "PIL", "safetensors", "tqdm", "matplotlib"}} & set(sys.modules)
assert not heavy, heavy
"""
    done = run_python(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_help_answers_within_half_a_second():
    taken, command = [], [sys.executable, "-m", "pycap", "--help"]
    for _ in range(3):
        began = time.perf_counter()
        done = subprocess.run(
            command, capture_output=True, env=child_environment(), cwd=PACKAGE_HOME, check=True
        )
        taken.append(time.perf_counter() - began)
    assert b"caption" in done.stdout
    assert min(taken) < 0.5


def test_every_command_is_in_the_help(run):
    text = "\n".join(run("--help").out)
    for name in cli.COMMANDS:
        assert f"    {name} " in text


def test_version_is_the_same_everywhere(run):
    stated = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert stated.group(1) == pycap.__version__
    assert run("--version").out == [f"pycap {pycap.__version__}"]


@pytest.mark.parametrize("words", [[], ["capshun"], ["caption"], ["caption", "--beam", "0", "a.jpg"]])
def test_wrong_usage_exits_with_2(run, words):
    result = run(*words)
    assert result.code == 2
    assert result.out == []
    assert "error:" in result.err[-1]


@pytest.mark.parametrize(
    ("error", "code", "lines"),
    [
        (ValueError("beam is odd\nand more"), 1, ["pycap: beam is odd"]),
        (OSError(28, "No space left on device", "/x"), 1, ["pycap: /x: No space left on device"]),
        (
            MemoryError("Unable to allocate 9 GiB"),
            1,
            ["pycap: not enough memory (Unable to allocate 9 GiB); a smaller batch needs less"],
        ),
        (RuntimeError(""), 1, ["pycap: RuntimeError"]),
        (KeyboardInterrupt(), 130, []),
        (BrokenPipeError(), 141, []),
    ],
)
def test_errors_are_one_line_and_a_code(run, monkeypatch, error, code, lines):
    def fail(args):
        raise error

    monkeypatch.setattr("pycap.cli.info.run", fail)
    result = run("info")
    assert (result.code, result.out, result.err) == (code, [], lines)


def test_a_bug_is_not_hidden(run, monkeypatch):
    monkeypatch.setattr("pycap.cli.info.run", lambda args: {}["absent"])
    with pytest.raises(KeyError):
        run("info")


def test_traceback_can_be_asked_for(run, monkeypatch):
    monkeypatch.setenv("PYCAP_TRACEBACK", "1")
    monkeypatch.setattr("pycap.cli.info.run", lambda args: int("x"))
    with pytest.raises(ValueError, match="invalid literal"):
        run("info")


def test_output_survives_a_terminal_that_lacks_characters(monkeypatch):
    narrow = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", narrow)
    monkeypatch.setattr("pycap.cli.info.run", lambda args: print("größe \udce9") or 0)
    assert cli.main(["info"]) == 0
    assert narrow.buffer.getvalue() == b"gr\\xf6\\xdfe \\udce9\n"


def test_warnings_are_one_line(run, monkeypatch):
    def warn(args):
        warnings.simplefilter("always")
        warnings.warn("mind the gap", stacklevel=1)
        return 0

    monkeypatch.setattr("pycap.cli.info.run", warn)
    assert run("info").err == ["pycap: mind the gap"]


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("plain ünïcode C:\\x", "plain ünïcode C:\\x"),
        ("tab\tnew\nline\r", "tab\\tnew\\nline\\r"),
        ("\x1b[31m\x7f\x85", "\\x1b[31m\\x7f\\x85"),
        ("caf\udce9", "caf\\xe9"),
        ("a\u2028b\ud800", "a\\u2028b\\ud800"),
    ],
)
def test_lines_are_never_broken(text, escaped):
    assert escape_line(text) == escaped
    assert len(escape_line(text).splitlines()) == 1
