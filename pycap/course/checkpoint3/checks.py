"""What the autograder asks of the stock checkpoint."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from pycap.course.grading import Task, Wrong, expect_close, expect_equal, expect_error, expect_unchanged


def check_log_returns(log_returns) -> None:
    hole = math.nan
    cases = (
        ([100.0, 110.0, 99.0], [1.1, 0.9], "nothing missing: what is divided by what, and which logarithm?"),
        ([100.0, 110.0, hole, 99.0], [1.1, 0.9], "a missing day is taken out before prices are compared"),
        ([hole, 50.0, 25.0], [0.5], "the hole may come first"),
        ([8.0, 4.0, hole, hole, 2.0, 1.0, hole], [0.5, 0.5, 0.5], "two holes in a row, and one at the end"),
        ([7.0, 7.0], [1.0], "two days have one return"),
        ([0.000001, 1000.0], [1e9], "large moves show whether it is really a logarithm"),
    )
    for prices, ratios, hint in cases:
        array = np.array(prices)
        given = f"log_returns({prices})"
        with expect_unchanged(given, adjusted=array):
            expect_close(
                log_returns(array),
                [math.log(ratio) for ratio in ratios],
                given=given,
                hint=hint,
                tolerance=1e-5,
            )


def check_standardise(standardise) -> None:
    features = np.array([[1.0, 5.0], [3.0, 5.0], [100.0, 9.0], [-50.0, 4.0]])
    given = "features [[1, 5], [3, 5], [100, 9], [-50, 4]], train_days=2"
    hint = "measure on the first train_days rows only, column by column; then scale all rows"
    with expect_unchanged(given, features=features):
        scaled, means, deviations = _unpack(standardise(features, 2), 3, given)
    expect_close(means, [2.0, 5.0], given=f"{given}: means", hint=hint)
    expect_close(
        deviations, [1.0, 1.0], given=f"{given}: deviations", hint="divide by the number of days; 0 becomes 1"
    )
    expect_close(scaled, [[-1, 0], [1, 0], [98, 4], [-52, -1]], given=f"{given}: scaled", hint=hint)
    rng = np.random.default_rng(3)
    for days, width, train_days, size in ((50, 3, 30, 1), (9, 1, 4, 1), (12, 4, 12, 1), (40, 2, 25, 1e-3)):
        features = rng.normal(3, 2, (days, width)) * np.linspace(1, 4, days)[:, None] * size
        given = f"{days} days of {width} random features that grow wilder, train_days={train_days}"
        given += ", as small as daily returns" if size < 1 else ""
        with expect_unchanged(given, features=features):
            scaled, means, deviations = _unpack(standardise(features, train_days), 3, given)
        columns = [[float(value) for value in column[:train_days]] for column in features.T]
        middle = [math.fsum(column) / train_days for column in columns]
        spread = [
            math.sqrt(math.fsum((value - m) ** 2 for value in column) / train_days)
            for column, m in zip(columns, middle, strict=True)
        ]
        expect_close(means, middle, given=f"{given}: means", hint=hint, tolerance=1e-5)
        expect_close(deviations, spread, given=f"{given}: deviations", hint=hint, tolerance=1e-5)
        expect_close(
            scaled,
            (features - np.array(middle)) / spread,
            given=f"{given}: scaled",
            hint=hint,
            tolerance=1e-4,
        )


def check_walk_forward(walk_forward) -> None:
    cases = (
        ((10, 6, 3, 1), [(6, 6, 9), (9, 9, 10)]),
        ((10, 6, 2, 1), [(6, 6, 8), (8, 8, 10)]),
        ((10, 6, 3, 3), [(4, 6, 9), (7, 9, 10)]),
        ((10, 6, 100, 2), [(5, 6, 10)]),
        ((7, 4, 1, 4), [(1, 4, 5), (2, 5, 6), (3, 6, 7)]),
        ((1000, 250, 250, 5), [(246, 250, 500), (496, 500, 750), (746, 750, 1000)]),
    )
    for arguments, expected in cases:
        given = "walk_forward(rows={}, first_test={}, block={}, horizon={})".format(*arguments)
        got = walk_forward(*arguments)
        if not isinstance(got, (list, tuple, np.ndarray)):
            raise Wrong(expected, got, given, "return a list")
        expect_equal(
            [[int(part) for part in fold] for fold in got],
            expected,
            given=given,
            hint="in the evening of day s, row r's answer is known if r + horizon <= s: which row is the last?",
        )


def check_score_directions(score_directions) -> None:
    cases = (
        ([1, 1, -1, 2, 0], [3, -1, -2, 0, 5], 2, 3),
        ([0.1, -0.2, 0.3, 0.4], [0.1, -0.5, 0.2, 0.9], 4, 4),
        ([0.1, -0.2], [-0.1, 0.5], 0, 2),
        ([1e-9, -1e-9, 1.0], [5.0, -5.0, -1e-9], 2, 3),
        ([-3.0], [-1.0], 1, 1),
    )
    for predicted, actual, right, days in cases:
        _check_directions(score_directions, np.array(predicted, float), np.array(actual, float), right, days)
    rng = np.random.default_rng(1)
    for days, skill in ((200, 0.55), (2500, 0.51), (2500, 0.9)):  # 2^2250 is more than a float holds
        actual = rng.normal(size=days)
        predicted = np.where(rng.random(days) < skill, 1, -1) * np.sign(actual) * rng.random(days)
        actual[::10] = 0.0
        counted = actual != 0
        right = sum((p > 0) == (a > 0) for p, a in zip(predicted[counted], actual[counted], strict=True))
        _check_directions(score_directions, predicted, actual, int(right), int(counted.sum()))
    hint = "no counted day: there is no share to return"
    for predicted, actual in (([0.0, 0.0], [1.0, 2.0]), ([1.0], [0.0])):
        expect_error(
            lambda p=predicted, a=actual: score_directions(np.array(p), np.array(a)),
            ValueError,
            given=f"predicted {predicted}, actual {actual}",
            hint=hint,
        )


def _check_directions(score_directions, predicted, actual, right: int, days: int) -> None:
    short = len(predicted) <= 5
    given = (
        f"predicted {predicted.tolist()}, actual {actual.tolist()}"
        if short
        else f"{len(predicted)} random days, {days} of which count"
    )
    with expect_unchanged(given, predicted=predicted, actual=actual):
        share, chance = _unpack(score_directions(predicted, actual), 2, given)
    expect_close(
        share,
        right / days,
        given=f"{given}: share",
        hint="only days with a move and a forecast count, above and below",
    )
    tail = sum(math.comb(days, k) for k in range(right, days + 1))
    expect_close(
        chance,
        float(Fraction(tail, 2**days)),
        given=f"{given}: chance of a coin",
        hint="add up the chances of the observed number and of all larger ones; for many days, work with "
        "whole numbers or logarithms",
        tolerance=1e-6,
    )


def check_conformal_intervals(conformal_intervals) -> None:
    rng = np.random.default_rng(2)
    skewed = rng.normal(0, 1, 40) * np.linspace(1, 5, 40)
    wave = np.sin(np.arange(40.0))
    cases = (
        (np.array([0.0, 0, 0, 0, 10]), np.array([1.0, -2, 3, -4, 99]), 0.5, 4, "the example of the text"),
        (np.zeros(6), np.array([5.0, 1, 1, 1, 1, 1]), 0.6, 4, "predicted 0, actual [5, 1, 1, 1, 1, 1]"),
        (wave, wave + skewed, 0.8, 9, "40 days that grow wilder"),
        (wave, wave + skewed, 0.95, 19, "40 days that grow wilder"),
        (wave, wave + 3 + np.abs(skewed), 0.5, 7, "40 days whose forecasts are all too low"),
        (wave, wave + skewed, 0.8, 39, "40 days, of which one has an interval"),
    )
    for predicted, actual, coverage, memory, what in cases:
        given = f"{what}; coverage {coverage}, memory {memory}"
        with expect_unchanged(given, predicted=predicted, actual=actual):
            lower, upper = _unpack(conformal_intervals(predicted, actual, coverage, memory), 2, given)
        expected = []
        for day in range(memory, len(predicted)):
            errors = sorted(abs(actual[past] - predicted[past]) for past in range(day - memory, day))
            expected.append(errors[math.ceil((memory + 1) * coverage - 1e-9) - 1])
        for name, got, sign in (("lower", lower, -1), ("upper", upper, 1)):
            expect_close(
                got,
                predicted[memory:] + sign * np.array(expected),
                given=f"{given}: {name}",
                hint="which days' errors are known in the evening before day t? absolute, sorted, the k-th from 1 on",
                tolerance=1e-5,
            )
    later = skewed.copy()
    later[-1] += 1000.0
    first, second = (conformal_intervals(np.zeros(40), actual, 0.8, 9) for actual in (skewed, later))
    expect_close(
        second[1],
        first[1],
        given="only the last day's actual return was changed: upper bounds",
        hint="the interval of a day must not know that day's return",
    )
    for coverage, memory in ((0.95, 10), (0.8, 3), (0.99, 98)):
        expect_error(
            lambda c=coverage, m=memory: conformal_intervals(np.zeros(200), np.ones(200), c, m),
            ValueError,
            given=f"200 days, coverage {coverage}, memory {memory}",
            hint="k is larger than memory: the largest error seen is not wide enough to promise that",
        )


def check_diebold_mariano(diebold_mariano) -> None:
    cases = [
        ("errors [1, 2], rival [2, 4]", np.array([1.0, 2.0]), np.array([2.0, 4.0])),
        ("errors [2, -4, 1], rival [1, 2, -1]", np.array([2.0, -4.0, 1.0]), np.array([1.0, 2.0, -1.0])),
    ]
    rng = np.random.default_rng(4)
    for days, better in ((10, 1.0), (300, 0.95), (2500, 1.02), (2500, 0.5)):
        noise = rng.standard_t(4, days) * 0.01
        cases.append(
            (
                f"{days} random days, errors about {better} of the rival's",
                noise * better + rng.normal(0, 1e-3, days),
                noise,
            )
        )
    for given, errors, rival in cases:
        differences = [float(a) ** 2 - float(b) ** 2 for a, b in zip(errors, rival, strict=True)]
        mean = math.fsum(differences) / len(differences)
        variance = math.fsum((value - mean) ** 2 for value in differences) / len(differences)
        statistic = mean / math.sqrt(variance / len(differences))
        with expect_unchanged(given, errors=errors, rival_errors=rival):
            got = _unpack(diebold_mariano(errors, rival), 2, given)
        expect_close(
            got[0],
            statistic,
            given=f"{given}: statistic",
            hint="squares first, then their difference day by day; the mean's variance is the variance divided by days",
            tolerance=1e-4,
        )
        expect_close(
            got[1],
            math.erfc(abs(statistic) / math.sqrt(2)),
            given=f"{given}: p",
            hint="both sides count; p lies between 0 and 1",
            tolerance=1e-4,
        )
    for given, same, other in (
        ("the same errors twice", np.array([0.1, -0.3, 0.2]), np.array([0.1, -0.3, 0.2])),
        ("errors of opposite sign", np.array([0.1, -0.3]), np.array([-0.1, 0.3])),
    ):
        got = _unpack(diebold_mariano(same, other), 2, given)
        expect_close(
            got, [0.0, 1.0], given=given, hint="all differences are 0: nothing to tell apart, and no 0 / 0"
        )
    expect_error(
        lambda: diebold_mariano(np.ones(5), np.ones(1)),
        ValueError,
        given="5 errors against 1",
        hint="NumPy would stretch the one over all days; only the same days can be compared",
    )


def _unpack(got, count: int, given: str) -> list:
    if isinstance(got, dict) or not hasattr(got, "__len__") or len(got) != count:
        raise Wrong(
            f"{count} things", got, given, "return them separated by commas, in the order of the text"
        )
    return list(got)


TASKS = (
    Task("log_returns", "Returns from adjusted prices with holes", check_log_returns),
    Task("standardise", "Scale features without looking at the future", check_standardise),
    Task("walk_forward", "Plan refits that know only the past", check_walk_forward),
    Task("score_directions", "Direction accuracy, and what a coin would do", check_score_directions),
    Task("conformal_intervals", "Prediction intervals that keep their promise", check_conformal_intervals),
    Task("diebold_mariano", "Is the smaller error more than luck?", check_diebold_mariano),
)
