"""Dropout: in training, a random part of the values becomes 0."""

from __future__ import annotations

import torch
from torch import Tensor, nn

BITS = 16  # of a draw, four of which come from one 64-bit number: rates are rounded to 1 / 65,536


class Dropout(nn.Dropout):
    """Set each value to 0 with probability `p` and scale the others by `1 / (1 - p)` (Srivastava et al. 2014).

    PyTorch's own draws one number of its generator for every value, which on a CPU takes longer than the layer
    before it. Here four values share a number. Seeds and repeats are those of the same generator.
    """

    def forward(self, values: Tensor) -> Tensor:  # (...) -> (...)
        if not self.training or not self.p or values.device.type != "cpu":
            return super().forward(values)
        return values * draw_kept(values.shape, self.p) * (1 / (1 - self.p))


def draw_kept(shape: torch.Size, rate: float) -> Tensor:
    """Return which values stay, a boolean tensor on the CPU; each is False with probability `rate`."""
    count = shape.numel()
    numbers = torch.empty(-(-count * BITS // 64), dtype=torch.int64)
    numbers.random_(torch.iinfo(torch.int64).min, None)  # all 64 bits
    draws = numbers.view(torch.int16)[:count].view(shape)
    return draws >= round(rate * 2**BITS) - 2 ** (BITS - 1)
