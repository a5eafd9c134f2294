"""Attention: the encoder's, over regions and over channels, and the decoder's, which asks with a state.

`additive_attention` is the arithmetic of the decoder's own reference (`pycap.ops.recurrence`); the decoder runs it
inside the loop of its LSTM, as one op.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from pycap.nn.dense import Dense
from pycap.nn.dropout import Dropout
from pycap.ops.recurrence import additive_attention

__all__ = [
    "AdditiveAttention",
    "ChannelAttention",
    "RegionSelfAttention",
    "additive_attention",
    "dot_product_attention",
    "grid_positions",
]


def grid_positions(rows: Tensor, cols: Tensor) -> Tensor:
    """Return a code for every cell of a grid: its row's code plus its column's.

    Args:
        rows, cols: `(grid, feature_dim)`.

    Returns:
        `(grid * grid, feature_dim)`, row by row.
    """
    return (rows[:, None] + cols[None, :]).flatten(0, 1)


def dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Average values by how well keys match queries (Vaswani et al. 2017, eq. 1).

    Args:
        query: who looks, `(..., queries, head_dim)`.
        key, value: what is looked at, `(..., regions, head_dim)`.
        mask: true where a query may look, broadcast to `(..., queries, regions)`; None: everywhere.

    Returns:
        averages `(..., queries, head_dim)` and weights `(..., queries, regions)`, each row summing to 1.
    """
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    weights = torch.softmax(scores, dim=-1)
    return weights @ value, weights


class AdditiveAttention(nn.Module):
    """Let a state look at features, as the decoder does, with the projections that this takes.

    Args:
        feature_dim: width of what is looked at.
        hidden_dim: width of the state that looks.
        attention_dim: width in which the two are compared.
    """

    def __init__(self, feature_dim: int, hidden_dim: int, attention_dim: int):
        super().__init__()
        self.key = Dense(feature_dim, attention_dim)
        self.query = Dense(hidden_dim, attention_dim, bias=False)
        self.score = nn.Parameter(torch.randn(attention_dim) * attention_dim**-0.5)

    def forward(self, features: Tensor, hidden: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the context `(batch, feature_dim)` and the weights `(batch, regions)`.

        Args:
            features: `(batch, regions, feature_dim)`.
            hidden: `(batch, hidden_dim)`.
            mask: true where a region may be looked at, `(batch, regions)`; None: everywhere.
        """
        return additive_attention(features, self.key(features), self.query(hidden), self.score, mask)


class AttentionLayer(nn.Module):
    """What layers of the encoder share: behind the attention, every region by itself through a wider layer."""

    def _make_position_wise(self, feature_dim: int, dropout: float) -> None:
        self.norm_wide = nn.LayerNorm(feature_dim)
        self.widen = Dense(feature_dim, 2 * feature_dim)
        self.narrow = Dense(2 * feature_dim, feature_dim)
        self.dropout = Dropout(dropout)

    def _add_position_wise(
        self, features: Tensor
    ) -> Tensor:  # (images, regions, feature_dim), the same shape
        return features + self.dropout(self.narrow(functional.gelu(self.widen(self.norm_wide(features)))))


class RegionSelfAttention(AttentionLayer):
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
        self.query_key_value = Dense(feature_dim, 3 * feature_dim)
        self.merge = Dense(feature_dim, feature_dim)
        self._make_position_wise(feature_dim, dropout)

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
        return self._add_position_wise(features), weights


class ChannelAttention(AttentionLayer):
    """Weigh channels by what the whole picture shows (squeeze-and-excitation, Hu et al. 2018), pre-norm.

    The same layer as `RegionSelfAttention` with the attention over channels: regions see each other only in their
    mean, and there is no map of who looked at whom.

    Args:
        feature_dim: width of a region.
        dropout: rate on both residual branches.
        squeeze: factor by which the layer between mean and weights is narrower.
    """

    def __init__(self, feature_dim: int, dropout: float, squeeze: int = 4):
        super().__init__()
        self.norm = nn.LayerNorm(feature_dim)
        self.squeeze = Dense(feature_dim, max(1, feature_dim // squeeze))
        self.excite = Dense(max(1, feature_dim // squeeze), feature_dim)
        self.merge = Dense(feature_dim, feature_dim)
        self._make_position_wise(feature_dim, dropout)

    def forward(self, features: Tensor, with_attention: bool = False) -> tuple[Tensor, None]:
        """Return features of the same shape, and None: there are no weights over regions.

        Args:
            features: `(images, regions, feature_dim)`.
            with_attention: ignored.
        """
        normed = self.norm(features)
        weights = torch.sigmoid(self.excite(functional.relu(self.squeeze(normed.mean(1, keepdim=True)))))
        features = features + self.dropout(self.merge(normed * weights))
        return self._add_position_wise(features), None
