"""Week 3: the layers by hand agree with torch, and the experiments show what the lesson says."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pycap.course.scratch.recurrent import (
    Weights,
    clip_norm,
    lstm_backward,
    lstm_forward,
    rnn_backward,
    rnn_forward,
    sigmoid,
)
from pycap.course.week3 import forecast
from pycap.course.week3.clipping import train_by_hand
from pycap.course.week3.gradients import measure_flow
from pycap.course.week3.network import LastReader
from pycap.course.week3.recall import draw_sequences, learn_recall


def draw(rows: int, inputs: int, hidden_dim: int) -> Weights:
    generator = np.random.default_rng(0)
    shapes = (rows, inputs), (rows, hidden_dim), (rows,)
    return Weights(*(generator.normal(0, 0.5, shape) for shape in shapes))


def torch_layer(kind: str, weights: Weights) -> torch.nn.RNNBase:
    """torch's own layer with these weights; its second bias is zero."""
    layer = getattr(torch.nn, kind)(
        weights.inputs.shape[1], weights.recurrent.shape[1], batch_first=True
    ).double()
    values = (*weights, np.zeros_like(weights.bias))
    with torch.no_grad():
        for parameter, value in zip(layer.parameters(), values, strict=True):
            parameter.copy_(torch.tensor(value))
    return layer


@pytest.mark.parametrize(("batch", "time"), [(1, 1), (3, 7)])
@pytest.mark.parametrize("kind", ["RNN", "LSTM"])
def test_layer_by_hand_matches_torch_forward_and_backward(kind: str, batch: int, time: int) -> None:
    generator = np.random.default_rng(1)
    inputs, hidden_dim = 3, 5
    weights = draw(hidden_dim * (4 if kind == "LSTM" else 1), inputs, hidden_dim)
    x, reads = generator.normal(size=(batch, time, inputs)), generator.normal(size=(batch, time, hidden_dim))
    start = [generator.normal(size=(batch, hidden_dim)) for _ in range(2 if kind == "LSTM" else 1)]
    if kind == "RNN":
        hiddens = rnn_forward(x, *start, weights)
        total, *messages = rnn_backward(reads, x, hiddens, weights)
    else:
        trace = lstm_forward(x, *start, weights)
        hiddens = trace.hiddens
        total, *messages = lstm_backward(reads, trace, weights)

    layer = torch_layer(kind, weights)
    leaves = [torch.tensor(part, requires_grad=True) for part in (x, *start)]
    state = leaves[1][None] if kind == "RNN" else (leaves[1][None], leaves[2][None])
    outputs, _ = layer(leaves[0], state)
    (outputs * torch.tensor(reads)).sum().backward()
    np.testing.assert_allclose(hiddens[:, 1:], outputs.detach().numpy(), atol=1e-12)
    np.testing.assert_allclose(hiddens[:, 0], start[0])
    for ours, parameter in zip(total, layer.parameters(), strict=False):
        np.testing.assert_allclose(ours, parameter.grad.numpy(), atol=1e-12)
    for ours, leaf in zip(messages, leaves, strict=True):
        np.testing.assert_allclose(ours, leaf.grad.numpy(), atol=1e-12)


def test_sigmoid_survives_any_number() -> None:
    np.testing.assert_allclose(sigmoid(np.array([-1e4, 0, 1e4])), [0, 0.5, 1], atol=1e-12)


def test_clipping_keeps_the_direction_and_the_short_ones() -> None:
    gradients = [np.array([[3.0, 0.0]]), np.array([4.0])]
    clipped, length = clip_norm(gradients, 1.0)
    assert length == pytest.approx(5.0)
    np.testing.assert_allclose(clipped[0], [[0.6, 0.0]])
    np.testing.assert_allclose(clipped[1], [0.8])
    np.testing.assert_allclose(clip_norm(gradients, 10.0)[0][0], gradients[0])
    np.testing.assert_allclose(clip_norm([np.zeros(2)], 1.0)[0][0], 0.0)


def test_gradients_vanish_in_an_rnn_and_stay_in_a_remembering_lstm() -> None:
    small, large = (measure_flow("rnn", 60, scale) for scale in (0.9, 2.0))
    lstm = measure_flow("lstm", 60, 1.0, forget_bias=3.0)
    assert small[50] < 1e-4
    assert large[50] > 100
    assert 0.1 < lstm[50] < 10
    assert small[0] == large[0] == lstm[0] == 1.0


def test_clipping_saves_the_training_that_explodes_without() -> None:
    with np.errstate(over="ignore"):
        wild, _ = train_by_hand(60, None, seed=0)
    tame, lengths = train_by_hand(60, 1.0, seed=0)
    assert wild[-1] > 1e6
    assert tame[-10:].mean() < 0.3
    assert lengths.max() > 1


def test_an_rnn_learns_to_recall_across_a_short_gap() -> None:
    assert learn_recall("rnn", 5, steps=80, seed=0) > 0.95


def test_recall_needs_the_first_value_alone() -> None:
    x, first = draw_sequences(200, 6, torch.Generator().manual_seed(0))
    assert ((x[:, 0] > 0).float() == first).all()
    assert x.shape == (200, 6, 1)
    assert abs(np.corrcoef(x[:, 1:, 0].mean(dim=1), first[:, 0])[0, 1]) < 0.2


def test_a_linear_model_continues_a_clean_sine_for_ever() -> None:
    series = forecast.draw_sine(300, 35, 0.0, 0)
    windows, targets = forecast.make_windows(series[:200], 10)
    assert targets[0] == series[10]
    coefficients = forecast.fit_linear(windows, targets)
    alone = forecast.run_free(lambda rows: forecast.apply_linear(coefficients, rows), series[190:200], 100)
    np.testing.assert_allclose(alone, series[200:], atol=1e-6)


def test_a_forecaster_learns_a_sine() -> None:
    series = forecast.draw_sine(400, 20, 0.05, 0)
    windows, targets = forecast.make_windows(series, 20)
    model = forecast.train_forecaster("rnn", windows[:300], targets[:300], 16, 60, 0)
    error = forecast.root_mean_square(forecast.forecast(model, windows[300:]) - targets[300:])
    assert error < 0.6 * forecast.root_mean_square(windows[300:, -1] - targets[300:])


def test_a_network_with_a_forget_bias_starts_with_it() -> None:
    bias = LastReader("lstm", 1, 4, 1, forget_bias=3.0).recurrent.input.bias
    assert bias[4:8].tolist() == [3.0] * 4
    assert bias[:4].abs().max() < 1
