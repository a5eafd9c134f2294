"""The instruction sets that kernels are compiled for, and a fresh process that is forced to one of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import PACKAGE_HOME

LOAD = """
import sys
from pycap.ops import library
if not library.native_available():
    sys.exit(library.missing_reason())
"""
ISAS = ("generic", "avx2", "avx2vnni", "avx512", "avx512vnni", "amx")  # from the plainest to the best


def run_forced(isa: str, script: str, *arguments: str) -> str:
    """Return what a script prints in a process forced to an instruction set; skip where the CPU lacks it."""
    here = Path(__file__).parent
    places = [PACKAGE_HOME, here, here.parent, *sys.path[:1]]
    environment = {**os.environ, "PYCAP_FORCE_ISA": isa, "PYTHONPATH": os.pathsep.join(map(str, places))}
    run = subprocess.run(
        [sys.executable, "-c", LOAD + script, *arguments],
        env=environment,
        cwd=PACKAGE_HOME,
        capture_output=True,
        text=True,
        check=False,
    )
    if "this CPU or build lacks it" in run.stdout + run.stderr:
        pytest.skip(f"this CPU or build lacks {isa}")
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout
