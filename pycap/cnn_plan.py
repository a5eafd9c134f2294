"""What EfficientNet-Lite is made of: the shape of every block, without any weights.

Reference: EfficientNet-B0's stages (Tan & Le 2019, table 1), scaled as the Lite family scales them.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from pycap.config import ModelConfig

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


def _scale_width(channels: int, width: float) -> int:
    rounded = max(8, int(channels * width + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels * width else rounded


def check_variant(variant: str) -> None:
    """Raise ValueError for a variant that does not exist."""
    if variant not in SCALES:
        raise ValueError(f"cnn must be one of {', '.join(SCALES)}, got {variant!r}")


class BlockPlan(NamedTuple):
    """Shape of one block: channels in and out, side and step of its filter, width of its middle in inputs."""

    inputs: int
    outputs: int
    kernel: int
    stride: int
    expansion: int


def plan_blocks(variant: str) -> list[BlockPlan]:
    """Return the blocks of a variant, first to last; the first and last stage keep their depth.

    Raises:
        ValueError: no such variant.
    """
    check_variant(variant)
    width, depth = SCALES[variant]
    plans, inputs = [], STEM
    for number, (repeats, kernel, stride, expansion, outputs) in enumerate(STAGES):
        fixed = number in (0, len(STAGES) - 1)
        outputs = _scale_width(outputs, width)
        for repeat in range(repeats if fixed else math.ceil(repeats * depth)):
            plans.append(BlockPlan(inputs, outputs, kernel, stride if repeat == 0 else 1, expansion))
            inputs = outputs
    return plans


def frozen_shape(config: ModelConfig, size: int) -> tuple[int, int]:
    """Return cells and channels of what the frozen part makes of a picture of `size` pixels a side.

    Raises:
        ValueError: the CNN has no `config.tuned_blocks` blocks to tune.
    """
    plans = plan_blocks(config.cnn)
    if not 0 <= config.tuned_blocks < len(plans):
        raise ValueError(
            f"model.tuned_blocks must be from 0 to {len(plans) - 1} for {config.cnn}, got {config.tuned_blocks}"
        )
    frozen = plans[: len(plans) - config.tuned_blocks]
    side = -(-size // 2)  # the stem's stride
    for plan in frozen:
        side = -(-side // plan.stride)
    return side * side, frozen[-1].outputs if config.tuned_blocks else HEAD
