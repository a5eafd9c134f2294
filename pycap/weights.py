"""A model's weights by name and shape, from its settings alone: what a checkpoint is checked against.

Imports no torch.
"""

from __future__ import annotations

import numpy as np

from pycap.cnn_plan import HEAD, STEM, BlockPlan, frozen_shape, plan_blocks
from pycap.config import ModelConfig

Shapes = dict[str, tuple[int, ...]]  # of weights, by their names in `state_dict()`
Arrays = dict[str, np.ndarray]  # the weights themselves

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


def frozen_weights(config: ModelConfig) -> Shapes:
    """Return the weights of the CNN's frozen part, `layers.NUMBER....`; ValueError as `frozen_shape`."""
    frozen_shape(config, 32 * config.grid)  # refuses more tuned blocks than there are
    plans = plan_blocks(config.cnn)
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
    return (
        _prefix("tail.", _tail(config))
        | _prefix("encoder.", _encoder(config))
        | _prefix("decoder.", _decoder(config, vocab_size))
    )


def encoder_weights(config: ModelConfig) -> Shapes:
    """Return all weights between pixels and features: `cnn....` (the frozen part), `tail....` and `encoder....`.

    Raises:
        ValueError: the settings contradict each other.
    """
    return (
        _prefix("cnn.", frozen_weights(config))
        | _prefix("tail.", _tail(config))
        | _prefix("encoder.", _encoder(config))
    )


def _tail(config: ModelConfig) -> Shapes:
    frozen_shape(config, 32 * config.grid)  # refuses more tuned blocks than there are
    if config.tuned_blocks == 0:
        return {}
    plans = plan_blocks(config.cnn)
    layers = [*map(_block, plans[-config.tuned_blocks :]), _conv("", plans[-1].outputs, HEAD, 1)]
    return _number("layers", layers)


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
