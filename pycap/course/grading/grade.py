"""Run a student's file in another process, task by task, with a time limit; nothing there ends this process."""

from __future__ import annotations

import contextlib
import io
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pycap.course.units import Unit

TASK_SECONDS = 20.0
LOAD_SECONDS = 60.0  # importing torch on a slow disk


@dataclass(frozen=True)
class Result:
    """How one task went.

    Attributes:
        name, title: the task's.
        passed: whether it is right.
        problem: what is wrong, one line; empty when passed.
        expected, got, given, hint: where a value differs: what should have come, what came, the case, a thought.
    """

    name: str
    title: str
    passed: bool
    problem: str = ""
    expected: str = ""
    got: str = ""
    given: str = ""
    hint: str = ""


def grade(unit: Unit, file: Path, task_seconds: float = TASK_SECONDS) -> list[Result]:
    """Check every task of a unit in a student's file.

    What the student's code prints goes to stderr.

    Args:
        unit: whose tasks.
        file: what the student wrote.
        task_seconds: time limit of one task.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is a folder, or cannot be loaded: a syntax error, an import that fails, code at its top level
            that raises or does not end. The message names the line.
    """
    if file.is_dir():
        raise ValueError(f"{file} is a folder; it should be the file with your answers")
    if not file.is_file():
        raise FileNotFoundError(
            f"{file} is missing; pycap course start {unit.name} {file.parent} writes it for you to fill in"
        )
    results: list[Result] = []
    tasks = unit.tasks()
    while len(results) < len(tasks):  # a process that ended early is followed by one for the rest
        answers, ending = _run_child(unit, file, len(results), task_seconds)
        results += answers
        if len(results) < len(tasks):
            task = tasks[len(results)]
            results.append(Result(task.name, task.title, False, problem=ending))
    return results


def _run_child(unit: Unit, file: Path, first: int, task_seconds: float) -> tuple[list[Result], str]:
    """Return the results of the tasks from `first` on that one process came to, and what ended it before the rest."""
    read, write = os.pipe()
    command = [sys.executable, str(Path(__file__).with_name("child.py"))]
    command += [unit.checks, str(file.resolve()), str(first), str(write)]
    child = subprocess.Popen(
        command,
        pass_fds=[write],
        stdin=subprocess.DEVNULL,
        stdout=2,
        env=_environment(),
        start_new_session=True,
    )
    os.close(write)
    names = [task.name for task in unit.tasks()]
    loaded, results = False, []
    try:
        with os.fdopen(read, "rb", buffering=0) as pipe:
            for message in _messages(pipe, task_seconds):
                if "unloadable" in message:
                    raise ValueError(message["unloadable"])
                if "loaded" in message:
                    loaded = True
                elif names[first + len(results) :][:1] == [message.get("name")]:
                    results.append(Result(**message))
        ending = "your code ended the program instead of returning"
    except TimeoutError:
        ending = f"took longer than {task_seconds:.0f} s: does a loop never end?"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    if not loaded:
        raise ValueError(f"{file} cannot be loaded: at its top level, {ending}")
    return results, ending


def _messages(pipe: io.RawIOBase, task_seconds: float) -> Iterator[dict]:
    """Yield what the child reports, a JSON object a line.

    Raises:
        TimeoutError: it was silent for too long.
    """
    kept, deadline = b"", time.monotonic() + LOAD_SECONDS
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise TimeoutError
            piece = pipe.read(65536)
            if not piece:
                return
            *lines, kept = (kept + piece).split(b"\n")
            for line in lines:
                with contextlib.suppress(ValueError):  # a student's code may write into any open file
                    message = json.loads(line)
                    if isinstance(message, dict):
                        yield message
                        deadline = time.monotonic() + task_seconds


def _environment() -> dict[str, str]:
    """Return this process's environment, in which the child finds the same pycap and runs on one thread."""
    home = str(Path(__file__).resolve().parents[3])
    paths = [home, *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
    }
