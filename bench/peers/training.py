"""The training loop's decoder as one would write it well in PyTorch: all captions run to the longest one's end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from unittest.mock import patch

import torch
from torch import Tensor

from bench.peers.attend_lstm import run_sequence, step


def run_padded(
    inputs: Tensor,
    features: Tensor,
    keys: Tensor,
    hidden: Tensor,
    cell: Tensor,
    weights: tuple,
    lengths: Tensor,
    image_index: Tensor,
    one_step: Callable = step,
) -> tuple[Tensor, Tensor, Tensor]:
    """`pycap.ops.attend_lstm` for pictures with equally many captions: padding is computed and thrown away."""
    hiddens, contexts, attention = run_sequence(inputs, features, keys, hidden, cell, weights, one_step)
    real = (torch.arange(inputs.shape[1]) < lengths[:, None])[:, :, None]
    return hiddens, contexts, attention * real


@contextmanager
def padded_decoder(one_step: Callable = step) -> Iterator[None]:
    """Put `run_padded` in the place of pycap's op."""
    with patch("pycap.decoder.attend_lstm", partial(run_padded, one_step=one_step)):
        yield
