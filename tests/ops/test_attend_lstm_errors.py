"""attend_lstm says which argument is wrong, what was expected, what came, and what to do."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from attend_problem import SMALL, make_problem

from pycap.ops import attend_lstm, attend_lstm_native, attend_lstm_step, library, use

needs_native = pytest.mark.skipif(not library.native_available(), reason=library.missing_reason())
BACKENDS = [pytest.param("native", marks=needs_native), "reference"]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("argument", "shape", "message"),
    [
        ("keys", (3, 4, 7), "keys must be (images=3, regions=5, attention_dim), got (3, 4, 7)"),
        ("features", (3, 5), "features must be (images, regions, feature_dim), got (3, 5)"),
        ("cell", (6, 2), "cell must be (batch=6, hidden_dim=3), got (6, 2)"),
        ("inputs", (6, 4, 11), "inputs must be (batch=6, time, 4 * hidden_dim=12), got (6, 4, 11)"),
    ],
)
def test_wrong_shape_is_named(backend: str, argument: str, shape: tuple[int, ...], message: str) -> None:
    problem = make_problem(**SMALL)
    with use(backend), pytest.raises(ValueError, match=re.escape(message)):
        attend_lstm(**{**problem, argument: torch.zeros(shape, dtype=torch.float64)})


@pytest.mark.parametrize("backend", BACKENDS)
def test_wrong_weight_is_named(backend: str) -> None:
    problem = make_problem(**SMALL)
    problem["weights"] = problem["weights"]._replace(gate_bias=torch.zeros(2, dtype=torch.float64))
    with use(backend), pytest.raises(ValueError, match=re.escape("weights.gate_bias must be (1,), got (2,)")):
        attend_lstm(**problem)


@pytest.mark.parametrize("backend", BACKENDS)
def test_strided_tensor_is_refused_with_the_remedy(backend: str) -> None:
    problem = make_problem(**SMALL)
    problem["features"] = problem["features"].transpose(1, 2).contiguous().transpose(1, 2)
    with (
        use(backend),
        pytest.raises(ValueError, match=r"features must be contiguous, got strides .*\.contiguous\(\)"),
    ):
        attend_lstm(**problem)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("argument", "values", "message"),
    [
        ("lengths", [1, 2, 0, 4, 4, 4], "lengths must be in 1..4, got 0"),
        ("lengths", [1, 2, 5, 4, 4, 4], "lengths must be in 1..4, got 5"),
        ("image_index", [0, 0, 1, 1, 2, 3], "image_index must be in 0..2, got 3"),
        ("image_index", [-1, 0, 1, 1, 2, 2], "image_index must be in 0..2, got -1"),
        ("image_index", [0, 0, 2, 1, 2, 2], "image_index must not decrease, got [0, 0, 2, 1, 2, 2]: sort"),
    ],
)
def test_rows_outside_the_batch_are_refused(
    backend: str, argument: str, values: list[int], message: str
) -> None:
    problem = {**make_problem(**SMALL), argument: torch.tensor(values)}
    with use(backend), pytest.raises(ValueError, match=re.escape(message)):
        attend_lstm(**problem)


@needs_native
def test_step_refuses_an_image_that_is_not_there() -> None:
    problem = make_problem(**SMALL)
    with pytest.raises(ValueError, match=re.escape("image_index must be in 0..2, got 7 in row 5")):
        attend_lstm_step(
            problem["inputs"][:, 0].contiguous(),
            *(problem[name] for name in ("features", "keys", "hidden", "cell", "weights")),
            image_index=torch.tensor([0, 0, 1, 1, 2, 7]),
        )


@needs_native
@pytest.mark.parametrize(
    ("argument", "change", "message"),
    [
        ("keys", lambda array: array.astype(np.float32), "keys must be float64, got float32"),
        (
            "keys",
            lambda array: array[:, :4],
            "keys must be (images=3, regions=5, attention_dim=7), got (3, 4, 7)",
        ),
        ("keys", np.asfortranarray, "keys must be contiguous"),
        ("lengths", lambda array: array.astype(np.int32), "lengths must be int64, got int32"),
    ],
)
def test_the_border_checks_arrays(
    monkeypatch: pytest.MonkeyPatch, argument: str, change, message: str
) -> None:
    arrays = attend_lstm_native.arrays
    monkeypatch.setattr(
        attend_lstm_native,
        "arrays",
        lambda **t: {n: change(a) if n == argument else a for n, a in arrays(**t).items()},
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        attend_lstm(**make_problem(**SMALL))
