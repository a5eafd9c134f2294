"""From price files to windows: what is known in the evening, and what the next day brought.

Everything about a day comes from that day and the days before it. Prices are the adjusted closes, so that splits and
dividends are no moves; the model sees returns, never prices.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from pycap.course.readers.prices import Prices, list_prices, read_prices

WINDOW = 30  # days that the network reads
SCALE_DAYS = 250  # a ticker's own unit: the size of its moves in the last year
FIRST_DAY = 60  # days of history before the first forecast
FEATURES = ("return", "range")


class Windows(NamedTuple):
    """One row a forecast, ordered by date and then by ticker.

    Attributes:
        inputs: features of the days up to the evening of the forecast, in units of `scale`,
            `(rows, WINDOW, features)`.
        targets: log return of the following day, `(rows,)`; NaN where the file ends.
        scale: root mean square of the returns of the `SCALE_DAYS` before the forecast, `(rows,)`.
        known, dates: the evening of the forecast and the day that is forecast, datetime64[D], `(rows,)`.
        tickers: index into the list of series, `(rows,)`.
        last: adjusted close of that evening, `(rows,)`.
    """

    inputs: np.ndarray
    targets: np.ndarray
    scale: np.ndarray
    known: np.ndarray
    dates: np.ndarray
    tickers: np.ndarray
    last: np.ndarray

    def take(self, rows: np.ndarray) -> Windows:
        """Return some rows: a mask or indices."""
        return Windows(*(column[rows] for column in self))


class Scaler(NamedTuple):
    """Mean and deviation of each feature, and of the targets, on the training part."""

    means: np.ndarray  # (features,)
    deviations: np.ndarray  # (features,)
    target_mean: float
    target_deviation: float


def read_series(path: Path) -> list[Prices]:
    """Read a CSV, or every CSV of a folder.

    Raises:
        ValueError: a file is broken or too short, naming it.
    """
    series = [read_prices(file) for file in list_prices(path)]
    for prices in series:
        if len(prices.dates) <= FIRST_DAY + 1:
            raise ValueError(
                f"{prices.name}: {len(prices.dates)} days with prices, the model needs at least {FIRST_DAY + 2}; "
                "give a longer file"
            )
    return series


def log_returns(prices: np.ndarray) -> np.ndarray:
    """Return ln(p_t / p_(t-1)), `(days - 1,)`."""
    return np.diff(np.log(prices))


def cut_windows(series: list[Prices]) -> Windows:
    """Cut every series into windows; the last row of each has no target yet: it is the forecast to make."""
    parts = [_cut_one(prices, index) for index, prices in enumerate(series)]
    joined = Windows(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
    return joined.take(np.lexsort((joined.tickers, joined.known)))


def fit_scaler(windows: Windows) -> Scaler:
    """Measure the training part; call it with nothing else."""
    flat = windows.inputs.reshape(-1, windows.inputs.shape[2])
    scaled = windows.targets / windows.scale
    return Scaler(
        flat.mean(axis=0), flat.std(axis=0) + 1e-8, float(scaled.mean()), float(scaled.std() + 1e-8)
    )


def _cut_one(prices: Prices, ticker: int) -> Windows:
    returns = np.concatenate(
        [[0.0], log_returns(prices.adjusted)]
    )  # day 0 has no yesterday; no window reads it
    traded = (prices.low > 0) & (prices.high >= prices.low)  # Yahoo has old days with no high and low
    ranges = np.log(np.where(traded, prices.high, 1.0) / np.where(traded, prices.low, 1.0))
    ranges = np.where(traded & (ranges > 0), ranges, np.abs(returns))
    sums = np.concatenate([[0.0], np.cumsum(returns**2)])
    last = np.arange(FIRST_DAY, len(returns))  # evenings of forecasts
    start = np.maximum(1, last + 1 - SCALE_DAYS)
    scale = np.sqrt((sums[last + 1] - sums[start]) / (last + 1 - start)) + 1e-8
    features = np.stack([returns, ranges], axis=1)  # (days, features)
    views = np.lib.stride_tricks.sliding_window_view(
        features, WINDOW, axis=0
    )  # (days - WINDOW + 1, features, WINDOW)
    inputs = views[last + 1 - WINDOW].transpose(0, 2, 1) / scale[:, None, None]
    targets = np.concatenate([returns[last[1:]], [np.nan]])
    dates = np.concatenate([prices.dates[last[1:]], [np.datetime64("NaT", "D")]])
    tickers = np.full(len(last), ticker)
    return Windows(inputs, targets, scale, prices.dates[last], dates, tickers, prices.adjusted[last])
