"""The process in which a student's code runs: `python child.py CHECKS FILE FIRST DESCRIPTOR`.

Reports a JSON object a line to the descriptor: that the file was loaded, or why not, then each task's result. It is
run by its path and not with `-m`, which would let a `random.py` in the student's folder take the place of Python's.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import sys
import traceback
import warnings
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from pycap.course.grading.expectations import Task, Wrong

MEMORY = 4 * 2**30  # bytes that a student's code may take, so that a mistake does not take the whole machine


def main(checks: str, path: str, first: str, descriptor: str) -> None:
    """Load the file and check the tasks from the given one on."""
    warnings.simplefilter("ignore")
    sys.stdout.reconfigure(line_buffering=True)  # what was printed before an endless loop is shown, too
    file, owner, pipe = Path(path), os.getpid(), int(descriptor)

    def report(message: dict[str, Any]) -> None:
        if os.getpid() != owner:  # a copy that the student's code made with fork
            os._exit(0)
        data = json.dumps(message).encode() + b"\n"
        try:
            while data:
                data = data[os.write(pipe, data) :]
        except OSError:  # the student's code closed it
            os._exit(1)

    tasks = import_module(checks).TASKS
    _limit_memory()
    try:
        module = _load(file)
    except BaseException as error:  # a student's code may raise anything, SystemExit too
        report({"unloadable": f"{file} cannot be loaded: {_describe(error, file, loading=True)}"})
        return
    report({"loaded": True})
    for task in tasks[int(first) :]:
        report(_check(task, module, file))


def _limit_memory() -> None:
    """Let what asks for more than `MEMORY` fail in this process alone, where the system can do that."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        soft = MEMORY if hard == resource.RLIM_INFINITY else min(MEMORY, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _load(file: Path) -> ModuleType:
    """Import the file; what lies beside it can be imported from it, but takes the place of no other module."""
    sys.path.append(str(file.parent))
    spec = importlib.util.spec_from_file_location(f"answers_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise ImportError("not a Python file; its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and pickling look there
    spec.loader.exec_module(module)
    return module


def _check(task: Task, module: ModuleType, file: Path) -> dict[str, Any]:
    """Return one task's result as the fields of `grade.Result`."""
    result = {"name": task.name, "title": task.title, "passed": False}
    if not hasattr(module, task.name):
        return result | {"problem": f"the file defines no {task.name}"}
    try:
        task.check(getattr(module, task.name))
    except Wrong as wrong:
        return result | {
            "problem": "not what was expected",
            "expected": wrong.expected,
            "got": wrong.got,
            "given": wrong.given,
            "hint": wrong.hint,
        }
    except BaseException as error:
        return result | {"problem": _describe(error, file)}
    return result | {"passed": True}


def _describe(error: BaseException, file: Path, loading: bool = False) -> str:
    """Return what was raised and where in the student's file, one line."""
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename) == file:
        if "'utf-8' codec" in error.msg:
            return f"line {error.lineno}: a letter that is not UTF-8; save the file in that encoding"
        return f"line {error.lineno}: {error.msg}: {(error.text or '').strip()}"
    if loading and isinstance(error, (SyntaxError, ValueError)) and "null bytes" in _one_line(error):
        return "it has null bytes in it; save it as plain text in UTF-8"
    frames = traceback.extract_tb(error.__traceback__)
    if (
        isinstance(error, NotImplementedError)
        and not loading
        and frames
        and Path(frames[-1].filename) == file
    ):
        return f"not written yet ({_one_line(error)})" if _one_line(error) else "not written yet"
    if isinstance(error, SystemExit):
        said = "exit() was called"
    elif isinstance(error, MemoryError):
        said = f"MemoryError: more than {MEMORY // 2**30} GB were asked for"
    elif isinstance(error, RecursionError):
        said = "RecursionError: a function calls itself without end"
    else:
        said = f"{type(error).__name__}: {_one_line(error)}".removesuffix(": ")
    lines = [frame.lineno for frame in frames if Path(frame.filename) == file]
    if lines:
        return f"line {lines[-1]}: {said}"
    if isinstance(error, TypeError) and re.search(r"(positional|keyword) argument|not callable", said):
        return f"it cannot be called as its text says: {said}"
    return said if loading else f"what came back could not be used: {said}"


def _one_line(error: BaseException) -> str:
    try:
        return " ".join(str(error).split())[:300]
    except Exception:  # a student's own class may have a broken str
        return ""


if __name__ == "__main__":
    sys.path.pop(0)  # this file's folder
    main(*sys.argv[1:])
