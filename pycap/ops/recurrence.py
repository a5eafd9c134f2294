"""Additive attention + scalar gate + LSTM over a whole teacher-forced sequence.

Xu et al. 2015: eq. 1-3 (LSTM), 4-6 and 13 (soft attention), section 4.2.1 (gate).

One step, with `hidden` and `cell` the previous state and the gate order i, f, g, o of `torch.nn.LSTM`:

    energy_r  = score . tanh(keys_r + query @ hidden)
    alpha     = softmax over regions of energy
    beta      = sigmoid(gate . hidden + gate_bias)
    context   = beta * sum_r alpha_r features_r
    gates     = inputs + context_weight @ context + recurrent @ hidden
    new cell  = sigmoid(f) * cell + sigmoid(i) * tanh(g)
    new state = sigmoid(o) * tanh(new cell)
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import linear

from pycap.ops import attend_lstm_native, cuda, library
from pycap.ops.shapes import check_rows, check_shapes

NATIVE_DTYPES = (torch.float32, torch.float64)


class AttendLSTMWeights(NamedTuple):
    """The decoder's recurrent weights; all rows are outputs, as in `torch.nn.Linear`."""

    query: Tensor  # (attention_dim, hidden_dim)
    score: Tensor  # (attention_dim,)
    gate: Tensor  # (hidden_dim,)
    gate_bias: Tensor  # (1,)
    context: Tensor  # (4 * hidden_dim, feature_dim)
    recurrent: Tensor  # (4 * hidden_dim, hidden_dim)


def attend_lstm(
    inputs: Tensor,
    features: Tensor,
    keys: Tensor,
    hidden: Tensor,
    cell: Tensor,
    weights: AttendLSTMWeights,
    lengths: Tensor,
    image_index: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Run the attending LSTM over whole sequences, several captions sharing one image's features.

    Args:
        inputs: word part of the gate pre-activations, bias included, `(batch, time, 4 * hidden_dim)`.
        features: image regions, `(images, regions, feature_dim)`.
        keys: the same regions projected, bias included, `(images, regions, attention_dim)`.
        hidden: initial state, `(batch, hidden_dim)`.
        cell: initial cell, `(batch, hidden_dim)`.
        weights: see `AttendLSTMWeights`.
        lengths: steps to compute of each row, `(batch,)` int64 in 1..time.
        image_index: the image each row looks at, `(batch,)` int64, non-decreasing.

    Returns:
        hiddens `(batch, time, hidden_dim)`, gated contexts `(batch, time, feature_dim)` and attention
        `(batch, time, regions)`, each attention row summing to 1. Steps at or past a row's length are not
        computed: their outputs are zero and no gradient flows through them.

    Raises:
        ValueError: shapes disagree, a tensor is not contiguous, or lengths or image_index are out of range.
    """
    check_arguments(
        inputs,
        ("batch", "time", "4 * hidden_dim"),
        features,
        keys,
        hidden,
        cell,
        weights,
        image_index,
        lengths,
    )
    if runs_native(inputs) or cuda.runs((inputs, features, keys, hidden, cell, *weights)):
        return attend_lstm_native.forward(
            inputs, features, keys, hidden, cell, *weights, lengths, image_index
        )[:3]
    if not (torch.compiler.is_compiling() or lengths.is_cuda):  # neither can look at values cheaply
        check_rows(lengths, image_index, inputs.shape[1], features.shape[0])
    return attend_lstm_reference(inputs, features, keys, hidden, cell, weights, lengths, image_index)


def attend_lstm_step(
    inputs: Tensor,
    features: Tensor,
    keys: Tensor,
    hidden: Tensor,
    cell: Tensor,
    weights: AttendLSTMWeights,
    image_index: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Run one step of the attending LSTM.

    Args:
        inputs: word part of the gate pre-activations, bias included, `(batch, 4 * hidden_dim)`.
        features, keys, hidden, cell, weights: as in `attend_lstm`.
        image_index: the image each row looks at, `(batch,)` int64; None: row b looks at image b.

    Returns:
        new hidden and cell `(batch, hidden_dim)`, gated context `(batch, feature_dim)` and attention
        `(batch, regions)`. Gradients flow (through the reference).

    Raises:
        ValueError: shapes disagree, a tensor is not contiguous, or image_index is out of range (where only a
            GPU can see its values, that row is NaN instead).
    """
    floats = (inputs, features, keys, hidden, cell, *weights)
    wants_gradient = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in floats)
    if not wants_gradient and cuda.runs(floats):
        return cuda.attend_lstm_step(inputs, features, keys, hidden, cell, weights, image_index)
    if image_index is None:
        image_index = torch.arange(len(hidden), device=hidden.device)
    check_arguments(inputs, ("batch", "4 * hidden_dim"), features, keys, hidden, cell, weights, image_index)
    if wants_gradient or not runs_native(inputs):
        return attend_lstm_step_reference(inputs, features, keys, hidden, cell, weights, image_index)
    hidden, context, attention, _, cell, *_ = attend_lstm_native.compute(
        inputs[:, None], features, keys, hidden, cell, *weights, torch.ones_like(image_index), image_index
    )
    return hidden[:, 0], cell[:, 0], context[:, 0], attention[:, 0]


def runs_native(inputs: Tensor) -> bool:
    """True when the chosen backend has a kernel for tensors like this one."""
    return library.backend() == "native" and inputs.device.type == "cpu" and inputs.dtype in NATIVE_DTYPES


def check_arguments(
    inputs: Tensor,
    inputs_shape: tuple[str, ...],
    features: Tensor,
    keys: Tensor,
    hidden: Tensor,
    cell: Tensor,
    weights: AttendLSTMWeights,
    image_index: Tensor,
    lengths: Tensor | None = None,
) -> None:
    """Raise ValueError unless the arguments of `attend_lstm` or `attend_lstm_step` fit together."""
    check_shapes(
        {
            "hidden": (hidden, ("batch", "hidden_dim")),
            "cell": (cell, ("batch", "hidden_dim")),
            "inputs": (inputs, inputs_shape),
            "features": (features, ("images", "regions", "feature_dim")),
            "keys": (keys, ("images", "regions", "attention_dim")),
            "weights.query": (weights.query, ("attention_dim", "hidden_dim")),
            "weights.score": (weights.score, ("attention_dim",)),
            "weights.gate": (weights.gate, ("hidden_dim",)),
            "weights.gate_bias": (weights.gate_bias, ("1",)),
            "weights.context": (weights.context, ("4 * hidden_dim", "feature_dim")),
            "weights.recurrent": (weights.recurrent, ("4 * hidden_dim", "hidden_dim")),
            "image_index": (image_index, ("batch",)),
            **({} if lengths is None else {"lengths": (lengths, ("batch",))}),
        }
    )


def attend_lstm_reference(
    inputs: Tensor,
    features: Tensor,
    keys: Tensor,
    hidden: Tensor,
    cell: Tensor,
    weights: AttendLSTMWeights,
    lengths: Tensor,
    image_index: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Plain PyTorch twin of `attend_lstm`: the specification, on any device and dtype."""
    outputs = []
    for time in range(inputs.shape[1]):
        rows = (lengths > time).nonzero()[:, 0]  # the others neither compute nor receive gradient
        state = attend_lstm_step_reference(
            inputs[rows, time], features, keys, hidden[rows], cell[rows], weights, image_index[rows]
        )
        hidden = hidden.index_copy(0, rows, state[0].to(hidden.dtype))
        cell = cell.index_copy(0, rows, state[1].to(cell.dtype))
        outputs.append(
            [part.new_zeros(len(lengths), part.shape[1]).index_copy(0, rows, part) for part in state]
        )
    hiddens, _, contexts, attention = (torch.stack(parts, dim=1) for parts in zip(*outputs, strict=True))
    return hiddens, contexts, attention


def attend_lstm_step_reference(
    inputs: Tensor,
    features: Tensor,
    keys: Tensor,
    hidden: Tensor,
    cell: Tensor,
    weights: AttendLSTMWeights,
    image_index: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Plain PyTorch twin of `attend_lstm_step`: the specification, on any device and dtype."""
    if image_index is not None:
        features, keys = features.index_select(0, image_index), keys.index_select(0, image_index)
    query = linear(hidden, weights.query)  # (batch, attention_dim)
    average, attention = additive_attention(features, keys, query, weights.score)
    beta = torch.sigmoid(hidden @ weights.gate + weights.gate_bias)[:, None]  # (batch, 1)
    context = beta * average
    gates = inputs + linear(context, weights.context) + linear(hidden, weights.recurrent)
    hidden, cell = lstm_cell(gates, cell)
    return hidden, cell, context, attention


def additive_attention(
    features: Tensor, keys: Tensor, query: Tensor, score: Tensor, mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Average features by their relevance to a query (Bahdanau et al. 2015; Xu et al. 2015, eq. 4-6 and 13).

    Args:
        features: what is averaged, `(batch, regions, feature_dim)`.
        keys: the same projected, `(batch, regions, attention_dim)`.
        query: the state that looks, projected, `(batch, attention_dim)`.
        score: the scoring vector, `(attention_dim,)`.
        mask: true where a region may be looked at, `(batch, regions)`, at least one in a row; None: everywhere.

    Returns:
        context `(batch, feature_dim)` and weights `(batch, regions)`, each row summing to 1.
    """
    energy = torch.tanh(keys + query[:, None]) @ score  # (batch, regions)
    if mask is not None:
        energy = energy.masked_fill(~mask, float("-inf"))
    weights = energy.softmax(dim=1)
    return (weights[:, None] @ features)[:, 0], weights


def lstm_cell(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """Renew the cell and show part of it (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000).

    Args:
        gates: the four sums before their squashing, in the order i, f, g, o, `(batch, 4 * hidden_dim)`.
        cell: the memory, `(batch, hidden_dim)`.

    Returns:
        new hidden and cell, `(batch, hidden_dim)`.
    """
    i, f, g, o = gates.chunk(4, dim=1)
    cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(cell), cell
