"""Peak memory of one call, measured in a process of its own: `python -m bench.memory ROW CONTENDER THREADS QUICK`.

The peak is the operating system's (VmHWM of /proc/self/status), so it counts whatever any library allocates: it is
reset after a first call, which compiles and allocates what stays, and read after a second one. Freed memory goes
back to the system at once (MALLOC_MMAP_THRESHOLD_, MALLOC_TRIM_THRESHOLD_), for every contender alike.
"""

from __future__ import annotations

import ctypes
import gc
import subprocess
import sys
from pathlib import Path

from bench.case import Settings
from bench.children import HOME, child_environment

MALLOC = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}


def peak_of_call(row: str, contender: str, settings: Settings) -> int | None:
    """Return the bytes that a call of a row's contender (of its first case) needs at its peak; None: not measurable."""
    if not Path("/proc/self/clear_refs").exists():
        return None
    words = [row, contender, str(settings.threads), str(int(settings.quick))]
    command = [sys.executable, "-m", "bench.memory", *words]
    done = subprocess.run(command, env=child_environment(**MALLOC), cwd=HOME, capture_output=True, text=True)
    if done.returncode:
        print(f"peak memory of {contender}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    return int(done.stdout.split()[-1])


def read_status(name: str) -> int:
    """Return a size of this process from /proc/self/status in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name + ":"))


def main() -> None:
    """Print the peak of the contender's second call above what the process held before it."""
    row, name, threads, quick = sys.argv[1:]
    import torch

    from bench.rows import cases_of
    from pycap import ops

    torch.set_num_threads(int(threads))
    ops.set_threads(int(threads))
    case = next(iter(cases_of(row, Settings(int(threads), quick=quick == "1"))))
    run = next(contender.run for contender in case.contenders if contender.name == name)
    with case.around():
        run()
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
        before = read_status("VmRSS")
        run()
        print(max(0, read_status("VmHWM") - before))


if __name__ == "__main__":
    main()
