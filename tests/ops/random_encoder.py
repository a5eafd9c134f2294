"""An image encoder of random weights that neither fade nor saturate, in PyTorch and as the native one takes it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pycap.cnn import EfficientNetLite
from pycap.config import ModelConfig
from pycap.encoder import RegionEncoder
from pycap.nn.conv import SameConv2d
from pycap.window import zoom_middle


class ImageEncoder(nn.Module):
    """CNN and region encoder as `CaptionModel` uses them, with the names its weights have on disk."""

    def __init__(self, config: ModelConfig, seed: int = 0):
        super().__init__()
        torch.manual_seed(seed)
        cnn = EfficientNetLite(config.cnn)
        for module in cnn.modules():
            if isinstance(module, SameConv2d):
                inputs = module.weight[0].numel()
                nn.init.normal_(module.weight, std=(2 / inputs) ** 0.5)
                nn.init.normal_(module.bias, std=0.3)
        self.cnn, self.tail = cnn.split(config.tuned_blocks)
        self.encoder = RegionEncoder(config)
        self.window = config.window
        for name, parameter in self.encoder.named_parameters():
            if "norm" in name or name.endswith("bias"):
                nn.init.normal_(parameter, mean=1.0 if name.endswith("weight") else 0.0, std=0.2)
        self.eval().requires_grad_(False)

    def find_regions(self, pixels: Tensor) -> Tensor:
        cells = zoom_middle(self.cnn(pixels), self.window)
        return cells if self.tail is None else self.tail(cells)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
        return self.encoder(self.find_regions(pixels), with_attention=True)

    def weights(self) -> dict[str, np.ndarray]:
        return {name: value.numpy() for name, value in self.state_dict().items()}


def convolve_exactly(self: SameConv2d, pixels: Tensor) -> Tensor:
    """Stands in for `SameConv2d.forward`, which filters in single precision whatever its weights are."""
    padding = (*self._padding(pixels.shape[3]), *self._padding(pixels.shape[2]))
    out = functional.conv2d(
        functional.pad(pixels, padding), self.weight, self.bias, self.stride, groups=self.groups
    )
    return functional.relu6(out) if self.activation else out


def make_pixels(images: int, size: int, seed: int = 0) -> np.ndarray:
    """Return smooth noise in the range of real pixels, `(images, 3, size, size)`."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(images, 3, size // 8 + 2, size // 8 + 2, generator=generator)
    smooth = functional.interpolate(coarse, size=(size, size), mode="bilinear")
    return (smooth * 2 - 1 + 0.1 * torch.randn(smooth.shape, generator=generator)).numpy()
