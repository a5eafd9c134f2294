"""Charts show the numbers that they are given."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pycap.evaluation.charts import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    WIDTH,
    count_shares,
    draw_histogram,
    draw_line,
)
from pycap.evaluation.picture import draw_sweep


def test_shares_add_up_and_outliers_are_in_the_outer_bins():
    shares = count_shares([-1, 0, 0.4, 1, 2, 99], np.array([0.0, 1.0, 2.0]))
    assert shares.tolist() == [0.5, 0.5]


def test_bars_are_as_high_as_their_shares():
    edges = np.array([0.0, 1.0, 2.0, 3.0])
    svg = ElementTree.fromstring(
        draw_histogram({"x": np.array([0.1, 0.4, 0.0])}, edges, "words", "says", 1.5)
    )
    heights = [float(bar.get("height")) for bar in svg.iter("rect")]
    assert heights[1] / heights[0] == pytest.approx(4, rel=0.01)
    assert heights[2] == 0
    middle = float(re.match(r"M([\d.]+)", svg.findall("path")[-1].get("d")).group(1))
    assert middle == pytest.approx(LEFT + (WIDTH - LEFT - RIGHT) / 2, abs=0.1)  # the median, halfway


@example([0.0], 3)
@example([0.5, 0.5], 3)
@example([5e-324, 0.0], 1)
@given(st.lists(st.floats(0, 10), min_size=1, max_size=6), st.sampled_from([0, 1, 3]))
def test_points_stay_inside_and_in_order(values, digits):
    rows = [{"beam": number, "x": value} for number, value in enumerate(values)]
    svg = ElementTree.fromstring(draw_line(rows, "x", "beam", 'a "line" <', digits))
    heights = [float(dot.get("cy")) for dot in svg.iter("circle")]
    assert all(0 < height <= HEIGHT - BOTTOM + 0.1 for height in heights)
    for i, j in zip(range(len(values)), range(1, len(values)), strict=False):
        assert values[i] >= values[j] or heights[i] >= heights[j] - 0.11


@pytest.mark.parametrize(("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml")])
def test_the_picture_of_a_sweep_is_of_its_kind(suffix, start):
    row = {"cider": 0.5, "bleu_4": 0.2, "searches_per_second": 90.0, "captions_per_second": 20.0}
    data = draw_sweep([{**row, "beam": 5}, {**row, "beam": 1, "cider": 0.4}], "photos dev", suffix)
    assert data.startswith(start)
