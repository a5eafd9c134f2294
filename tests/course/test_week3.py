"""Week 3: the layers by hand agree with torch."""

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
