"""Instructions of one call, counted by Valgrind: `python -m bench.instructions [ROW ...]` (apt-get install valgrind).

Counts do not depend on how busy the machine is, so two versions can be compared anywhere. Valgrind knows AVX2 and no
AVX-512, so AVX2's kernels are counted, on one thread. Counting starts and ends where a child calls time().
"""

from __future__ import annotations

import argparse
import ctypes
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

MARK = "time"  # of the C library: no call of a row calls it
DECODE = {  # pictures, words of the vocabulary, precision
    "decode, 2,500 words, float32": (1, 2_500, "float32"),
    "decode, 2,500 words, int8": (1, 2_500, "int8"),
    "decode, 8 pictures, 2,500 words, float32": (8, 2_500, "float32"),
    "decode, 8 pictures, 2,500 words, int8": (8, 2_500, "int8"),
    "decode, 10,000 words, float32": (1, 10_000, "float32"),
    "decode, 10,000 words, int8": (1, 10_000, "int8"),
}
TRAIN = "attend_lstm, 4 x 5 captions, forward and backward"


def count_instructions(row: str, folder: Path) -> int:
    """Return the instructions of one call of a row, the second of a process."""
    counts = folder / "counts"
    for old in folder.glob("counts*"):
        old.unlink()
    tool = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={counts}"]
    tool += [f"--zero-before={MARK}", f"--dump-before={MARK}"]
    command = [*tool, sys.executable, "-m", "bench.instructions", "--child", row, str(folder)]
    environment = child_environment(PYCAP_FORCE_ISA="avx2", OMP_NUM_THREADS="1")
    done = subprocess.run(command, env=environment, cwd=HOME, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{row}: {done.stderr.strip().splitlines()[-1]}")
    last = max(folder.glob("counts.*"), key=lambda part: int(part.suffix[1:]))
    totals = re.search(r"^totals: (\d+)", last.read_text(), re.MULTILINE)
    assert totals, "Valgrind writes totals"
    return int(totals[1])


def write_problems(folder: Path, words: set[int]) -> None:
    """Store the decode row's weights and features for children, which would take long to import torch."""
    from bench.problems import draw_features, draw_weights

    np.save(folder / "features.npy", draw_features(8, 49, 512).numpy())
    for size in words:
        flat = draw_weights(size, 512).flat()
        np.savez(folder / f"{size}.npz", **{name: value.numpy() for name, value in flat.items()})


def search(row: str, folder: Path) -> Callable[[], object]:
    """Return the call of a decode row: beam 5, 49 regions, 14 steps, widths 512."""
    from pycap.ops.packed import PackedDecoder

    images, size, precision = DECODE[row]
    weights = {name: np.ascontiguousarray(value) for name, value in np.load(folder / f"{size}.npz").items()}
    features = np.load(folder / "features.npy")[:images]
    return partial(PackedDecoder(weights, precision).search, features, beam=5, max_length=13, threads=1)


def train() -> Callable[[], object]:
    """Return the call of the attend_lstm row: 12 steps, 49 regions, widths 512."""
    import torch

    from bench.rows.attend_lstm import differentiate, make_problem
    from pycap import ops

    torch.set_num_threads(1)
    ops.set_threads(1)
    problem = make_problem(images=4, captions=5, regions=49, dim=512, steps=12)
    lengths, image_index = torch.full((20,), 12), torch.arange(4).repeat_interleave(5)
    return partial(differentiate, lambda: ops.attend_lstm(*problem, lengths, image_index), problem)


def main() -> None:
    """Print a table of the rows asked for."""
    rows = (*DECODE, TRAIN)
    if sys.argv[1:2] == ["--child"]:
        row, folder = sys.argv[2:]
        run = search(row, Path(folder)) if row in DECODE else train()
        mark = ctypes.CDLL(None)[MARK]
        run()  # allocates what stays
        mark(None)
        run()
        mark(None)
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
        write_problems(folder, {DECODE[row][1] for row in chosen if row in DECODE})
        print("| call, AVX2, one thread | million instructions |\n| --- | --- |", flush=True)
        for row in chosen:
            print(f"| {row} | {count_instructions(row, folder) / 1e6:,.1f} |", flush=True)


if __name__ == "__main__":
    main()
