"""The dense layer: every output is a weighted sum of all inputs."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class Dense(nn.Module):
    """Multiply by a matrix and add a bias, `y = x W^T + b`.

    Weights and bias begin uniform in `+-1 / sqrt(inputs)`, so that a sum of many inputs is no larger than one of
    them (LeCun et al. 1998, section 4.6; the bounds of `torch.nn.Linear`).

    Args:
        inputs, outputs: width of a row before and after.
        bias: add `b`.
    """

    def __init__(self, inputs: int, outputs: int, bias: bool = True):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        self.bias = nn.Parameter(torch.empty(outputs)) if bias else None
        bound = 1 / math.sqrt(inputs)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def forward(self, rows: Tensor) -> Tensor:  # (..., inputs) -> (..., outputs)
        return functional.linear(rows, self.weight, self.bias)

    def extra_repr(self) -> str:
        outputs, inputs = self.weight.shape
        return f"{inputs}, {outputs}, bias={self.bias is not None}"
