"""`python -m pycap` is the command `pycap`."""

from __future__ import annotations

import sys

from pycap.cli import main

if __name__ == "__main__":
    sys.exit(main())
