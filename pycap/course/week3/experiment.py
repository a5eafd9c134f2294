"""Sequences: how far gradients reach, what clipping saves, and two series forecast."""

from __future__ import annotations

import numpy as np

from pycap.course.readers.prices import list_prices, read_prices
from pycap.course.week3 import forecast
from pycap.course.week3.clipping import train_by_hand
from pycap.course.week3.forecast import root_mean_square
from pycap.course.week3.gradients import measure_flow
from pycap.course.week3.recall import learn_recall

LAYERS = {  # name in tables -> kind, scale of the recurrent matrix, forget bias
    "RNN, scale 0.9": ("rnn", 0.9, 0.0),
    "RNN, scale 1": ("rnn", 1.0, 0.0),
    "RNN, scale 2": ("rnn", 2.0, 0.0),
    "LSTM, forget bias 0": ("lstm", 1.0, 0.0),
    "LSTM, forget bias 1": ("lstm", 1.0, 1.0),
    "LSTM, forget bias 3": ("lstm", 1.0, 3.0),
}
COLOURS = ("tab:red", "tab:orange", "tab:brown", "tab:cyan", "tab:blue", "navy")
LEARNERS = {"RNN": ("rnn", None), "LSTM": ("lstm", None), "LSTM, forget bias 3": ("lstm", 3.0)}
PERIOD, NOISE = 35, 0.1  # of the sine: steps, deviation
WINDOW = 40  # values that a forecaster reads
SHORTEST = 500  # days of a series of prices


def run(lab) -> None:
    """Measure gradients, memory and clipping; then forecast a sine and a stock index's daily range."""
    measure_gradients(lab)
    measure_memory(lab)
    show_clipping(lab)
    forecast_sine(lab)
    forecast_range(lab)


def measure_gradients(lab) -> None:
    """Draw how much the last state depends on each earlier input, before training."""
    time = 100
    flows = {
        name: measure_flow(kind, time, scale, bias, lab.seed) for name, (kind, scale, bias) in LAYERS.items()
    }
    lab.table(
        "Length of the gradient with respect to the input some steps back (the last input's: 1)",
        [
            {"layer": name, **{f"{lag} back": f"{flow[lag]:.1e}" for lag in (5, 20, 50, 99)}}
            for name, flow in flows.items()
        ],
    )
    alt = "Gradient length by steps back: an RNN's falls or grows exponentially, a remembering LSTM's stays level"
    with lab.picture("gradients", alt, size=(8, 4.5)) as (_, axes):
        for (name, flow), colour in zip(flows.items(), COLOURS, strict=True):
            axes.semilogy(flow, label=name, color=colour, ls="--" if name.startswith("RNN") else "-")
        axes.set_xlabel("steps back from the end")
        axes.set_ylabel("gradient length (last input: 1)")
        axes.set_ylim(1e-12, 1e8)
        axes.set_title("How far back does the gradient reach?")
        axes.legend(ncols=2, loc="upper left")


def measure_memory(lab) -> None:
    """Train on sequences of growing length: can the answer at the end tell how they began?"""
    times, steps, seeds = ((10, 40), 150, 1) if lab.quick else ((10, 20, 40, 80), 300, 2)
    right = {}
    for name, (kind, bias) in lab.progress(LEARNERS.items(), "recall", total=len(LEARNERS)):
        right[name] = [
            np.mean([learn_recall(kind, time, steps, lab.seed + seed, bias) for seed in range(seeds)])
            for time in times
        ]
    lab.table(
        f"Which sign came first? Share answered rightly after {steps} steps of training (guessing: 0.5)",
        [
            {
                "layer": name,
                **{f"{time} steps": f"{share:.2f}" for time, share in zip(times, shares, strict=True)},
            }
            for name, shares in right.items()
        ],
    )


def show_clipping(lab) -> None:
    """Train the same RNN by plain gradient descent without and with clipping, and draw both."""
    steps = 150 if lab.quick else 300
    runs = {"not clipped": None, "clipped at 1": 1.0}
    results = {name: train_by_hand(steps, limit, lab.seed) for name, limit in runs.items()}
    lab.table(
        "An RNN by hand, rate 0.1",
        [
            {
                "gradients": name,
                "first loss": f"{losses[0]:.2f}",
                "last loss": f"{losses[-20:].mean():.3g}",
                "longest gradient": f"{lengths.max():.2g}",
                "steps clipped": "" if runs[name] is None else int((lengths > runs[name]).sum()),
            }
            for name, (losses, lengths) in results.items()
        ],
    )
    alt = "Loss and gradient length over training: unclipped, one long step ends it; clipped, the loss falls"
    with lab.picture("clipping", alt, 1, 2, (9, 3.8)) as (_, (left, right)):
        for (name, (losses, lengths)), colour in zip(results.items(), ("tab:red", "tab:blue"), strict=True):
            left.semilogy(losses, color=colour, lw=1, label=name)
            right.semilogy(lengths, color=colour, lw=1, label=name)
        left.set_ylim(1e-4, 1e6)  # what goes on upwards goes on for ever
        right.set_ylim(1e-3, 1e7)
        right.axhline(1.0, color="black", lw=0.8, ls=":")
        left.set_title("Loss")
        right.set_title("Length of the gradient, before clipping")
        for axes in (left, right):
            axes.set_xlabel("step")
            axes.legend(loc="upper right")


def forecast_sine(lab) -> None:
    """Forecast a noisy sine one step ahead, then let the forecasters run on their own forecasts."""
    length, cut, free = 1200, 900, 150
    series = forecast.draw_sine(length, PERIOD, NOISE, lab.seed)
    clean = forecast.draw_sine(length, PERIOD, 0.0, lab.seed)
    windows, targets = forecast.make_windows(series[:cut], WINDOW)
    later, answers = forecast.make_windows(series[cut - WINDOW :], WINDOW)
    coefficients = forecast.fit_linear(windows, targets)
    steppers = {
        "last value": lambda rows: rows[:, -1],
        f"linear, {WINDOW} lags": lambda rows: forecast.apply_linear(coefficients, rows),
    }
    for kind in ("rnn", "lstm"):
        model = forecast.train_forecaster(kind, windows, targets, 32, 8 if lab.quick else 20, lab.seed)
        steppers[kind.upper()] = lambda rows, model=model: forecast.forecast(model, rows)
    runs = {
        name: forecast.run_free(step, series[cut - WINDOW : cut], free) for name, step in steppers.items()
    }
    lab.table(
        f"A sine with noise of {NOISE}: root mean square error one step ahead, and alone against the sine itself",
        [
            {
                "forecast": name,
                "one step ahead": f"{root_mean_square(step(later) - answers):.3f}",
                f"{free} steps alone": f"{root_mean_square(runs[name] - clean[cut : cut + free]):.3f}",
            }
            for name, step in steppers.items()
        ],
    )
    alt = "A noisy sine, and what RNN, LSTM and linear model make of it when they read their own forecasts"
    with lab.picture("sine", alt, size=(9, 3.8)) as (_, axes):
        past = np.arange(-60, 0)
        axes.plot(past, series[cut - 60 : cut], ".", color="gray", ms=3, label="known")
        axes.plot(np.arange(free), clean[cut : cut + free], color="black", lw=0.8, label="the sine itself")
        for name, colour in zip(list(steppers)[1:], ("tab:green", "tab:orange", "tab:blue"), strict=True):
            axes.plot(np.arange(free), runs[name], color=colour, lw=1.3, label=name)
        axes.axvline(0, color="black", lw=0.8, ls=":")
        axes.set_xlabel("steps after the last known value")
        axes.set_ylim(-1.5, 2.3)
        axes.set_title("Reading their own forecasts")
        axes.legend(ncols=5, loc="upper center", fontsize="small")


def forecast_range(lab) -> None:
    """Forecast how far an index will move tomorrow, from how far it moved; train before test in time."""
    prices = read_prices(list_prices(lab.data("stocks"))[0])
    if len(prices.dates) < SHORTEST:
        raise ValueError(
            f"{prices.name}: {len(prices.dates)} days with prices, at least {SHORTEST} are needed; give a longer file"
        )
    traded = (prices.low > 0) & (prices.high > prices.low)
    dates = prices.dates[traded]
    series = np.log(100 * np.log(prices.high[traded] / prices.low[traded]))  # (days,)
    cut = int(len(series) * 0.7)
    mean, deviation = (
        series[:cut].mean(),
        series[:cut].std(),
    )  # of the training part: the test part is the future
    scaled = (series - mean) / deviation
    windows, targets = forecast.make_windows(scaled[:cut], WINDOW)
    later, answers = forecast.make_windows(scaled[cut - WINDOW :], WINDOW)
    coefficients = forecast.fit_linear(forecast.average_horizons(windows), targets)
    answered = {
        "yesterday's range": later[:, -1],
        "mean of 22 days": later[:, -22:].mean(axis=1),
        "linear: day, week, month": forecast.apply_linear(coefficients, forecast.average_horizons(later)),
    }
    epochs = 5 if lab.quick else 20
    level, later_level = windows.mean(axis=1), later.mean(axis=1)
    for kind in ("rnn", "lstm"):
        plain = forecast.train_forecaster(kind, windows, targets, 16, epochs, lab.seed)
        answered[f"{kind.upper()} on levels"] = forecast.forecast(plain, later)
        model = forecast.train_forecaster(
            kind, windows - level[:, None], targets - level, 16, epochs, lab.seed
        )
        answered[f"{kind.upper()} on differences"] = (
            forecast.forecast(model, later - later_level[:, None]) + later_level
        )
    base = root_mean_square(answered["yesterday's range"] - answers)
    lab.table(
        f"{prices.name}: logarithm of the daily range, {len(answers)} test days from {dates[cut]}",
        [
            {
                "forecast": name,
                "RMSE": f"{deviation * root_mean_square(values - answers):.4f}",
                "saved": f"{1 - root_mean_square(values - answers) / base:.1%}",
            }
            for name, values in answered.items()
        ],
    )
    alt = "Daily range of the index in the last year, and the LSTM's forecast of the evening before"
    with lab.picture("range", alt, size=(9, 3.8)) as (_, axes):
        shown = slice(-250, None)
        for name, values, colour, width in (
            ("range", answers, "gray", 0.8),
            ("LSTM on differences, the evening before", answered["LSTM on differences"], "tab:blue", 1.6),
        ):
            axes.plot(
                dates[shown], np.exp(values[shown] * deviation + mean), color=colour, lw=width, label=name
            )
        axes.set_ylabel("high above low, %")
        axes.set_title(f"{prices.name}: how far it moves can be forecast")
        axes.legend()
