"""Timing shared by the benchmarks: rivals alternate in one run, the median and the spread are reported."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def compare(rivals: dict[str, Callable[[], object]], rounds: int = 9) -> dict[str, tuple[float, float]]:
    """Time rivals against each other, taking turns so that a busy machine slows all of them alike.

    Args:
        rivals: name -> function to time; each is called once untimed first.
        rounds: timed calls of each.

    Returns:
        name -> (median, half of the interquartile range), both in seconds.
    """
    for run in rivals.values():
        run()
    samples: dict[str, list[float]] = {name: [] for name in rivals}
    for _ in range(rounds):
        for name, run in rivals.items():
            start = time.perf_counter()
            run()
            samples[name].append(time.perf_counter() - start)
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
