"""The pictures of the stock checkpoint."""

from __future__ import annotations

import numpy as np

from pycap.course.checkpoint3 import walk
from pycap.course.checkpoint3.walk import Forecasts

DAYS = 45  # of the close-up


def mark_dates(*panels) -> None:
    """Write few and short dates below panels."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    for axes in panels:
        locator = AutoDateLocator(minticks=3, maxticks=7)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def draw_prediction(lab, forecasts: Forecasts, name: str) -> None:
    """Price and intervals of the last year; below, where and how far the price left them."""
    year = forecasts.take(slice(-250, None))
    windows = year.windows
    actual = windows.last * np.exp(windows.targets)
    with lab.picture(
        "intervals", f"{name}: the price, one-day forecasts and intervals of the last year", 2, 1, (8, 6)
    ) as (_, (top, bottom)):
        for coverage, shade in ((0.95, 0.15), (0.8, 0.3)):
            lower, upper, _ = walk.bound(forecasts, walk.NETWORK, coverage)
            low, high = (windows.last * np.exp(side[-250:]) for side in (lower, upper))
            label = f"{coverage:.0%} interval"
            top.fill_between(windows.dates, low, high, color="tab:blue", alpha=shade, lw=0, label=label)
            if coverage == 0.95:
                bottom.fill_between(
                    windows.dates,
                    100 * lower[-250:],
                    100 * upper[-250:],
                    color="tab:blue",
                    alpha=0.2,
                    lw=0,
                    label=label,
                )
                outside = (windows.targets < lower[-250:]) | (windows.targets > upper[-250:])
        top.plot(windows.dates, actual, color="black", lw=0.9, label="price")
        top.set_ylabel("adjusted close")
        top.set_title(f"{name}: tomorrow's price, forecast in the evening")
        top.legend(loc="lower left")
        bottom.vlines(windows.dates, 0, 100 * windows.targets, color="black", lw=0.8, label="return")
        bottom.plot(
            windows.dates[outside],
            100 * windows.targets[outside],
            "o",
            color="tab:red",
            ms=4,
            label="outside 95%",
        )
        bottom.plot(
            windows.dates, 100 * year.means[walk.NETWORK], color="tab:orange", lw=1.4, label="LSTM's guess"
        )
        bottom.set_ylabel("return, %")
        side = 1.35 * max(np.abs(100 * windows.targets).max(), 1.0)
        bottom.set_ylim(-side, side)
        bottom.legend(loc="upper center", ncols=4)
        mark_dates(top, bottom)


def draw_illusion(lab, forecasts: Forecasts, name: str) -> None:
    """The same forecasts three times: they look good, they lag by a day, and they explain nothing."""
    year = forecasts.take(slice(-250, None))
    windows, mean = year.windows, year.means[walk.NETWORK]
    actual, forecast = windows.last * np.exp(windows.targets), windows.last * np.exp(mean)
    with lab.picture(
        "illusion",
        "Left: forecast and price nearly coincide. Middle: from close by the forecast is the price of the day before. "
        "Right: forecast and actual returns form a shapeless cloud.",
        1,
        3,
        (12, 3.8),
    ) as (_, (left, middle, right)):
        left.plot(windows.dates, actual, color="black", lw=1, label="price")
        left.plot(windows.dates, forecast, color="tab:orange", lw=1, ls="--", label="LSTM's forecast")
        left.set_title("It looks like a good forecast ...")
        left.legend()
        mark_dates(left)
        days = np.arange(DAYS)
        middle.plot(days, actual[-DAYS:], "o-", color="black", ms=3, lw=1, label="price")
        middle.plot(days, forecast[-DAYS:], "o-", color="tab:orange", ms=3, lw=1, label="LSTM's forecast")
        middle.plot(days, windows.last[-DAYS:], "x", color="tab:blue", ms=5, label="yesterday's price")
        middle.set_title("... but it is yesterday's price ...")
        middle.set_xlabel("trading day")
        middle.legend()
        all_mean, all_actual = 100 * forecasts.means[walk.NETWORK], 100 * forecasts.windows.targets
        right.plot(all_mean, all_actual, ".", color="tab:orange", ms=2, alpha=0.5)
        side = np.quantile(np.abs(all_actual), 0.999)
        right.plot([-side, side], [-side, side], color="black", lw=0.8, label="a perfect forecast")
        right.set_xlim(-side, side)
        right.set_ylim(-side, side)
        right.set_xlabel("forecast return, %")
        right.set_ylabel("actual return, %")
        right.set_title("... and knows nothing of the move")
        right.legend(loc="lower right")


def draw_walk(lab, forecasts: Forecasts, name: str) -> None:
    """Over all blocks: squared error saved against yesterday's price, and coverage of the intervals."""
    windows = forecasts.windows
    base = windows.targets**2
    colours = {walk.DRIFT: "tab:green", walk.LINEAR: "tab:purple", walk.NETWORK: "tab:orange"}
    with lab.picture(
        "walk",
        f"{name}: squared error saved since the first block, and coverage of 250 days",
        1,
        2,
        (10, 3.6),
    ) as (_, (left, right)):
        left.axhline(0, color="black", lw=0.8)
        for key, colour in colours.items():
            saved = np.cumsum(base - (forecasts.means[key] - windows.targets) ** 2) / base.sum()
            left.plot(windows.dates, 100 * saved, color=colour, label=key)
        left.set_title("Saved against yesterday's price, % of all")
        left.legend()
        styles = {walk.FIXED: "tab:gray", walk.VOLATILITY: "tab:green", walk.NETWORK: "tab:orange"}
        for kind, colour in styles.items():
            lower, upper, _ = walk.bound(forecasts, kind, 0.8)
            ready = np.isfinite(lower)
            inside = ((windows.targets >= lower) & (windows.targets <= upper))[ready]
            days = min(100, len(inside))
            right.plot(
                windows.dates[ready][days - 1 :],
                np.convolve(inside, np.ones(days) / days, "valid"),
                color=colour,
                label=kind,
            )
        right.axhline(0.8, color="black", lw=0.8)
        right.set_title("Coverage of the 80% interval, last 100 days")
        right.set_ylim(0.3, 1.12)
        right.set_yticks([0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
        right.legend(loc="upper center", ncols=3)
        mark_dates(left, right)
