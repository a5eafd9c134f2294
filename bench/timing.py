"""Timing shared by the benchmarks: rivals alternate in one run, the median and the spread are reported."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

PAUSE = 0.2  # seconds before each timed call: the last rival's idle OpenMP threads still spin on a core


PAUSE = 0.2  # seconds before a block: a rival's idle OpenMP threads spin for a while and would disturb
CALLS = 5  # timed calls in a block


def compare(rivals: dict[str, Callable[[], object]], rounds: int = 9) -> dict[str, tuple[float, float]]:
    """Time rivals against each other, taking turns so that a busy machine slows all of them alike.

    A turn is a block: a pause, one untimed call that warms caches and threads, then timed calls.

    Args:
        rivals: name -> function to time.
        rounds: blocks of each.

    Returns:
        name -> (median, half of the interquartile range) of the blocks' medians, in seconds.
    """
    samples: dict[str, list[float]] = {name: [] for name in rivals}
    for _ in range(rounds):
        for name, run in rivals.items():
            time.sleep(PAUSE)
            run()
            times = []
            for _ in range(CALLS):
                start = time.perf_counter()
                run()
                times.append(time.perf_counter() - start)
            samples[name].append(statistics.median(times))
    return {name: (statistics.median(times), spread(times)) for name, times in samples.items()}


def spread(times: list[float]) -> float:
    """Half of the interquartile range."""
    low, _, high = statistics.quantiles(times, n=4)
    return (high - low) / 2


def describe_machine() -> str:
    """One line: processor, usable cores, torch version and threads."""
    import os

    import torch

    model = "unknown processor"
    with open("/proc/cpuinfo") as lines:
        model = next(
            (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model
        )
    cores = len(os.sched_getaffinity(0))
    return f"{model}, {cores} cores, torch {torch.__version__}, {torch.get_num_threads()} threads"
