"""Convolution as EfficientNet uses it: "same" padding, batch normalisation folded in, a clipped ReLU."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class SameConv2d(nn.Module):
    """Convolve so that the output has `ceil(input / stride)` rows and columns, then clip to 0-6 if asked.

    Padding follows TensorFlow's SAME rule, which is asymmetric for even sizes with stride 2: the extra row and
    column go to the bottom and right. Weights ported from TensorFlow are only right with this rule.

    Args:
        inputs, outputs: channels.
        kernel: side of the filter in pixels.
        stride: step of the filter in pixels.
        groups: 1, or `inputs` for a depthwise convolution.
        activation: clip the result to 0-6 (ReLU6).
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int = 1,
        groups: int = 1,
        activation: bool = True,
    ):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs // groups, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.kernel, self.stride, self.groups, self.activation = kernel, stride, groups, activation
        nn.init.kaiming_normal_(self.weight, mode="fan_out")

    def forward(self, pixels: Tensor) -> Tensor:  # (batch, inputs, rows, cols) -> (batch, outputs, ...)
        out = (
            self._multiply(pixels) if self.kernel == self.stride == self.groups == 1 else self._filter(pixels)
        )
        return functional.relu6(out, inplace=True) if self.activation else out

    def _multiply(self, pixels: Tensor) -> Tensor:
        """Convolve with a filter of one pixel: a matrix product, which mixed precision makes fast."""
        out = functional.linear(pixels.permute(0, 2, 3, 1), self.weight.flatten(1), self.bias)
        return out.permute(0, 3, 1, 2)

    def _filter(self, pixels: Tensor) -> Tensor:
        """Convolve in single precision: on a CPU, depthwise filters in bf16 are slower by an order of magnitude."""
        top, bottom = self._padding(pixels.shape[-2])
        left, right = self._padding(pixels.shape[-1])
        if top == bottom and left == right:
            padding = (top, left)
        else:
            pixels, padding = functional.pad(pixels, (left, right, top, bottom)), (0, 0)
        with torch.autocast(pixels.device.type, enabled=False):
            return functional.conv2d(
                pixels.float(), self.weight, self.bias, self.stride, padding, groups=self.groups
            )

    def _padding(self, size: int) -> tuple[int, int]:
        total = max((-(-size // self.stride) - 1) * self.stride + self.kernel - size, 0)
        return total // 2, total - total // 2

    @torch.no_grad()
    def load_folded(
        self, weight: Tensor, scale: Tensor, shift: Tensor, mean: Tensor, variance: Tensor, eps: float
    ) -> None:
        """Load a convolution followed by batch normalisation in inference mode as one convolution.

        Args:
            weight: filters without bias, the shape of `self.weight`.
            scale, shift, mean, variance: the normalisation's parameters and statistics, `(outputs,)`.
            eps: added to the variance.
        """
        factor = scale / torch.sqrt(variance + eps)
        self.weight.copy_(weight * factor[:, None, None, None])
        self.bias.copy_(shift - mean * factor)
