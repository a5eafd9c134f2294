"""The region encoder says what it looked at."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pycap.config import ModelConfig
from pycap.encoder import RegionEncoder

SMALL = ModelConfig(grid=3, region_channels=6, feature_dim=8, encoder_heads=2, encoder_layers=2)


def test_encoder_attention_rows_sum_to_one_and_do_not_change_the_result():
    torch.manual_seed(0)
    encoder = RegionEncoder(SMALL).eval()
    regions = torch.randn(4, 9, 6)
    features, attention = encoder(regions, with_attention=True)
    assert attention.shape == (4, 2, 9, 9)
    torch.testing.assert_close(attention.sum(-1), torch.ones(4, 2, 9))
    torch.testing.assert_close(features, encoder(regions)[0], rtol=1e-4, atol=1e-5)


def test_regions_look_at_each_other_only_through_attention():
    torch.manual_seed(0)
    regions = torch.randn(1, 9, 6)
    changed = regions.clone()
    changed[0, 8] += 1.0
    for layers, moved in ((0, False), (1, True)):
        encoder = RegionEncoder(ModelConfig(**{**SMALL.__dict__, "encoder_layers": layers})).eval()
        same = torch.equal(encoder(regions)[0][0, 0], encoder(changed)[0][0, 0])
        assert same is not moved


def test_channel_attention_sees_other_regions_in_their_mean_only():
    torch.manual_seed(0)
    encoder = RegionEncoder(ModelConfig(**{**SMALL.__dict__, "encoder_attention": "channel"})).eval()
    regions = torch.randn(2, 9, 6)
    features, attention = encoder(regions, with_attention=True)
    assert attention is None
    layer = encoder.layers[0]
    order = torch.randperm(9)
    mixed, _ = layer(features[:, order])
    torch.testing.assert_close(mixed, layer(features)[0][:, order])  # who stands where does not matter
    changed = features.clone()
    changed[:, 8] += torch.randn(8)
    assert not torch.equal(layer(changed)[0][:, 0], layer(features)[0][:, 0])


def test_encoder_knows_where_a_region_is():
    torch.manual_seed(0)
    encoder = RegionEncoder(SMALL).eval()
    features, _ = encoder(torch.ones(1, 9, 6))
    distances = torch.cdist(features[0], features[0]) + torch.eye(9)
    assert distances.min() > 1e-3


def test_regions_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"regions must be \(images, 9, 6\), got \(1, 4, 6\)"):
        RegionEncoder(SMALL)(torch.zeros(1, 4, 6))


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="feature_dim must be a multiple of encoder_heads=3, got 8"):
        RegionEncoder(ModelConfig(**{**SMALL.__dict__, "encoder_heads": 3}))


def test_self_attention_equals_torch_multihead_attention():
    torch.manual_seed(0)
    layer = RegionEncoder(SMALL).layers[0].eval()
    twin = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    twin.in_proj_weight.data, twin.in_proj_bias.data = (
        layer.query_key_value.weight.data,
        layer.query_key_value.bias.data,
    )
    twin.out_proj.weight.data, twin.out_proj.bias.data = layer.merge.weight.data, layer.merge.bias.data
    features = torch.randn(2, 9, 8)
    normed = layer.norm(features)
    mixed, weights = twin(normed, normed, normed, average_attn_weights=False)
    wide = torch.nn.functional.gelu(layer.widen(layer.norm_wide(features + mixed)))
    result, own = layer(features, with_attention=True)
    torch.testing.assert_close(result, features + mixed + layer.narrow(wide))
    torch.testing.assert_close(own, weights)
    assert np.isfinite(result.detach().numpy()).all()
