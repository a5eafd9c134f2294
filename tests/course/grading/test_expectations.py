"""What counts as the same answer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pycap.course.grading import Wrong, expect_close, expect_equal, expect_unchanged


@pytest.mark.parametrize(
    "got",
    [
        [[1, 2], [3, 4]],
        ((1, 2), (3, 4)),
        np.array([[1, 2], [3, 4]], dtype="float32"),
        torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True),
        [torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])],
        [[torch.tensor(1.0, requires_grad=True), 2], (torch.tensor(3), np.float32(4))],
        np.array([[1, 2], [3, 4 + 1e-8]]),
    ],
)
def test_numbers_may_come_in_any_container(got):
    expect_close(got, np.array([[1.0, 2.0], [3.0, 4.0]]), given="f()")
    expect_close(got, [[1.0, 2.0], [3.0, 4.0]], given="f()")


def test_a_table_that_is_expected_is_shown_whole():
    with pytest.raises(Wrong) as caught:
        expect_close(None, [[0.5, 0.5]], given="f()")
    assert (caught.value.expected, caught.value.got) == ("[[0.5, 0.5]]", "None (nothing was returned)")


@pytest.mark.parametrize(
    "got",
    [
        [[1, 2], [3, 5]],
        [[1, 3], [2, 4]],
        [1, 2, 3, 4],
        [[1, 2], [3, 4.01]],
        [[1, 2], [3, float("nan")]],
        [[1, 2], [3]],
        None,
        "1234",
        {1: 2},
        object(),
    ],
)
def test_other_numbers_shapes_and_kinds_are_wrong(got):
    with pytest.raises(Wrong):
        expect_close(got, np.array([[1.0, 2.0], [3.0, 4.0]]), given="f()")


def test_parts_of_different_shapes_are_compared_one_by_one():
    expected = (np.ones((2, 3)), np.ones(2), 1.0)
    expect_close([torch.ones(2, 3), [1, 1], np.float32(1)], expected, given="f()")
    for got in (expected[:2], (np.ones((3, 2)), np.ones(2), 1.0), (np.ones((2, 3)), [1, 2], 1.0), 5, None):
        with pytest.raises(Wrong):
            expect_close(got, expected, given="f()")


def test_equal_knows_no_difference_between_lists_tuples_and_arrays():
    expect_equal((1, np.array([2, 3]), np.int64(4)), [1, [2, 3], 4], given="f()")
    expect_equal({"a": (1, 2)}, {"a": [1, 2]}, given="f()")
    expect_equal({np.int64(3), 4}, {3, 4}, given="f()")
    for got, expected in (([1, 2], [2, 1]), ("a", ["a"]), (None, []), ({"a": 1}, {"a": 1, "b": 2})):
        with pytest.raises(Wrong):
            expect_equal(got, expected, given="f()")


def test_a_changed_argument_is_noticed():
    rows = np.ones((2, 2))
    with expect_unchanged("f(rows)", rows=rows):
        pass
    with pytest.raises(Wrong, match="left as it was"), expect_unchanged("f(rows)", rows=rows):
        rows[0] = 2
