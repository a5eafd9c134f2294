"""The weights that settings promise are those of the network."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tiny import run_python

from pycap.cnn import CnnPart
from pycap.cnn_plan import frozen_shape, plan_blocks
from pycap.config import CNNS, ModelConfig
from pycap.decoder import Decoder
from pycap.model import CaptionModel
from pycap.weights import DECODER, frozen_weights, model_weights

SMALL = ModelConfig(feature_dim=12, encoder_heads=3, embed_dim=10, hidden_dim=14, attention_dim=8, grid=3)


def shapes(module: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in module.state_dict().items()}


@pytest.mark.parametrize("cnn", CNNS)
@pytest.mark.parametrize("tuned_blocks", [0, 1, 6])
def test_the_weights_of_the_cnn_are_the_networks(cnn, tuned_blocks):
    config = replace(SMALL, cnn=cnn, tuned_blocks=tuned_blocks)
    assert frozen_weights(config) == shapes(CnnPart.frozen(config))
    assert model_weights(config, 9) == shapes(CaptionModel(config, 9))


@pytest.mark.parametrize(
    "settings",
    [
        {"encoder_layers": 0},
        {"encoder_layers": 2},
        {"encoder_attention": "channel", "encoder_layers": 2},
        {"encoder_attention": "channel", "feature_dim": 2},
        {"tie_embedding": False},
    ],
    ids=str,
)
def test_the_weights_of_every_encoder_are_the_models(settings):
    config = replace(SMALL, tuned_blocks=0, **settings)
    assert model_weights(config, 11) == shapes(CaptionModel(config, 11))


def test_decoder_fields_are_its_parameters():
    decoder = Decoder(SMALL, 9)
    fields = decoder.weights().flat()
    assert fields.keys() == DECODER.keys()
    for field, name in DECODER.items():
        parameter = decoder.get_parameter(name)
        assert fields[field].data_ptr() == parameter.data_ptr()
        assert torch.equal(fields[field], parameter[0] if field == "gate" else parameter)


@pytest.mark.parametrize("build", [CaptionModel, model_weights])
def test_heads_that_do_not_divide_the_width_are_one_line(build):
    with pytest.raises(ValueError, match="feature_dim must be a multiple of encoder_heads=3, got 16"):
        build(replace(SMALL, feature_dim=16), 9)


@pytest.mark.parametrize("build", [frozen_weights, lambda config: frozen_shape(config, 260)])
def test_more_blocks_than_there_are_is_one_clear_line(build):
    blocks = len(plan_blocks("lite2"))
    with pytest.raises(
        ValueError, match=f"model.tuned_blocks must be from 0 to {blocks - 1} for lite2, got 99"
    ):
        build(ModelConfig(tuned_blocks=99))


def test_listing_weights_imports_no_torch():
    done = run_python("import sys, pycap.weights; sys.exit('torch' in sys.modules)")
    assert done.returncode == 0, done.stderr
