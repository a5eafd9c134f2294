"""What accuracy alone does not say: which classes are taken for which, and how sure the number is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def count_confusions(
    labels: NDArray[np.int64], answers: NDArray[np.int64], classes: int
) -> NDArray[np.int64]:
    """Return `(classes, classes)`: how often a picture of the row's class was called the column's."""
    table = np.zeros((classes, classes), np.int64)
    np.add.at(table, (labels, answers), 1)
    return table


def bound_accuracy(right: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """Return the interval in which the true accuracy lies with 95 % confidence (Wilson 1927)."""
    share, spread = right / count, z * z / count
    centre = (share + spread / 2) / (1 + spread)
    half = z * np.sqrt(share * (1 - share) / count + spread / (4 * count)) / (1 + spread)
    return float(centre - half), float(centre + half)
