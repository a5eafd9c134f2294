"""What a model is made of, from its settings alone: the CNN's blocks, and every weight by name and shape.

Imports no torch: the network is built from it, and a checkpoint is checked against it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from pycap.config import ModelConfig

Shapes = dict[str, tuple[int, ...]]  # of weights, by their names in `state_dict()`

DECODER = {  # field of `DecoderWeights` or `AttendLSTMWeights` -> the decoder's parameter (`gate`: its only row)
    "embedding": "embedding.weight",
    "input": "input.weight",
    "input_bias": "input.bias",
    "key": "key.weight",
    "key_bias": "key.bias",
    "query": "query.weight",
    "score": "score",
    "gate": "gate.weight",
    "gate_bias": "gate.bias",
    "context": "context.weight",
    "recurrent": "recurrent.weight",
    "initial_hidden": "initial_hidden.weight",
    "initial_hidden_bias": "initial_hidden.bias",
    "initial_cell": "initial_cell.weight",
    "initial_cell_bias": "initial_cell.bias",
    "output_hidden": "output_hidden.weight",
    "output_context": "output_context.weight",
    "output_bias": "output_hidden.bias",
    "output": "output.weight",
    "output_vocab_bias": "output.bias",
}

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
    """Raise ValueError unless there is such a variant of EfficientNet-Lite."""
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
    _check_tuned(config, plans)
    frozen = plans[: len(plans) - config.tuned_blocks]
    side = -(-size // 2)  # the stem's stride
    for plan in frozen:
        side = -(-side // plan.stride)
    return side * side, frozen[-1].outputs if config.tuned_blocks else HEAD


def _check_tuned(config: ModelConfig, plans: list[BlockPlan]) -> None:
    if not 0 <= config.tuned_blocks < len(plans):
        raise ValueError(
            f"model.tuned_blocks must be from 0 to {len(plans) - 1} for {config.cnn}, got {config.tuned_blocks}"
        )


def frozen_weights(config: ModelConfig) -> Shapes:
    """Return the weights of the CNN's frozen part, `layers.NUMBER....`; ValueError as `frozen_shape`."""
    plans = plan_blocks(config.cnn)
    _check_tuned(config, plans)
    frozen = plans[: len(plans) - config.tuned_blocks]
    layers = [_conv("", 3, STEM, 3), *map(_block, frozen)]
    if config.tuned_blocks == 0:
        layers.append(_conv("", plans[-1].outputs, HEAD, 1))
    return _number("layers", layers)


def model_weights(config: ModelConfig, vocab_size: int) -> Shapes:
    """Return all weights that are trained: `tail....`, `encoder....` and `decoder....`.

    Raises:
        ValueError: the settings contradict each other.
    """
    plans = plan_blocks(config.cnn)
    _check_tuned(config, plans)
    shapes = {}
    if config.tuned_blocks:
        layers = [*map(_block, plans[-config.tuned_blocks :]), _conv("", plans[-1].outputs, HEAD, 1)]
        shapes |= _prefix("tail.", _number("layers", layers))
    return shapes | _prefix("encoder.", _encoder(config)) | _prefix("decoder.", _decoder(config, vocab_size))


def _encoder(config: ModelConfig) -> Shapes:
    width = config.feature_dim
    if config.encoder_attention == "self":
        if config.encoder_layers and width % config.encoder_heads:
            raise ValueError(
                f"feature_dim must be a multiple of encoder_heads={config.encoder_heads}, got {width}"
            )
        mixing = _linear("query_key_value", width, 3 * width)
    else:
        narrow = max(1, width // 4)
        mixing = _linear("squeeze", width, narrow) | _linear("excite", narrow, width)
    layer = {
        **_norm("norm", width),
        **mixing,
        **_linear("merge", width, width),
        **_norm("norm_wide", width),
        **_linear("widen", width, 2 * width),
        **_linear("narrow", 2 * width, width),
    }
    return {
        **_linear("project", config.region_channels, width),
        **_norm("norm_in", width),
        **dict.fromkeys(("rows", "cols"), (config.grid, width)),
        **_number("layers", [layer] * config.encoder_layers),
        **_norm("norm_out", width),
    }


def _decoder(config: ModelConfig, vocab_size: int) -> Shapes:
    feature, hidden, embed, attention = (
        config.feature_dim,
        config.hidden_dim,
        config.embed_dim,
        config.attention_dim,
    )
    return {
        "embedding.weight": (vocab_size, embed),
        "score": (attention,),
        **_linear("input", embed, 4 * hidden),
        **_linear("key", feature, attention),
        **_linear("query", hidden, attention, bias=False),
        **_linear("gate", hidden, 1),
        **_linear("context", feature, 4 * hidden, bias=False),
        **_linear("recurrent", hidden, 4 * hidden, bias=False),
        **_linear("initial_hidden", feature, hidden),
        **_linear("initial_cell", feature, hidden),
        **_linear("output_hidden", hidden, embed),
        **_linear("output_context", feature, embed, bias=False),
        **_linear("output", embed, vocab_size),
    }


def _block(plan: BlockPlan) -> Shapes:
    width = plan.inputs * plan.expansion
    return {
        **(_conv("expand.", plan.inputs, width, 1) if plan.expansion > 1 else {}),
        **_conv("depthwise.", 1, width, plan.kernel),
        **_conv("project.", width, plan.outputs, 1),
    }


def _conv(prefix: str, inputs: int, outputs: int, kernel: int) -> Shapes:
    return {f"{prefix}weight": (outputs, inputs, kernel, kernel), f"{prefix}bias": (outputs,)}


def _linear(name: str, inputs: int, outputs: int, bias: bool = True) -> Shapes:
    return {f"{name}.weight": (outputs, inputs), **({f"{name}.bias": (outputs,)} if bias else {})}


def _norm(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _number(name: str, layers: list[Shapes]) -> Shapes:
    return {
        f"{name}.{number}.{part}": shape
        for number, layer in enumerate(layers)
        for part, shape in layer.items()
    }


def _prefix(prefix: str, shapes: Shapes) -> Shapes:
    return {prefix + name: shape for name, shape in shapes.items()}
