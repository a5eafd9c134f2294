"""Points in the plane that a line separates, and points that no line does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Points = tuple[NDArray[np.float64], NDArray[np.int64]]  # (count, 2), and 0 or 1 a point


def draw_blobs(count: int, rng: np.random.Generator) -> Points:
    """Two clouds side by side, one class each, with a gap between them."""
    labels = np.arange(count) % 2
    centres = np.array([[-1.3, -0.6], [1.3, 0.6]])
    return centres[labels] + rng.uniform(-1, 1, (count, 2)) * [0.9, 1.1], labels


def draw_corners(count: int, rng: np.random.Generator) -> Points:
    """XOR: four clouds, where opposite corners belong together."""
    corner = np.arange(count) % 4
    centres = np.array([[-1, -1], [1, 1], [-1, 1], [1, -1]])
    return centres[corner] + rng.normal(0, 0.3, (count, 2)), corner // 2


def draw_moons(count: int, rng: np.random.Generator) -> Points:
    """Two half circles that reach into each other."""
    labels = np.arange(count) % 2
    angle = rng.uniform(0, np.pi, count)
    side = 1 - 2 * labels
    moons = np.stack([side * (np.cos(angle) - 0.5), side * (np.sin(angle) - 0.25)], axis=1)
    return 1.3 * moons + rng.normal(0, 0.13, (count, 2)), labels


def draw_spirals(count: int, rng: np.random.Generator) -> Points:
    """Two arms that wind around each other one and a half times."""
    labels = np.arange(count) % 2
    turn = np.sqrt(rng.uniform(0.02, 1, count)) * 3 * np.pi
    radius, angle = turn / 4, turn + np.pi * labels
    arms = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return arms + rng.normal(0, 0.06, (count, 2)), labels


TOYS: dict[str, Callable[[int, np.random.Generator], Points]] = {
    "blobs": draw_blobs,
    "corners": draw_corners,
    "moons": draw_moons,
    "spirals": draw_spirals,
}
