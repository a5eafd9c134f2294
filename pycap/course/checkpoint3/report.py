"""Tables and the verdict: what the forecasts were worth, in numbers and in words."""

from __future__ import annotations

import numpy as np

from pycap.course.checkpoint3 import walk
from pycap.course.checkpoint3.statistics import (
    chance_of_coin,
    compare_directions,
    compare_losses,
    count_directions,
    diebold_mariano,
    root_mean_square,
    score_intervals,
)
from pycap.course.checkpoint3.walk import COVERAGES, Forecasts

LEVEL = 0.05  # of significance


def score_points(forecasts: Forecasts) -> list[dict]:
    """Score every forecaster of the next return; one row each."""
    actual, last = forecasts.windows.targets, forecasts.windows.last
    base = forecasts.means[walk.LAST_VALUE] - actual
    rows = []
    for name, mean in forecasts.means.items():
        right, days = count_directions(mean, actual)
        statistic, chance = diebold_mariano(mean - actual, base)
        same = name == walk.LAST_VALUE
        rows.append(
            {
                "forecast": name,
                "RMSE of return, %": f"{100 * root_mean_square(mean - actual):.4f}",
                "RMSE of price": f"{root_mean_square(last * (np.exp(mean) - np.exp(actual))):.3f}",
                "DM against yesterday": "" if same else f"{statistic:+.2f} (p {_chance(chance)})",
                "direction": "says none" if not days else f"{right / days:.4f}",
                "days": days or len(actual),
                "p (coin)": _chance(chance_of_coin(right, days)).removeprefix("= ") if days else "",
            }
        )
    return rows


def score_bounds(forecasts: Forecasts, first: dict[str, float] | None = None, start: int = 0) -> list[dict]:
    """Score every kind of interval at every coverage; one row each.

    Args:
        forecasts: in order of time.
        first: widths to begin with, of `f"{kind} {coverage}"`; None: rows without a past are left out.
        start: rows before this one only calibrate.
    """
    rows = []
    for coverage in COVERAGES:
        for kind in forecasts.deviations:
            width = first[f"{kind} {coverage}"] if first else None
            lower, upper, _ = walk.bound(forecasts, kind, coverage, width)
            ready = np.isfinite(lower) & (np.arange(len(lower)) >= start)
            low, high, actual = lower[ready], upper[ready], forecasts.windows.targets[ready]
            inside = (actual >= low) & (actual <= high)
            rows.append(
                {
                    "interval": f"{coverage:.0%} {kind}",
                    "measured coverage": f"{inside.mean():.3f}",
                    "worst 100 days": f"{_worst(inside):.2f}",
                    "mean width, %": f"{100 * (high - low).mean():.2f}",
                    "interval score, %": f"{100 * score_intervals(low, high, actual, coverage).mean():.2f}",
                    "days": int(ready.sum()),
                }
            )
    return rows


def judge(forecasts: Forecasts) -> tuple[list[str], bool]:
    """Say in words what the numbers say.

    Returns:
        sentences, the last one the verdict, and whether the network beats yesterday's price by more than the
        drift does.
    """
    actual = forecasts.windows.targets
    network, drift = forecasts.means[walk.NETWORK], forecasts.means[walk.DRIFT]
    errors, base = network - actual, forecasts.means[walk.LAST_VALUE] - actual
    statistic, chance = diebold_mariano(errors, base)
    gain = 1 - np.mean(errors**2) / np.mean(base**2)
    against_drift, drift_chance = diebold_mariano(errors, drift - actual)
    smaller = chance < LEVEL and statistic < 0
    larger = chance < LEVEL and statistic > 0
    how = "smaller" if smaller else "larger" if larger else "no different beyond chance"
    lines = [
        f"Error: the LSTM's is {how} ({gain:+.2%} of the squared error of yesterday's price saved; "
        f"Diebold-Mariano {statistic:+.2f}, p {_chance(chance)}; against the average drift {against_drift:+.2f}, "
        f"p {_chance(drift_chance)})."
    ]
    right, days = count_directions(network, actual)
    always = "up" if np.median(drift) > 0 else "down"
    always_right, always_days = count_directions(drift, actual)
    won, differ, luck = compare_directions(network, drift, actual)
    ahead = differ > 0 and luck < LEVEL
    coin = chance_of_coin(right, days)
    lines.append(
        f"Direction: right on {right} of {days} days ({right / max(days, 1):.1%}; a coin does as well with "
        f"p {_chance(coin)}); the average drift (nearly always {always}) is right on "
        f"{always_right / max(always_days, 1):.1%}. "
        f"Where the two differ ({differ} days) the LSTM is right on {won}: "
        + ("more than luck would give." if ahead else "no more than luck would give.")
        + f" (p {_chance(luck)})"
    )
    beyond_drift = drift_chance < LEVEL and against_drift < 0
    if smaller and not beyond_drift:
        verdict = (
            "only as far as any steady rise does: against the average drift nothing is left beyond chance."
        )
    elif smaller and ahead:
        verdict = (
            "yes: its errors are smaller and its directions better than the drift's, both beyond chance."
        )
    elif smaller:
        verdict = (
            "a little: its errors are smaller beyond chance, though its directions add nothing to the drift."
        )
    elif ahead:
        verdict = "not in price: only its directions are better than the drift's beyond chance."
    else:
        verdict = (
            "no. Nothing in these numbers would pay for a trade; it is yesterday's price in other words."
        )
    if larger:
        verdict = "no, it is worse: learning noise costs."
    lines.append(f"Verdict: does the LSTM beat yesterday's price? {verdict[0].upper()}{verdict[1:]}")
    return lines, (smaller and beyond_drift) or (ahead and not larger)


def judge_intervals(forecasts: Forecasts, first: dict[str, float] | None = None, start: int = 0) -> str:
    """Say in words what the network's intervals are worth beside those of the plain 22-day volatility."""
    actual = forecasts.windows.targets
    said = []
    for coverage in COVERAGES:
        losses, inside = {}, {}
        for kind in (walk.NETWORK, walk.VOLATILITY):
            lower, upper, _ = walk.bound(forecasts, kind, coverage, first and first[f"{kind} {coverage}"])
            ready = np.isfinite(lower) & (np.arange(len(lower)) >= start)
            losses[kind] = score_intervals(lower, upper, actual, coverage)[ready]
            inside[kind] = ((actual >= lower) & (actual <= upper))[ready].mean()
        statistic, chance = compare_losses(losses[walk.NETWORK], losses[walk.VOLATILITY])
        saved = 1 - losses[walk.NETWORK].mean() / losses[walk.VOLATILITY].mean()
        how = "beyond chance" if chance < LEVEL else "which chance can do"
        said.append(
            f"the {coverage:.0%} ones held {inside[walk.NETWORK]:.1%} of the days, and their score is "
            f"{abs(saved):.1%} {'better' if saved > 0 else 'worse'} than the 22-day volatility's, {how} "
            f"({statistic:+.2f}, p {_chance(chance)})"
        )
    return f"Intervals: {'; '.join(said)}."


def compare_levels(forecasts: Forecasts) -> list[dict]:
    """Show why a forecast line that hugs the price proves nothing; one row a forecaster."""
    windows = forecasts.windows
    actual = windows.last * np.exp(windows.targets)
    rows = []
    for name in (walk.LAST_VALUE, walk.LINEAR, walk.NETWORK):
        forecast = windows.last * np.exp(forecasts.means[name])
        unexplained = np.mean((forecast - actual) ** 2) / np.var(actual)
        rows.append(
            {
                "forecast": name,
                "R² on price": f"{1 - unexplained:.4f}",
                "R² on return": f"{_explained(forecasts.means[name], windows.targets):+.4f}",
                "distance to the price it forecasts, %": f"{100 * _distance(forecast, actual):.3f}",
                "distance to yesterday's price, %": f"{100 * _distance(forecast, windows.last):.3f}",
            }
        )
    return rows


def _explained(mean: np.ndarray, actual: np.ndarray) -> float:
    """Share of the squared returns that the forecast explains; "no move" explains 0."""
    return float(1 - np.mean((mean - actual) ** 2) / np.mean(actual**2))


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    return root_mean_square(np.log(a / b))


def _chance(value: float) -> str:
    return f"= {value:.3f}" if value >= 0.001 else "< 0.001"


def _worst(inside: np.ndarray) -> float:
    """Coverage in the worst hundred days on end."""
    days = min(100, len(inside))
    return float(np.convolve(inside, np.ones(days) / days, "valid").min())
