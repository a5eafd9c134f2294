"""Is it skill or luck? Scores and significance tests for forecasts; no torch."""

from __future__ import annotations

import math

import numpy as np


def root_mean_square(errors: np.ndarray) -> float:
    """Return the usual size of errors, in their own unit."""
    return float(np.sqrt(np.mean(np.square(errors))))


def count_directions(predicted: np.ndarray, actual: np.ndarray) -> tuple[int, int]:
    """Count days whose sign was forecast rightly.

    Args:
        predicted, actual: returns, `(days,)`. Days on which nothing moved, or nothing was forecast, do not count.

    Returns:
        right days and counted days.
    """
    counted = (predicted != 0) & (actual != 0)
    right = np.sign(predicted[counted]) == np.sign(actual[counted])
    return int(right.sum()), int(counted.sum())


def chance_of_coin(right: int, days: int) -> float:
    """Return how likely a fair coin is right on at least `right` of `days` days (exact binomial, one-sided)."""
    if days == 0:
        return 1.0
    logs = [
        math.lgamma(days + 1) - math.lgamma(k + 1) - math.lgamma(days - k + 1) - days * math.log(2)
        for k in range(right, days + 1)
    ]
    return min(1.0, math.fsum(math.exp(value) for value in logs))


def compare_directions(
    predicted: np.ndarray, rival: np.ndarray, actual: np.ndarray
) -> tuple[int, int, float]:
    """Compare two forecasts on the days where their signs differ: there, one of them is right.

    Returns:
        days that `predicted` won, days on which they differed, and the chance that a fair coin wins as many.
    """
    differ = (np.sign(predicted) != np.sign(rival)) & (predicted != 0) & (rival != 0) & (actual != 0)
    won = int((np.sign(predicted[differ]) == np.sign(actual[differ])).sum())
    days = int(differ.sum())
    return won, days, chance_of_coin(won, days)


def diebold_mariano(
    errors: np.ndarray, rival_errors: np.ndarray, lags: int | None = None
) -> tuple[float, float]:
    """Test whether two forecasts' squared errors differ by more than chance (Diebold & Mariano 1995).

    Args:
        errors, rival_errors: forecast minus actual on the same days, `(days,)`.
        lags: neighbours in time whose covariance counts (Newey & West 1987); None: the cube root of days.

    Returns:
        the statistic, negative when `errors` are the smaller ones, and its two-sided p-value (normal).
    """
    return compare_losses(np.square(errors), np.square(rival_errors), lags)


def compare_losses(
    losses: np.ndarray, rival_losses: np.ndarray, lags: int | None = None
) -> tuple[float, float]:
    """The same for any loss of a day, `(days,)` each: is the mean difference more than chance?"""
    difference = losses - rival_losses
    days = len(difference)
    centred = difference - difference.mean()
    lags = round(days ** (1 / 3)) if lags is None else lags
    variance = centred @ centred / days
    for lag in range(1, lags + 1):
        variance += 2 * (1 - lag / (lags + 1)) * (centred[lag:] @ centred[:-lag]) / days
    if variance <= 0:  # the same errors
        return 0.0, 1.0
    statistic = float(difference.mean() / math.sqrt(variance / days))
    return statistic, math.erfc(abs(statistic) / math.sqrt(2))


def score_intervals(lower: np.ndarray, upper: np.ndarray, actual: np.ndarray, coverage: float) -> np.ndarray:
    """Return each day's interval score, `(days,)`; smaller is better (Gneiting & Raftery 2007).

    It is the width plus, where the day fell outside, a fine that grows with the miss.
    """
    fine = 2 / (1 - coverage)
    misses = np.maximum(lower - actual, 0) + np.maximum(actual - upper, 0)
    return upper - lower + fine * misses
