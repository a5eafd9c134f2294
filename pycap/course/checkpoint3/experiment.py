"""Stock prediction with an LSTM: walk forward through the years, beside the rivals that matter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torch import nn

from pycap.course.checkpoint3 import network, pictures, report, walk
from pycap.course.checkpoint3.network import ReturnLSTM
from pycap.course.checkpoint3.walk import COVERAGES, NETWORK, Forecasts
from pycap.course.checkpoint3.windows import Scaler, Windows, cut_windows, fit_scaler, read_series
from pycap.course.readers.prices import Prices

BLOCK = 250  # trading days between two refits: a year
FOLDS = 11  # blocks; the first only calibrates the intervals
SHORTEST = 300  # days that can be forecast, for a walk
FEWEST = 20  # days that a score needs


def run(lab) -> None:
    """Walk forward, print tables and verdict, draw, and keep a model trained on all days."""
    series = read_series(lab.data("stocks"))
    for prices in series:
        lab.say(
            f"{prices.name}: {len(prices.dates)} trading days, {prices.dates[0]} to {prices.dates[-1]}, "
            f"{prices.dropped} rows without values left out"
        )
    windows = cut_windows(series)
    windows = windows.take(np.isfinite(windows.targets))
    days = len(np.unique(windows.dates))
    if days < SHORTEST:
        raise ValueError(
            f"{lab.data('stocks')}: {days} days can be forecast, walking forward needs at least {SHORTEST}; "
            "give a longer file"
        )
    seeds, epochs = ([lab.seed], 5) if lab.quick else ([lab.seed, lab.seed + 1, lab.seed + 2], 12)

    def train(past: Windows, scaler: Scaler):
        models = [network.fit(past, scaler, epochs, seed) for seed in seeds]
        return lambda block: network.forecast(models, block, scaler)

    folds = walk.plan_folds(windows.dates, 4 if lab.quick else FOLDS, BLOCK)
    everything = walk.walk(windows, lab.progress(folds, "refit"), train)
    scored = everything.windows.dates >= folds[min(1, len(folds) - 1)][0]
    better, shown = 0, []
    for ticker, prices in enumerate(series):
        mine = everything.windows.tickers == ticker
        if mine.sum() < walk.MIN_SCORES + FEWEST or (mine & scored).sum() < FEWEST:
            lab.say(f"{prices.name}: too few days in the test blocks ({(mine & scored).sum()}), not scored")
            continue
        shown.append(ticker)
        better += _tell(lab, prices, everything.take(mine & scored), everything.take(mine))
    if len(series) > 1:
        lab.say(f"\nThe LSTM beats yesterday's price in {better} of {len(shown)} tickers.")
    if shown:
        first = everything.take(everything.windows.tickers == shown[0])
        pictures.draw_prediction(lab, first, series[shown[0]].name)
        pictures.draw_illusion(lab, first, series[shown[0]].name)
        pictures.draw_walk(lab, first, series[shown[0]].name)
    _keep(lab, series, windows, everything, seeds, epochs)


def predict(lab, what: str) -> None:
    """Forecast the trading day after the last one of a CSV (or of each CSV in a folder)."""
    models, settings = _load(lab)
    scaler = _scaler(settings)
    series = read_series(Path(what))
    windows = cut_windows(series)
    mean, deviation = network.forecast(models, windows, scaler)
    for ticker, prices in enumerate(series):
        row = np.flatnonzero(windows.tickers == ticker)[-1]
        close = prices.close[-1]
        lab.say(f"{prices.name}: the trading day after {prices.dates[-1]} (close {close:.2f})")
        lab.say(f"  expected   {close * np.exp(mean[row]):.2f} ({100 * np.expm1(mean[row]):+.2f}%)")
        for coverage in COVERAGES:
            reach = settings["widths"][f"{NETWORK} {coverage}"] * deviation[row]
            low, high = close * np.exp(mean[row] - reach), close * np.exp(mean[row] + reach)
            lab.say(f"  {coverage:.0%} interval  {low:.2f} to {high:.2f}")
    lab.say(
        "The interval is the forecast. Its middle is yesterday's price in other words: see the verdict of the run."
    )


def evaluate(lab, path: str | Path) -> None:
    """Score the kept model, as it is, on price files that it was not trained on."""
    models, settings = _load(lab)
    scaler = _scaler(settings)
    series = read_series(Path(path))
    windows = cut_windows(series)
    windows = windows.take(np.isfinite(windows.targets))
    forecasts = walk.collect(
        windows,
        scaler,
        np.array(settings["autoregression"]),
        lambda block: network.forecast(models, block, scaler),
    )
    until = np.datetime64(settings["trained_until"])
    lab.say(f"The model was trained on {', '.join(settings['trained_on'])} until {until}.")
    for ticker, prices in enumerate(series):
        mine = forecasts.take(windows.tickers == ticker)
        later = mine.windows.dates > until
        if len(later) < FEWEST:
            raise ValueError(
                f"{prices.name}: {len(later)} days can be forecast, a score needs at least {FEWEST}; give a longer file"
            )
        if not later.all():
            note = (
                "trained on this name: not a test"
                if prices.name in settings["trained_on"]
                else "other ticker"
            )
            lab.say(
                f"\n{prices.name}: {(~later).sum()} of {len(later)} days are no later than that ({note})."
            )
            _tell(lab, prices, mine, mine, settings["widths"], "all days")
        if later.sum() >= FEWEST:
            rows = mine.take(later)
            _tell(lab, prices, rows, rows, settings["widths"], f"days after {until}")


def _tell(
    lab,
    prices: Prices,
    scored: Forecasts,
    everything: Forecasts,
    first: dict | None = None,
    which: str = "test days",
) -> bool:
    """Print a ticker's tables and verdict; `everything` begins earlier, to calibrate the intervals."""
    dates = scored.windows.dates
    title = f"{prices.name}, {which}: {len(dates)} days, {dates[0]} to {dates[-1]}"
    lab.table(title, report.score_points(scored))
    lab.table(f"{prices.name}: a good-looking line", report.compare_levels(scored))
    start = len(everything.windows.dates) - len(dates)
    lab.table(f"{prices.name}: intervals", report.score_bounds(everything, first, start))
    lines, better = report.judge(scored)
    for line in ("", *lines[:-1], report.judge_intervals(everything, first, start), lines[-1]):
        lab.say(line)
    return better


def _keep(
    lab, series: list[Prices], windows: Windows, walked: Forecasts, seeds: list[int], epochs: int
) -> None:
    """Train on all days and keep the networks with all that predict and evaluate need."""
    scaler = fit_scaler(windows)
    models = nn.ModuleList(network.fit(windows, scaler, epochs, seed) for seed in seeds)
    actual = walked.windows.targets
    widths = {}
    for kind, unit in walked.deviations.items():
        mean = walked.means[NETWORK if kind == NETWORK else walk.LAST_VALUE]
        for coverage in COVERAGES:
            widths[f"{kind} {coverage}"] = walk.conformal_width(np.abs(actual - mean) / unit, coverage)
    lab.save_model(
        "forecaster",
        models,
        networks=len(models),
        trained_on=[prices.name for prices in series],
        trained_until=str(windows.dates.max()),
        means=scaler.means.tolist(),
        deviations=scaler.deviations.tolist(),
        target_mean=scaler.target_mean,
        target_deviation=scaler.target_deviation,
        autoregression=walk.fit_autoregression(windows).tolist(),
        widths=widths,
    )


def _load(lab) -> tuple[list[ReturnLSTM], dict]:
    state, settings = lab.load_model("forecaster")
    models = nn.ModuleList(ReturnLSTM() for _ in range(settings["networks"]))
    models.load_state_dict(state)
    return list(models.eval()), settings


def _scaler(settings: dict) -> Scaler:
    arrays = (np.array(settings[name]) for name in ("means", "deviations"))
    return Scaler(*arrays, settings["target_mean"], settings["target_deviation"])
