"""Where Java and the Java programs of the package pycocoevalcap are."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path


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
