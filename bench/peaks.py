"""The machine's measured limits: multiply-adds a second, and bytes a second from each level of memory.

A small C++ file is compiled for this very CPU and run in as many threads as asked for. Without a compiler, a
large matrix product and sums of arrays in PyTorch stand in, and the result says so.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

SOURCE = Path(__file__).with_name("peaks.cpp")
SLICE = 0.05  # seconds that one measurement takes at least
TRIES = 5  # the best of so many counts: a limit is what the machine does undisturbed
MEGABYTE = 1 << 20


def measure(threads: int, caches: dict[str, int], quick: bool = False) -> dict[str, Any]:
    """Measure the limits of one thread and of `threads` together.

    Args:
        threads: how many work at once.
        caches: bytes of "L2" (of one core) and "L3".
        quick: small arrays and one try, to see that it works.

    Returns:
        "how" they were measured; "gflops" and "int8_gops" (0: no such instruction) and "gbs" by level, each
        with the value of one thread and of all: `[one, all]`.
    """
    library = compile_kernels()
    sizes = level_sizes(threads, caches, quick)
    tries, span = (2, 0.002) if quick else (TRIES, SLICE)
    if library is None:
        return measure_with_torch(threads, sizes, tries)
    sink = ctypes.c_float()

    def rate(function: Any, counts: list[int]) -> list[float]:
        return [best_rate([lambda n: function(n, ctypes.byref(sink))] * c, tries, span) / 1e9 for c in counts]

    def bandwidth(size: int, count: int) -> float:
        arrays = [aligned_bytes(max(size, 1024) // 1024 * 1024) for _ in range(count)]
        tasks = [
            lambda n, a=array: library.read_memory(a.ctypes.data, a.nbytes, n, ctypes.byref(sink))
            for array in arrays
        ]
        return best_rate(tasks, tries, span) / 1e9

    found: dict[str, list[float]] = {}
    for level, (size, shared) in sizes.items():
        part = size // threads if shared else size
        found[level] = [bandwidth(part, count) for count in (1, threads)]
    return {
        "how": "native micro-benchmark (bench/peaks.cpp)",
        "gflops": rate(library.fma_float32, [1, threads]),
        "int8_gops": rate(library.dot_int8, [1, threads]),
        "gbs": found,
    }


def level_sizes(threads: int, caches: dict[str, int], quick: bool) -> dict[str, tuple[int, bool]]:
    """Return for each level the bytes to read so that it has to serve them, and whether threads share these."""
    l2, l3 = caches.get("L2", MEGABYTE), caches.get("L3", 32 * MEGABYTE)
    sizes = {"L2": (l2 // 2, False), "L3": (min(max(4 * l2 * threads, 16 * MEGABYTE), l3 // 2), True)}
    memory = min(max(2 * l3, 256 * MEGABYTE), free_memory() // 4)
    sizes["DRAM"] = (memory, True)
    return {level: (MEGABYTE, shared) for level, (_, shared) in sizes.items()} if quick else sizes


def free_memory() -> int:
    """Return the bytes that the operating system could hand out."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return 1 << 30


def compile_kernels() -> ctypes.CDLL | None:
    """Compile and load peaks.cpp; None without a compiler."""
    compiler = shutil.which(os.environ.get("CXX", "c++")) or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "peaks.so"
        command = [compiler, "-O3", "-march=native", "-ffp-contract=fast", "-std=c++17", "-shared", "-fPIC"]
        if subprocess.run([*command, str(SOURCE), "-o", str(target)], capture_output=True).returncode:
            return None
        library = ctypes.CDLL(str(target))
    for function in (library.fma_float32, library.dot_int8):
        function.argtypes = [ctypes.c_size_t, ctypes.c_void_p]
    library.read_memory.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_void_p]
    for function in (library.fma_float32, library.dot_int8, library.read_memory):
        function.restype = ctypes.c_double
    return library


def aligned_bytes(size: int) -> np.ndarray:
    """Return touched memory that begins at a page."""
    raw = np.ones(size + 4096, dtype=np.uint8)
    return raw[-raw.ctypes.data % 4096 :][:size]


def best_rate(tasks: list[Callable[[int], float]], tries: int, span: float) -> float:
    """Run tasks at the same time, one a thread; return the largest sum of work done a second.

    Args:
        tasks: each takes a number of rounds and returns the work it did.
        tries: measurements.
        span: seconds one measurement takes at least.
    """
    rounds, best = 1, 0.0
    with ThreadPoolExecutor(len(tasks)) as pool:
        while True:
            start = time.perf_counter()
            work = sum(pool.map(lambda task, n=rounds: task(n), tasks))
            seconds = time.perf_counter() - start
            if work == 0:
                return 0.0
            if seconds < span:
                rounds = max(rounds * 2, int(rounds * 1.2 * span / seconds))
                continue
            best, tries = max(best, work / seconds), tries - 1
            if tries <= 0:
                return best


def measure_with_torch(threads: int, sizes: dict[str, tuple[int, bool]], tries: int) -> dict[str, Any]:
    """Measure what PyTorch reaches; the same result as `measure`."""
    import torch

    before, gflops, found = torch.get_num_threads(), [], {level: [] for level in sizes}
    for count in (1, threads):
        torch.set_num_threads(count)
        left, right = torch.randn(1024, 1024), torch.randn(1024, 1024)
        gflops.append(best_rate([lambda n, a=left, b=right: multiply(a, b, n)], tries, SLICE) / 1e9)
        for level, (size, shared) in sizes.items():
            array = torch.ones(size * (1 if shared else count) // 4)
            found[level].append(best_rate([lambda n, a=array: add_up(a, n)], tries, SLICE) / 1e9)
    torch.set_num_threads(before)
    how = "no C++ compiler: torch matrix product of 1024 x 1024, torch sums"
    return {"how": how, "gflops": gflops, "int8_gops": [0.0, 0.0], "gbs": found}


def multiply(left: Any, right: Any, rounds: int) -> float:
    """Multiply square matrices `rounds` times; return the operations."""
    for _ in range(rounds):
        left @ right
    return 2.0 * rounds * len(left) ** 3


def add_up(array: Any, rounds: int) -> float:
    """Sum an array `rounds` times; return the bytes read."""
    for _ in range(rounds):
        array.sum()
    return 4.0 * rounds * len(array)
