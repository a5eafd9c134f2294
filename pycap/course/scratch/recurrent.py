"""RNN and LSTM by hand: forward, and backward through time, in NumPy.

The gate order is i, f, g, o and rows of weights are outputs, as in torch and in `pycap.ops.recurrence`. Knows
nothing about losses or optimisers: `backward` takes the loss's gradient with respect to every hidden state.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Weights(NamedTuple):
    """Parameters of a recurrent layer, or gradients with respect to them; rows is hidden_dim (4 x for an LSTM)."""

    inputs: np.ndarray  # (rows, inputs)
    recurrent: np.ndarray  # (rows, hidden_dim)
    bias: np.ndarray  # (rows,)


class Trace(NamedTuple):
    """What an LSTM's forward pass leaves for its backward pass."""

    inputs: np.ndarray  # (batch, time, inputs)
    gates: np.ndarray  # (batch, time, 4 * hidden_dim), after sigmoid and tanh
    cells: np.ndarray  # (batch, time + 1, hidden_dim), the initial one first
    hiddens: np.ndarray  # (batch, time + 1, hidden_dim), the initial one first


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Squash into 0..1; written with tanh, so that nothing overflows."""
    return 0.5 * (1 + np.tanh(0.5 * x))


def rnn_forward(inputs: np.ndarray, hidden: np.ndarray, weights: Weights) -> np.ndarray:
    """Run h_t = tanh(U x_t + W h_(t-1) + b) over a sequence (Elman 1990).

    Args:
        inputs: `(batch, time, inputs)`.
        hidden: the state before the first step, `(batch, hidden_dim)`.
        weights: `rows` is hidden_dim.

    Returns:
        hidden states, the initial one first, `(batch, time + 1, hidden_dim)`.
    """
    hiddens = [hidden]
    for time in range(inputs.shape[1]):
        summed = inputs[:, time] @ weights.inputs.T + hiddens[-1] @ weights.recurrent.T + weights.bias
        hiddens.append(np.tanh(summed))
    return np.stack(hiddens, axis=1)


def rnn_backward(
    gradient: np.ndarray, inputs: np.ndarray, hiddens: np.ndarray, weights: Weights
) -> tuple[Weights, np.ndarray, np.ndarray]:
    """Walk back through time (Werbos 1990).

    Args:
        gradient: of the loss with respect to each hidden state where the loss reads it, `(batch, time, hidden_dim)`.
        inputs: `(batch, time, inputs)`.
        hiddens: what `rnn_forward` returned, `(batch, time + 1, hidden_dim)`.
        weights: as in the forward pass.

    Returns:
        gradients with respect to the weights, the inputs `(batch, time, inputs)` and the initial state
        `(batch, hidden_dim)`.
    """
    total = Weights(*(np.zeros_like(part) for part in weights))
    to_inputs = np.zeros_like(inputs)
    from_future = np.zeros_like(hiddens[:, 0])  # what all later steps say about this hidden state
    for time in reversed(range(inputs.shape[1])):
        to_hidden = gradient[:, time] + from_future
        to_sum = to_hidden * (1 - hiddens[:, time + 1] ** 2)  # (batch, hidden_dim)
        _accumulate(total, to_sum, inputs[:, time], hiddens[:, time])
        to_inputs[:, time] = to_sum @ weights.inputs
        from_future = to_sum @ weights.recurrent
    return total, to_inputs, from_future


def lstm_forward(inputs: np.ndarray, hidden: np.ndarray, cell: np.ndarray, weights: Weights) -> Trace:
    """Run an LSTM over a sequence (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000).

    Args:
        inputs: `(batch, time, inputs)`.
        hidden, cell: the state before the first step, `(batch, hidden_dim)` each.
        weights: `rows` is 4 * hidden_dim, in the order i, f, g, o.

    Returns:
        hidden states, cells and gates of all steps.
    """
    cells, hiddens, all_gates = [cell], [hidden], []
    for time in range(inputs.shape[1]):
        summed = inputs[:, time] @ weights.inputs.T + hiddens[-1] @ weights.recurrent.T + weights.bias
        i, f, g, o = np.split(summed, 4, axis=1)
        i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
        cells.append(f * cells[-1] + i * g)
        hiddens.append(o * np.tanh(cells[-1]))
        all_gates.append(np.concatenate([i, f, g, o], axis=1))
    return Trace(inputs, *(np.stack(parts, axis=1) for parts in (all_gates, cells, hiddens)))


def lstm_backward(
    gradient: np.ndarray, trace: Trace, weights: Weights
) -> tuple[Weights, np.ndarray, np.ndarray, np.ndarray]:
    """Walk back through time; two messages travel, one to the hidden state and one to the cell.

    Args:
        gradient: of the loss with respect to each hidden state where the loss reads it, `(batch, time, hidden_dim)`.
        trace: what `lstm_forward` returned.
        weights: as in the forward pass.

    Returns:
        gradients with respect to the weights, the inputs `(batch, time, inputs)`, the initial hidden state and the
        initial cell `(batch, hidden_dim)`.
    """
    total = Weights(*(np.zeros_like(part) for part in weights))
    to_inputs = np.zeros_like(trace.inputs)
    hidden_message = np.zeros_like(trace.hiddens[:, 0])
    cell_message = np.zeros_like(trace.cells[:, 0])
    for time in reversed(range(gradient.shape[1])):
        i, f, g, o = np.split(trace.gates[:, time], 4, axis=1)
        squashed = np.tanh(trace.cells[:, time + 1])
        to_hidden = gradient[:, time] + hidden_message
        to_cell = cell_message + to_hidden * o * (1 - squashed**2)
        to_sum = np.concatenate(
            [
                to_cell * g * i * (1 - i),
                to_cell * trace.cells[:, time] * f * (1 - f),
                to_cell * i * (1 - g**2),
                to_hidden * squashed * o * (1 - o),
            ],
            axis=1,
        )  # (batch, 4 * hidden_dim)
        _accumulate(total, to_sum, trace.inputs[:, time], trace.hiddens[:, time])
        to_inputs[:, time] = to_sum @ weights.inputs
        hidden_message = to_sum @ weights.recurrent
        cell_message = to_cell * f  # no weight matrix on this road: that is the whole idea
    return total, to_inputs, hidden_message, cell_message


def clip_norm(gradients: list[np.ndarray], limit: float) -> tuple[list[np.ndarray], float]:
    """Shrink gradients together until their common length is at most `limit` (Pascanu et al. 2013, algorithm 1).

    Args:
        gradients: arrays of any shapes, taken as one long vector.
        limit: the largest length allowed, above 0.

    Returns:
        new arrays that point where the old ones did, and the length before clipping.
    """
    length = float(np.sqrt(sum((part**2).sum() for part in gradients)))
    factor = min(1.0, limit / length) if length > 0 else 1.0
    return [part * factor for part in gradients], length


def _accumulate(total: Weights, to_sum: np.ndarray, inputs: np.ndarray, hidden: np.ndarray) -> None:
    """Add one step's share to the gradients of the weights, which all steps use."""
    total.inputs[...] += to_sum.T @ inputs
    total.recurrent[...] += to_sum.T @ hidden
    total.bias[...] += to_sum.sum(axis=0)
