"""Timing of rivals in one run: they take turns in blocks, the median and the spread are reported.

Single calls in turn would lie: a rival's idle OpenMP threads spin on the cores of the next one, and caches are cold.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

PAUSE = 0.2  # seconds before a block: a rival's idle threads spin for a while and would disturb
BLOCK = 0.3  # seconds of timed calls that a block aims at
MOST_CALLS = 1000  # timed calls in a block, for the fastest rivals
SLOW = 1.0  # seconds from which a call needs no warm-up call before it


@dataclass(frozen=True)
class Timing:
    """Times of one rival.

    Attributes:
        median: of the blocks' medians, in seconds.
        spread: half of their interquartile range, in seconds.
        blocks: median of each block, in seconds.
    """

    median: float
    spread: float
    blocks: list[float]


def compare(
    rivals: dict[str, Callable[[], object]],
    rounds: int = 7,
    pause: float = PAUSE,
    block: float = BLOCK,
    turn: Callable[[str], None] = lambda name: None,
) -> dict[str, Timing]:
    """Time rivals against each other, taking turns so that a busy machine slows all of them alike.

    A turn is a block: a pause, one untimed call that warms caches and threads, then timed calls.

    Args:
        rivals: name -> function to time; each has been called before.
        rounds: blocks of each.
        pause, block: seconds before a block, and of timed calls that it aims at.
        turn: told whose block begins.

    Returns:
        name -> times.
    """
    blocks: dict[str, list[float]] = {name: [] for name in rivals}
    calls = dict.fromkeys(rivals, 1)
    for number in range(rounds):
        for name, run in rivals.items():
            turn(name)
            time.sleep(pause)
            if number == 0 or blocks[name][-1] < SLOW:
                start = time.perf_counter()
                run()
                calls[name] = max(calls[name], choose_calls(time.perf_counter() - start, block))
            times = []
            for _ in range(calls[name]):
                start = time.perf_counter()
                run()
                times.append(time.perf_counter() - start)
            blocks[name].append(statistics.median(times))
    return {name: Timing(statistics.median(found), spread(found), found) for name, found in blocks.items()}


def choose_calls(seconds: float, block: float) -> int:
    """Return how many calls of this length make a block."""
    return max(1, min(MOST_CALLS, math.ceil(block / max(seconds, 1e-6))))


def spread(times: list[float]) -> float:
    """Half of the interquartile range; 0 for a single time."""
    if len(times) < 2:
        return 0.0
    low, _, high = statistics.quantiles(times, n=4)
    return (high - low) / 2
