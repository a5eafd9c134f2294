"""Instructions of one call, counted by Valgrind: `python -m bench.instructions [ROW ...]` (apt-get install valgrind).

Counts do not depend on how busy the machine is, so two versions can be compared anywhere. Valgrind knows AVX2 and no
AVX-512, so AVX2's kernels are counted, on one thread. A process makes one call, another one three: half of the
difference is a call. Valgrind is slow at multiply-adds: all rows take a quarter of an hour.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from bench.children import HOME, child_environment

CALLS = (1, 3)
DECODE = {"decode, float32": "float32", "decode, int8": "int8"}  # the precision
WORDS = 2_500
TRAIN = "attend_lstm, 5 captions, forward and backward"


def count_instructions(row: str, calls: int, folder: Path) -> int:
    """Return the instructions of a process that makes some calls of a row."""
    tool = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    command = [*tool, sys.executable, "-m", "bench.instructions", "--child", row, str(calls), str(folder)]
    environment = child_environment(PYCAP_FORCE_ISA="avx2", PYTHONHASHSEED="0")
    done = subprocess.run(command, env=environment, cwd=HOME, capture_output=True, text=True)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not found:
        raise RuntimeError(f"{row}: {done.stderr.strip().splitlines()[-1]}")
    return int(found[1])


def write_problem(folder: Path) -> None:
    """Store the decode rows' weights and features for children, which would take long to import torch."""
    from bench.problems import draw_features, draw_weights

    np.save(folder / "features.npy", draw_features(1, 49, 512).numpy())
    flat = draw_weights(WORDS, 512).flat()
    np.savez(folder / "weights.npz", **{name: value.numpy() for name, value in flat.items()})


def search(row: str, folder: Path) -> Callable[[], object]:
    """Return the call of a decode row: a picture, beam 5, 2,500 words, 49 regions, 14 steps, widths 512."""
    from pycap.ops.packed import PackedDecoder

    decoder = PackedDecoder(dict(np.load(folder / "weights.npz")), DECODE[row])
    return partial(decoder.search, np.load(folder / "features.npy"), beam=5, max_length=13)


def train() -> Callable[[], object]:
    """Return the call of the attend_lstm row: 12 steps, 49 regions, widths 512."""
    import torch

    from bench.rows.attend_lstm import differentiate, make_problem
    from pycap import ops

    problem = make_problem(images=1, captions=5, regions=49, dim=512, steps=12)
    lengths, image_index = torch.full((5,), 12), torch.zeros(5, dtype=torch.int64)
    return partial(differentiate, lambda: ops.attend_lstm(*problem, lengths, image_index), problem)


def main() -> None:
    """Print a table of the rows asked for."""
    rows = (*DECODE, TRAIN)
    if sys.argv[1:2] == ["--child"]:
        row, calls, folder = sys.argv[2:]
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # one thread: others would be counted waiting
        run = search(row, Path(folder)) if row in DECODE else train()
        for _ in range(int(calls)):
            run()
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "rows", nargs="*", metavar="ROW", help=f"beginnings of {'; '.join(rows)} (default: all)"
    )
    wanted = tuple(parser.parse_args().rows) or ("",)
    chosen = [row for row in rows if row.startswith(wanted)]
    if not chosen:
        parser.error(f"no row begins with {' or '.join(wanted)}")
    if not shutil.which("valgrind"):
        sys.exit("valgrind is not installed: apt-get install valgrind")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_problem(folder)
        print("| call, AVX2, one thread | million instructions |\n| --- | --- |", flush=True)
        for row in chosen:
            few, many = (count_instructions(row, calls, folder) for calls in CALLS)
            print(f"| {row} | {(many - few) / (CALLS[1] - CALLS[0]) / 1e6:,.1f} |", flush=True)


if __name__ == "__main__":
    main()
