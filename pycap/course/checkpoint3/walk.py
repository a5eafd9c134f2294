"""Walk-forward evaluation: at every step train on the past, forecast the next block, move on.

Also the rivals that have to be beaten, and intervals that are calibrated on forecasts already made.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from pycap.course.checkpoint3.windows import Scaler, Windows, fit_scaler

LAST_VALUE = "yesterday's price"
SAME_MOVE = "yesterday's move again"
DRIFT = "average drift"
LINEAR = "autoregression"
NETWORK = "LSTM"
FIXED, VOLATILITY = "fixed width", "22-day volatility"  # rivals of the network's intervals
LAGS = 5  # of the autoregression
COVERAGES = (0.8, 0.95)
MEMORY = 500  # forecasts of the past that calibrate an interval
MIN_SCORES = 100


class Forecasts(NamedTuple):
    """What was said of each row before it was known.

    Attributes:
        windows: the rows.
        means: name of the forecaster -> expected log return, `(rows,)`.
        deviations: name of the kind of interval -> its unit, `(rows,)`.
    """

    windows: Windows
    means: dict[str, np.ndarray]
    deviations: dict[str, np.ndarray]

    def take(self, rows: np.ndarray) -> Forecasts:
        """Return some rows: a mask or indices."""
        means = {name: values[rows] for name, values in self.means.items()}
        deviations = {name: values[rows] for name, values in self.deviations.items()}
        return Forecasts(self.windows.take(rows), means, deviations)


def plan_folds(dates: np.ndarray, folds: int, block: int) -> list[tuple[np.datetime64, np.datetime64]]:
    """Cut the end of the calendar into blocks; at least half of the days stay for the first training.

    Args:
        dates: days that are forecast, in any order and number.
        folds: blocks at most.
        block: days of a block; fewer where the file is short.

    Returns:
        first and last date of each block, in order of time. Training for it may use what is older than the first.
    """
    days = np.unique(dates)
    half = len(days) // 2
    block = max(1, min(block, half // min(folds, 3)))
    folds = min(folds, half // block)
    ends = [len(days) - block * later for later in reversed(range(folds))]
    return [(days[end - block], days[end - 1]) for end in ends]


def walk(
    windows: Windows,
    folds: Iterable[tuple[np.datetime64, np.datetime64]],
    train: Callable[[Windows, Scaler], Callable[[Windows], tuple[np.ndarray, np.ndarray]]],
) -> Forecasts:
    """Refit all forecasters before every block, on the rows known by then, and collect what they say.

    Args:
        windows: rows with targets, in order of time.
        folds: see `plan_folds`.
        train: from training rows and their scaler to the network's forecast, `rows -> (mean, deviation)`.

    Returns:
        forecasts of all blocks, in order of time.
    """
    parts = []
    for first, last in folds:
        past = windows.take(windows.dates < first)
        block = windows.take((windows.dates >= first) & (windows.dates <= last))
        scaler = fit_scaler(past)
        parts.append(collect(block, scaler, fit_autoregression(past), train(past, scaler)))
    return Forecasts(
        Windows(
            *(np.concatenate(columns) for columns in zip(*(part.windows for part in parts), strict=True))
        ),
        {name: np.concatenate([part.means[name] for part in parts]) for name in parts[0].means},
        {name: np.concatenate([part.deviations[name] for part in parts]) for name in parts[0].deviations},
    )


def collect(
    block: Windows,
    scaler: Scaler,
    coefficients: np.ndarray,
    network: Callable[[Windows], tuple[np.ndarray, np.ndarray]],
) -> Forecasts:
    """Let all forecasters speak about a block that none has seen."""
    returns = block.inputs[:, :, 0] * block.scale[:, None]  # (rows, WINDOW)
    mean, deviation = network(block)
    means = {
        LAST_VALUE: np.zeros(len(block.scale)),
        SAME_MOVE: returns[:, -1],
        DRIFT: scaler.target_mean * block.scale,
        LINEAR: _lagged(block) @ coefficients * block.scale,
        NETWORK: mean,
    }
    volatility = np.sqrt((returns[:, -22:] ** 2).mean(axis=1)) + 0.05 * block.scale
    return Forecasts(block, means, {FIXED: block.scale, VOLATILITY: volatility, NETWORK: deviation})


def fit_autoregression(windows: Windows) -> np.ndarray:
    """Least squares of the next return on the last `LAGS`, in units of `scale`; the constant is last."""
    return np.linalg.lstsq(_lagged(windows), windows.targets / windows.scale, rcond=None)[0]


def bound(
    forecasts: Forecasts, kind: str, coverage: float, first: float | None = None
) -> tuple[np.ndarray, ...]:
    """Put an interval around each forecast, as wide as past errors demand (split conformal, walking forward).

    Args:
        forecasts: in order of time; tickers are calibrated one by one.
        kind: a key of `deviations`. The network's interval lies around its mean, the others around no move.
        coverage: share of days that shall fall inside.
        first: units to either side until a ticker has `MIN_SCORES` forecasts behind it; None: no interval, NaN.

    Returns:
        lower and upper log return, and the units used, `(rows,)` each.
    """
    mean = forecasts.means[NETWORK if kind == NETWORK else LAST_VALUE]
    unit = forecasts.deviations[kind]
    scores = np.abs(forecasts.windows.targets - mean) / unit
    widths = np.full(len(unit), np.nan if first is None else first)
    for ticker in np.unique(forecasts.windows.tickers):
        rows = np.flatnonzero(forecasts.windows.tickers == ticker)
        for place in range(MIN_SCORES, len(rows)):
            widths[rows[place]] = conformal_width(scores[rows[max(0, place - MEMORY) : place]], coverage)
    return mean - widths * unit, mean + widths * unit, widths


def conformal_width(scores: np.ndarray, coverage: float) -> float:
    """Return the smallest width that covers the next score with this chance, if it is like the past ones.

    Of n past scores it is the ceil((n + 1) * coverage)-th smallest (Vovk et al. 2005; Lei et al. 2018).
    """
    rank = min(len(scores), math.ceil((len(scores) + 1) * coverage))
    return float(np.partition(scores, rank - 1)[rank - 1])


def _lagged(windows: Windows) -> np.ndarray:
    """Return the last returns in units of `scale`, newest first, and a 1, `(rows, LAGS + 1)`."""
    last = windows.inputs[:, ::-1, 0][:, :LAGS].clip(-8, 8)
    return np.concatenate([last, np.ones((len(last), 1))], axis=1)
