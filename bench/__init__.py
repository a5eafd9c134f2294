"""Every performance claim of pycap, measured beside its peers: `python -m bench --help`."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# `python -m bench` puts the sources first in the path. If they were never built in place, an installed pycap is meant.
if not list((ROOT / "pycap").glob("_cpu*.so")):
    sys.path[:] = [path for path in sys.path if Path(path or ".").resolve() != ROOT] + [str(ROOT)]
