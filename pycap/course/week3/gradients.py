"""How far back a recurrent layer's gradient reaches: by hand, before any training."""

from __future__ import annotations

import numpy as np

from pycap.course.scratch import recurrent
from pycap.course.scratch.recurrent import Weights

HIDDEN_DIM = 64


def orthogonal(rng: np.random.Generator, size: int) -> np.ndarray:
    """Draw a random rotation `(size, size)`: it keeps every length as it is."""
    return np.linalg.qr(rng.normal(size=(size, size)))[0]


def draw_weights(rng: np.random.Generator, kind: str, inputs: int, hidden_dim: int, scale: float) -> Weights:
    """Draw a layer's weights; `scale` stretches the rotation that is the recurrent matrix.

    Args:
        rng: the source of chance.
        kind: "rnn" or "lstm".
        inputs, hidden_dim: widths.
        scale: all singular values of the recurrent matrix (of each of its four blocks in an LSTM).

    Returns:
        weights, biases zero.
    """
    blocks = 4 if kind == "lstm" else 1
    recurrent_matrix = np.concatenate([orthogonal(rng, hidden_dim) * scale for _ in range(blocks)])
    to_inputs = rng.normal(0, inputs**-0.5, (blocks * hidden_dim, inputs))
    return Weights(to_inputs, recurrent_matrix, np.zeros(blocks * hidden_dim))


def measure_flow(kind: str, time: int, scale: float, forget_bias: float = 0.0, seed: int = 0) -> np.ndarray:
    """Measure how much the last hidden state depends on the input of each earlier step.

    Args:
        kind: "rnn" or "lstm".
        time: length of the sequence.
        scale: see `draw_weights`.
        forget_bias: where an LSTM's forget gates start.
        seed: of weights and inputs.

    Returns:
        mean length of the gradient of a random reading of the last state with respect to the input `lag` steps
        before the end, relative to lag 0, `(time,)`, lag 0 first.
    """
    rng = np.random.default_rng(seed)
    batch, inputs = 16, 8
    weights = draw_weights(rng, kind, inputs, HIDDEN_DIM, scale)
    x = rng.normal(0, 0.3, (batch, time, inputs))
    gradient = np.zeros((batch, time, HIDDEN_DIM))
    gradient[:, -1] = rng.normal(size=(batch, HIDDEN_DIM))
    start = np.zeros((batch, HIDDEN_DIM))
    if kind == "rnn":
        hiddens = recurrent.rnn_forward(x, start, weights)
        to_inputs = recurrent.rnn_backward(gradient, x, hiddens, weights)[1]
    else:
        weights.bias[HIDDEN_DIM : 2 * HIDDEN_DIM] = forget_bias
        trace = recurrent.lstm_forward(x, start, start, weights)
        to_inputs = recurrent.lstm_backward(gradient, trace, weights)[1]
    lengths = np.linalg.norm(to_inputs, axis=2).mean(axis=0)[::-1]  # (time,)
    return lengths / lengths[0]
