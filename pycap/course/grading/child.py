"""The process in which a student's code runs: `python -m pycap.course.grading.child CHECKS FILE FIRST DESCRIPTOR`.

Reports a JSON object a line to the descriptor: that the file was loaded, or why not, then each task's result.
"""

from __future__ import annotations

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


def main(checks: str, path: str, first: str, descriptor: str) -> None:
    """Load the file and check the tasks from the given one on."""
    warnings.simplefilter("ignore")
    file = Path(path)
    with os.fdopen(int(descriptor), "w", encoding="utf-8") as pipe:

        def report(message: dict[str, Any]) -> None:
            pipe.write(json.dumps(message) + "\n")
            pipe.flush()

        tasks = import_module(checks).TASKS
        try:
            module = _load(file)
        except BaseException as error:  # a student's code may raise anything, SystemExit too
            report({"unloadable": f"{file} cannot be loaded: {_describe(error, file)}"})
            return
        report({"loaded": True})
        for task in tasks[int(first) :]:
            report(_check(task, module, file))


def _load(file: Path) -> ModuleType:
    """Import the file; what lies beside it can be imported from it."""
    sys.path.insert(0, str(file.parent))
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
    except NotImplementedError as error:
        return result | {
            "problem": f"not written yet ({_one_line(error)})" if str(error) else "not written yet"
        }
    except BaseException as error:
        return result | {"problem": _describe(error, file)}
    return result | {"passed": True}


def _describe(error: BaseException, file: Path) -> str:
    """Return what was raised and where in the student's file, one line."""
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename) == file:
        return f"line {error.lineno}: {error.msg}: {(error.text or '').strip()}"
    if isinstance(error, SystemExit):
        said = "exit() was called"
    elif isinstance(error, RecursionError):
        said = "RecursionError: a function calls itself without end"
    else:
        said = f"{type(error).__name__}: {_one_line(error)}".removesuffix(": ")
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename) == file]
    if lines:
        return f"line {lines[-1]}: {said}"
    if isinstance(error, TypeError) and re.search(r"(positional|keyword) argument|not callable", said):
        return f"it cannot be called as its text says: {said}"
    return f"what came back could not be used: {said}" if frames else said


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]


if __name__ == "__main__":
    main(*sys.argv[1:])
