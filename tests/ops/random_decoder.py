"""Decoders with random weights, sharp enough that captions end and differ between images."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pycap.ops.decoder_step import DecoderWeights
from pycap.ops.recurrence import AttendLSTMWeights

# How far a log-probability may move while other calls run: PyTorch's products take fewer threads on a busy
# machine and then add in another order.
BUSY_BOUND = {"native": 0.0, "reference": 2e-5}


def make_weights(
    vocab_size: int = 40,
    embed_dim: int = 24,
    hidden_dim: int = 33,
    attention_dim: int = 20,
    feature_dim: int = 28,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
) -> DecoderWeights:
    """Draw weights of the given sizes; the same seed gives the same values in every dtype, float32 exactly."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int, scale: float = 1.0) -> Tensor:
        return (torch.randn(*shape, generator=generator) * scale).to(dtype)

    def matrix(rows: int, columns: int, scale: float = 1.0) -> Tensor:
        return draw(rows, columns, scale=scale * columns**-0.5)

    return DecoderWeights(
        embedding=draw(vocab_size, embed_dim),
        input=matrix(4 * hidden_dim, embed_dim, 2.0),
        input_bias=draw(4 * hidden_dim),
        key=matrix(attention_dim, feature_dim, 2.0),
        key_bias=draw(attention_dim),
        attend=AttendLSTMWeights(
            query=matrix(attention_dim, hidden_dim, 2.0),
            score=draw(attention_dim),
            gate=draw(hidden_dim, scale=hidden_dim**-0.5),
            gate_bias=draw(1),
            context=matrix(4 * hidden_dim, feature_dim, 2.0),
            recurrent=matrix(4 * hidden_dim, hidden_dim, 2.0),
        ),
        initial_hidden=matrix(hidden_dim, feature_dim, 2.0),
        initial_hidden_bias=draw(hidden_dim),
        initial_cell=matrix(hidden_dim, feature_dim, 2.0),
        initial_cell_bias=draw(hidden_dim),
        output_hidden=matrix(embed_dim, hidden_dim, 2.0),
        output_context=matrix(embed_dim, feature_dim, 2.0),
        output_bias=draw(embed_dim),
        output=matrix(vocab_size, embed_dim, 3.0),
        output_vocab_bias=draw(vocab_size),
    )


def make_features(images: int, regions: int = 9, feature_dim: int = 28, seed: int = 0) -> Tensor:
    """Draw regions, `(images, regions, feature_dim)`; image i does not depend on how many there are."""
    rows = [
        torch.randn(regions, feature_dim, generator=torch.Generator().manual_seed(1000 * seed + image))
        for image in range(images)
    ]
    return torch.stack(rows) if rows else torch.empty(0, regions, feature_dim)


def as_arrays(weights: DecoderWeights) -> dict[str, np.ndarray]:
    """Return the weights as the native module takes them."""
    return {name: part.contiguous().numpy() for name, part in weights.flat().items()}
