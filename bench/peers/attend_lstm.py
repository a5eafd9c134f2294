"""The attending LSTM over whole captions as one would write it well in PyTorch, for autograd and torch.compile."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import linear

from pycap.ops import AttendLSTMWeights


def step(
    inputs: Tensor, features: Tensor, keys: Tensor, hidden: Tensor, cell: Tensor, weights: AttendLSTMWeights
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One step; every image has the same number of rows, so its regions are broadcast and never copied.

    Args:
        inputs: word part of the gates, `(images * captions, 4 * hidden_dim)`.
        features, keys: regions, `(images, regions, ...)`.
        hidden, cell: state, `(images * captions, hidden_dim)`.
        weights: the recurrent weights.

    Returns:
        new hidden and cell, gated context and attention, one row a caption.
    """
    images = len(features)
    query = linear(hidden, weights.query).unflatten(0, (images, -1))  # (images, captions, attention_dim)
    energy = torch.tanh(keys[:, None] + query[:, :, None]) @ weights.score
    attention = energy.softmax(dim=2)  # (images, captions, regions)
    beta = torch.sigmoid(hidden @ weights.gate + weights.gate_bias)[:, None]
    context = beta * (attention @ features).flatten(0, 1)
    gates = inputs + linear(context, weights.context) + linear(hidden, weights.recurrent)
    i, f, g, o = gates.chunk(4, dim=1)
    cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
    hidden = torch.sigmoid(o) * torch.tanh(cell)
    return hidden, cell, context, attention.flatten(0, 1)


def run_sequence(
    inputs: Tensor,
    features: Tensor,
    keys: Tensor,
    hidden: Tensor,
    cell: Tensor,
    weights: AttendLSTMWeights,
    one_step: Callable = step,
) -> tuple[Tensor, Tensor, Tensor]:
    """All steps of captions of one length; arguments and results as `pycap.ops.attend_lstm`."""
    outputs = []
    for inputs_now in inputs.unbind(1):
        hidden, cell, context, attention = one_step(inputs_now, features, keys, hidden, cell, weights)
        outputs.append((hidden, context, attention))
    hiddens, contexts, attention = (torch.stack(parts, dim=1) for parts in zip(*outputs, strict=True))
    return hiddens, contexts, attention
