"""Where Java and the Java programs of the package pycocoevalcap are, and what is said when one cannot run."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Found = TypeVar("Found")


def explain_missing_program(metric: str, *parts: str) -> str | None:
    """Return in one line why a metric's Java program cannot be run here, or None if it can.

    Args:
        metric: what the line calls it, "METEOR" or "SPICE".
        parts: path of its program inside the package pycocoevalcap.
    """
    if shutil.which("java") is None:
        return f"{metric} needs Java, and no `java` is on the PATH (Debian: apt-get install default-jre-headless)"
    if find_program(*parts) is None:
        return f"{metric} needs the package pycocoevalcap: pip install 'pycap-caption[eval]'"
    return None


def find_program(*parts: str) -> Path | None:
    """Return a file of the package pycocoevalcap by its path inside it, None if it is not there."""
    package = importlib.util.find_spec("pycocoevalcap")
    folders = package.submodule_search_locations if package else None
    programs = [Path(folder).joinpath(*parts) for folder in folders or ()]
    return next((program for program in programs if program.is_file()), None)


def run_or_explain(metric: str, reason: str | None, run: Callable[[], Found]) -> Found | None:
    """Return what a metric's program finds; None, after one line on stderr that says why, if it cannot or fails.

    Args:
        metric: what the line calls it, "METEOR" or "SPICE".
        reason: why it cannot run here, None if it can.
        run: runs it; OSError and RuntimeError mean that it failed.
    """
    if reason is None:
        try:
            return run()
        except (OSError, RuntimeError) as error:
            reason = f"{metric} failed: {error}"
    print(f"pycap: {reason}", file=sys.stderr)
    return None
