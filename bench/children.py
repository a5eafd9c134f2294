"""Child processes that import the same bench and pycap as this one."""

from __future__ import annotations

import os
from pathlib import Path

import pycap
from bench import ROOT

HOME = Path(pycap.__file__).parents[1]  # where a child must start to import this pycap


def child_environment(**more: str) -> dict[str, str]:
    """Return the environment of a child process that imports the same bench and pycap as this one."""
    paths = (str(HOME), str(ROOT), os.environ.get("PYTHONPATH", ""))
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), **more}
