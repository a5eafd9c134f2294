"""The stock checkpoint: no future in windows, scalers and folds; scores that agree with scipy; honest words."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from pycap.course.checkpoint3 import experiment, report, walk
from pycap.course.checkpoint3.statistics import (
    chance_of_coin,
    compare_directions,
    count_directions,
    diebold_mariano,
    score_intervals,
)
from pycap.course.checkpoint3.windows import FIRST_DAY, WINDOW, cut_windows, fit_scaler, read_series
from pycap.course.lab import Lab
from pycap.course.units import find_unit

DAYS = 420


def write_prices(path: Path, returns: np.ndarray, start: str = "2001-01-01") -> Path:
    """Write a file in Yahoo's columns whose adjusted closes follow these returns."""
    dates = np.datetime64(start) + np.arange(len(returns))
    closes = 50 * np.exp(np.cumsum(returns))
    lines = ["Date,Open,High,Low,Close,Adj Close,Volume"]
    for date, close in zip(dates, closes, strict=True):
        lines.append(
            f"{date},{close:.6f},{close * 1.01:.6f},{close * 0.99:.6f},{close:.6f},{close / 2:.6f},1000"
        )
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.01, DAYS)


def make_lab(folder: Path, data: Path) -> Lab:
    return Lab(find_unit("checkpoint3"), folder, quick=True, data=data)


def test_a_window_knows_its_evening_and_nothing_later(tmp_path: Path, noise: np.ndarray) -> None:
    other = noise.copy()
    other[300:] *= -3  # another future
    one, two = (
        cut_windows(read_series(write_prices(tmp_path / "x.csv", returns))) for returns in (noise, other)
    )
    past = one.known < one.known[0] + (300 - FIRST_DAY)
    assert past.sum() == 300 - FIRST_DAY
    np.testing.assert_allclose(one.inputs[past], two.inputs[past])
    np.testing.assert_allclose(one.scale[past], two.scale[past])
    assert not np.allclose(one.inputs[~past], two.inputs[~past])


def test_the_target_is_the_return_of_the_following_day(tmp_path: Path, noise: np.ndarray) -> None:
    windows = cut_windows(read_series(write_prices(tmp_path / "x.csv", noise)))
    np.testing.assert_allclose(windows.targets[:-1], noise[FIRST_DAY + 1 :], atol=1e-5)
    assert math.isnan(windows.targets[-1])
    assert np.isnat(windows.dates[-1])
    assert (windows.dates[:-1] > windows.known[:-1]).all()
    newest = windows.inputs[:, -1, 0] * windows.scale
    np.testing.assert_allclose(newest, noise[FIRST_DAY:], atol=1e-5)
    assert windows.inputs.shape == (DAYS - FIRST_DAY, WINDOW, 2)


def test_a_split_is_no_move(tmp_path: Path, noise: np.ndarray) -> None:
    path = write_prices(tmp_path / "x.csv", noise)
    lines = path.read_text().splitlines()
    for place in range(200, len(lines)):  # two for one: everything but the adjusted close halves
        date, *prices, adjusted, volume = lines[place].split(",")
        lines[place] = ",".join([date, *(f"{float(price) / 2:.6f}" for price in prices), adjusted, volume])
    (tmp_path / "split.csv").write_text("\n".join(lines))
    whole, split = (cut_windows(read_series(tmp_path / name)) for name in ("x.csv", "split.csv"))
    np.testing.assert_allclose(whole.inputs, split.inputs, atol=1e-3)


def test_a_null_row_is_skipped_and_its_neighbours_are_compared(tmp_path: Path, noise: np.ndarray) -> None:
    path = write_prices(tmp_path / "x.csv", noise)
    lines = path.read_text().splitlines()
    lines[100] = lines[100].split(",")[0] + ",null" * 6
    path.write_text("\n".join(lines))
    series = read_series(path)
    assert series[0].dropped == 1
    windows = cut_windows(series)
    assert windows.targets[100 - FIRST_DAY - 2] == pytest.approx(noise[99] + noise[100], abs=1e-5)


def test_a_short_file_is_refused_by_name(tmp_path: Path) -> None:
    write_prices(tmp_path / "short.csv", np.zeros(FIRST_DAY))
    with pytest.raises(ValueError, match=r"short: 60 days .* at least 62"):
        read_series(tmp_path / "short.csv")


def test_a_walk_needs_a_longer_file(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(Lab, "data", lambda self, name: self.given)
    path = write_prices(tmp_path / "x.csv", np.random.default_rng(0).normal(0, 0.01, 200))
    with pytest.raises(ValueError, match=r"x\.csv: 139 days can be forecast, .* at least 300"):
        experiment.run(make_lab(tmp_path / "out", path))


def test_folds_train_on_the_past_and_scale_by_it(tmp_path: Path, noise: np.ndarray) -> None:
    windows = cut_windows(read_series(write_prices(tmp_path / "x.csv", noise)))
    windows = windows.take(np.isfinite(windows.targets))
    folds = walk.plan_folds(windows.dates, 3, 50)
    seen = []

    def train(past, scaler):
        seen.append(past.dates.max())
        flat = past.inputs.reshape(-1, 2)
        np.testing.assert_allclose(scaler.means, flat.mean(axis=0))
        return lambda block: (np.zeros(len(block.scale)), block.scale)

    forecasts = walk.walk(windows, folds, train)
    for last_seen, (first, _) in zip(seen, folds, strict=True):
        assert last_seen < first
    np.testing.assert_array_equal(
        forecasts.windows.dates, windows.dates[-150:]
    )  # every day once, up to the last
    assert set(forecasts.means) == {
        walk.LAST_VALUE,
        walk.SAME_MOVE,
        walk.DRIFT,
        walk.LINEAR,
        walk.NETWORK,
    }


@pytest.mark.parametrize("days", [4, 30, 700])
def test_half_of_any_calendar_stays_for_the_first_training(days: int) -> None:
    dates = np.datetime64("2001-01-01") + np.arange(days)
    folds = walk.plan_folds(np.concatenate([dates, dates]), 11, 250)
    assert folds[0][0] >= dates[days // 2]
    assert folds[-1][1] == dates[-1]
    for before, after in pairwise(folds):
        assert before[1] < after[0]


def test_intervals_cover_what_they_promise_and_do_not_know_the_day(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    windows = cut_windows(read_series(write_prices(tmp_path / "x.csv", rng.normal(0, 0.01, 1500))))
    windows = windows.take(np.isfinite(windows.targets))
    still = lambda block: (np.zeros(len(block.scale)), block.scale)  # noqa: E731
    forecasts = walk.collect(windows, fit_scaler(windows), walk.fit_autoregression(windows), still)
    lower, upper, widths = walk.bound(forecasts, walk.NETWORK, 0.8)
    ready = np.isfinite(lower)
    assert ready.sum() == len(lower) - walk.MIN_SCORES
    inside = (windows.targets >= lower) & (windows.targets <= upper)
    assert inside[ready].mean() == pytest.approx(0.8, abs=0.03)
    windows.targets[-1] += 1.0
    np.testing.assert_array_equal(walk.bound(forecasts, walk.NETWORK, 0.8)[2], widths)


def test_conformal_width_is_the_rank_of_the_paper() -> None:
    scores = np.arange(1.0, 10.0)
    assert walk.conformal_width(scores, 0.8) == 8.0
    assert walk.conformal_width(scores, 0.99) == 9.0


def test_tests_of_significance_agree_with_scipy() -> None:
    for right, days in ((0, 5), (1012, 1999), (60, 100), (7, 7)):
        expected = stats.binomtest(right, days, alternative="greater").pvalue
        assert chance_of_coin(right, days) == pytest.approx(expected, rel=1e-8)
    rng = np.random.default_rng(0)
    one, two = rng.normal(size=500), 1.2 * rng.normal(size=500)
    statistic, chance = diebold_mariano(one, two, lags=0)
    difference = one**2 - two**2
    expected = difference.mean() / (difference.std() / math.sqrt(500))
    assert statistic == pytest.approx(expected)
    assert chance == pytest.approx(2 * stats.norm.sf(abs(expected)))
    assert diebold_mariano(one, one) == (0.0, 1.0)
    assert diebold_mariano(one, two)[0] < 0


def test_days_without_move_or_forecast_have_no_direction() -> None:
    predicted, actual = np.array([1.0, -1.0, 0.0, 2.0]), np.array([0.5, 0.5, 0.5, 0.0])
    assert count_directions(predicted, actual) == (1, 2)
    assert compare_directions(predicted, -np.abs(predicted), actual)[:2] == (1, 1)


def test_interval_score_is_the_width_plus_a_fine() -> None:
    scores = score_intervals(np.zeros(3), np.ones(3), np.array([0.5, 1.5, -1.0]), 0.8)
    np.testing.assert_allclose(scores, [1.0, 1.0 + 10 * 0.5, 1.0 + 10 * 1.0])


@pytest.mark.parametrize(("skill", "words"), [(0.0, "No."), (0.7, "Yes:"), (-0.7, "No, it is worse")])
def test_the_verdict_follows_the_numbers(tmp_path: Path, noise: np.ndarray, skill: float, words: str) -> None:
    windows = cut_windows(read_series(write_prices(tmp_path / "x.csv", noise)))
    windows = windows.take(np.isfinite(windows.targets))
    guess = lambda block: (skill * block.targets, block.scale)  # noqa: E731
    forecasts = walk.collect(windows, fit_scaler(windows), walk.fit_autoregression(windows), guess)
    lines, better = report.judge(forecasts)
    assert words in lines[-1]
    assert better == (skill > 0)


def test_run_predict_and_evaluate_from_a_folder_of_files(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(experiment, "FOLDS", 2)
    monkeypatch.setattr(Lab, "data", lambda self, name: self.given)
    rng = np.random.default_rng(5)
    (tmp_path / "data").mkdir()
    for name in ("one", "two"):
        write_prices(tmp_path / "data" / f"{name}.csv", rng.normal(0, 0.01, DAYS))
    lab = make_lab(tmp_path / "out", tmp_path / "data")
    with pytest.raises(FileNotFoundError, match="pycap course run checkpoint3"):
        experiment.predict(lab, str(tmp_path / "data" / "one.csv"))
    experiment.run(lab)
    said = capsys.readouterr().out
    assert said.count("Verdict: does the LSTM beat yesterday's price?") == 2
    assert "beats yesterday's price in" in said
    assert {path.name for path in lab.folder.glob("*.png")} == {"intervals.png", "illusion.png", "walk.png"}

    experiment.predict(lab, str(tmp_path / "data" / "one.csv"))
    said = capsys.readouterr().out
    assert "one: the trading day after 2002-02-24" in said
    assert "80% interval" in said

    later = write_prices(tmp_path / "three.csv", rng.normal(0, 0.02, 300), start="2003-01-01")
    experiment.evaluate(lab, later)
    said = capsys.readouterr().out
    assert "three, days after 2002-02-24: 239 days" in said
    assert "Verdict" in said
