"""Matrices in 8 bits come back within half a step of their row, and rounding them again changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from hypothesis.extra import numpy as arrays

from pycap.int8 import STEPS, restore, shrink

NAME = "decoder.key.weight"
MATRICES = arrays.arrays(
    np.float32,
    some.tuples(some.integers(1, 5), some.integers(1, 9)),
    elements=some.floats(-4, 4, width=32, allow_subnormal=False),
)


@given(values=MATRICES, half=some.booleans())
@settings(deadline=None)
def test_a_matrix_comes_back_within_half_a_step_and_stays(values, half):
    stored = shrink({NAME: values.astype(np.float16) if half else values})
    assert stored[NAME].dtype == np.int8
    back = restore(stored)
    assert back.keys() == {NAME}
    assert back[NAME].dtype == np.float32
    step = np.abs(values).max(axis=1, keepdims=True) / STEPS
    error = np.abs(back[NAME] - values)
    assert (error <= step * 0.501 + np.abs(values) * 2**-11 * half + 1e-7).all()
    again = shrink(back)
    np.testing.assert_array_equal(again[NAME], stored[NAME])
    np.testing.assert_allclose(again[f"{NAME}.scale"], stored[f"{NAME}.scale"], rtol=1e-6, atol=1e-37)


def test_only_matrices_of_decoder_and_encoder_are_rounded():
    weights = {
        "decoder.score": np.ones(3, np.float16),
        "tail.layers.0.weight": np.ones((2, 3), np.float16),
        "encoder.rows": np.ones((2, 3), np.float16),
        "encoder.norm_in.weight": np.ones(3, np.float16),
        "encoder.project.weight": np.ones((2, 3), np.float16),
        "decoder.query.weight": np.zeros((2, 3), np.float16),
    }
    stored = shrink(weights)
    assert stored["decoder.score"] is weights["decoder.score"]
    for name in ("tail.layers.0.weight", "encoder.rows", "encoder.norm_in.weight"):
        assert stored[name] is weights[name]
    assert stored["encoder.project.weight"].dtype == np.int8
    assert stored.keys() - weights.keys() == {"decoder.query.weight.scale", "encoder.project.weight.scale"}
    assert not restore(stored)["decoder.query.weight"].any()


def test_what_cannot_be_rounded_is_refused():
    with pytest.raises(ValueError, match=r"decoder\.key\.weight is not finite"):
        shrink({NAME: np.array([[1, np.inf]], np.float32)})


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({NAME: np.zeros((2, 3), np.int8)}, "without a scale for every row"),
        ({NAME: np.zeros((2, 3), np.int8), f"{NAME}.scale": np.ones(3, np.float32)}, "without a scale"),
        ({NAME: np.zeros((2, 3), np.float16), f"{NAME}.scale": np.ones(2, np.float32)}, "no int8 matrix"),
        ({NAME: np.array(3, np.int8), f"{NAME}.scale": np.array(1.0)}, "without a scale"),
    ],
)
def test_codes_and_scales_that_do_not_belong_together(weights, message):
    with pytest.raises(ValueError, match=message):
        restore(weights)
