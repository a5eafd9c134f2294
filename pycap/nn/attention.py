"""Attention layers: regions that look at each other (encoder). The decoder's additive attention is in `pycap.ops`."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


def grid_positions(rows: Tensor, cols: Tensor) -> Tensor:
    """Return a code for every cell of a grid: its row's code plus its column's.

    Args:
        rows, cols: `(grid, feature_dim)`.

    Returns:
        `(grid * grid, feature_dim)`, row by row.
    """
    return (rows[:, None] + cols[None, :]).flatten(0, 1)


def dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, dropout: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Average values by how well keys match queries (Vaswani et al. 2017, eq. 1).

    Args:
        query, key, value: `(..., regions, head_dim)`.

    Returns:
        averages `(..., regions, head_dim)` and weights `(..., regions, regions)`, each row summing to 1.
    """
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    weights = torch.softmax(scores, dim=-1)
    return weights @ value, weights


class RegionSelfAttention(nn.Module):
    """One pre-norm transformer layer over regions: self-attention, then a position-wise network.

    Args:
        feature_dim: width of a region; must be a multiple of `heads`.
        heads: attention heads (Vaswani et al. 2017, section 3.2.2).
        dropout: rate on both residual branches.
    """

    def __init__(self, feature_dim: int, heads: int, dropout: float):
        super().__init__()
        if feature_dim % heads:
            raise ValueError(f"feature_dim must be a multiple of encoder_heads={heads}, got {feature_dim}")
        self.heads = heads
        self.norm = nn.LayerNorm(feature_dim)
        self.query_key_value = nn.Linear(feature_dim, 3 * feature_dim)
        self.merge = nn.Linear(feature_dim, feature_dim)
        self.norm_wide = nn.LayerNorm(feature_dim)
        self.widen = nn.Linear(feature_dim, 2 * feature_dim)
        self.narrow = nn.Linear(2 * feature_dim, feature_dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: Tensor, with_attention: bool = False) -> tuple[Tensor, Tensor | None]:
        """Return features of the same shape, and on request the weights.

        Args:
            features: `(images, regions, feature_dim)`.
            with_attention: also return the weights, `(images, heads, regions, regions)`; else None.
        """
        images, regions, width = features.shape
        heads = self.query_key_value(self.norm(features)).view(
            images, regions, 3, self.heads, width // self.heads
        )
        query, key, value = heads.permute(2, 0, 3, 1, 4)  # each (images, heads, regions, head_dim)
        if with_attention:
            mixed, weights = dot_product_attention(query, key, value)
        else:
            mixed, weights = functional.scaled_dot_product_attention(query, key, value), None
        features = features + self.dropout(self.merge(mixed.transpose(1, 2).reshape(images, regions, width)))
        features = features + self.dropout(self.narrow(functional.gelu(self.widen(self.norm_wide(features)))))
        return features, weights
