"""The embedding: a table with one vector for each word."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Embedding(nn.Module):
    """Look up the vectors of words: a dense layer whose input is all zeros but for one 1, without the product.

    Args:
        vocab_size: rows of the table.
        embed_dim: width of a word's vector; values begin standard normal.
    """

    def __init__(self, vocab_size: int, embed_dim: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(vocab_size, embed_dim))

    def forward(self, tokens: Tensor) -> Tensor:  # (...) int64 -> (..., embed_dim)
        return functional.embedding(tokens, self.weight)

    def extra_repr(self) -> str:
        return "{}, {}".format(*self.weight.shape)
