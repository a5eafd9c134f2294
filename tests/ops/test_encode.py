"""The native encoder against the same modules in float64, and its promises about threads, batches and errors."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from instruction_sets import ISAS, run_forced
from random_encoder import ImageEncoder, convolve_exactly, make_pixels

from pycap.config import POOLS, ModelConfig
from pycap.model import CaptionModel
from pycap.nn.conv import SameConv2d
from pycap.ops import library
from pycap.ops.encode import NativeEncoder, supports_bfloat16

pytestmark = pytest.mark.skipif(not library.native_available(), reason=library.missing_reason())

BOUND = 2e-4  # of features, which are of size 1, in float32 against float64; observed 8e-5, by PyTorch too
INTEGER_BOUND = 0.03  # of features in 16-bit integers: a float's last bit decides a code; observed 0.011
MAP_BOUND = 2e-6  # of attention; observed 5e-7

PRECISION = pytest.mark.parametrize(
    "precision",
    [
        "float32",
        "int16",
        pytest.param("bfloat16", marks=pytest.mark.skipif(not supports_bfloat16(), reason="needs AMX")),
    ],
)


def configure(size: int, **settings) -> ModelConfig:
    small = {"tuned_blocks": 0, "window": 1.0, "feature_dim": 64, "encoder_heads": 4, "grid": -(-size // 32)}
    return ModelConfig(**{**small, **settings})


def poison(weights: dict[str, np.ndarray], **changes: np.ndarray | None) -> dict[str, np.ndarray]:
    """Return the weights with some replaced, or removed where the change is None."""
    return {name: value for name, value in {**weights, **changes}.items() if value is not None}


@pytest.mark.parametrize(
    ("size", "settings"),
    [
        (33, {"cnn": "lite0"}),
        (100, {"cnn": "lite0", "tuned_blocks": 6}),
        (64, {"cnn": "lite1", "encoder_layers": 2}),
        (130, {"cnn": "lite1", "encoder_attention": "channel", "encoder_layers": 2}),
        (33, {"cnn": "lite2", "encoder_attention": "channel", "feature_dim": 50, "encoder_heads": 1}),
        (
            100,
            {"cnn": "lite2", "tuned_blocks": 6, "encoder_layers": 2, "feature_dim": 54, "encoder_heads": 3},
        ),
        (161, {"cnn": "lite2", "encoder_layers": 0, "feature_dim": 37, "encoder_heads": 1}),
        (224, {"cnn": "lite2", "tuned_blocks": 20, "feature_dim": 512, "encoder_heads": 8}),
        (100, {"cnn": "lite0", "window": 0.9}),
        (130, {"cnn": "lite1", "window": 0.7, "tuned_blocks": 5}),
        (224, {"cnn": "lite2", "window": 0.96, "tuned_blocks": 6}),
    ],
)
def test_native_equals_the_modules_in_float64(monkeypatch, size, settings):
    config = configure(size, **settings)
    network, pixels = ImageEncoder(config), make_pixels(2, size)
    pooled = np.full((2, POOLS, config.region_channels), np.nan, np.float32)
    features, attention = NativeEncoder(network.weights(), config)(pixels, with_attention=True, pooled=pooled)
    single = network(torch.from_numpy(pixels))[0]
    monkeypatch.setattr(SameConv2d, "forward", convolve_exactly)
    exact = network.double()
    regions = exact.find_regions(torch.from_numpy(pixels).double())
    for share in ((regions == 0).float().mean(), (regions == 6).float().mean()):
        assert 0.001 < share < 0.8  # the clipped ReLU works on both sides, and most of the CNN is alive
    for found, wanted, bound in zip(
        pooled.swapaxes(0, 1), CaptionModel.pool(regions).unbind(1), (BOUND, 5 * BOUND), strict=True
    ):
        np.testing.assert_allclose(
            found, wanted.numpy(), rtol=0, atol=bound
        )  # a maximum averages no errors out
    assert np.abs(pooled[:, 1] - pooled[:, 0]).max() > 0.1
    expected, maps = exact(torch.from_numpy(pixels).double())
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, expected.numpy(), rtol=0, atol=BOUND)
    errors = [(result - expected).square().mean().sqrt() for result in (torch.from_numpy(features), single)]
    assert 0 < errors[0] <= 1.5 * errors[1]  # as accurate as PyTorch in float32
    if maps is None:
        assert attention is None
    else:
        np.testing.assert_allclose(attention, maps.mean(1).numpy(), rtol=0, atol=MAP_BOUND)


NARROW = pytest.mark.parametrize(
    ("size", "settings"),
    [
        (33, {"cnn": "lite0", "encoder_layers": 0, "feature_dim": 37, "encoder_heads": 1}),
        (64, {"cnn": "lite1", "encoder_attention": "channel"}),
        (
            100,
            {"cnn": "lite2", "tuned_blocks": 6, "encoder_layers": 2, "feature_dim": 54, "encoder_heads": 3},
        ),
        (224, {"cnn": "lite2", "feature_dim": 512, "encoder_heads": 8}),
        (130, {"cnn": "lite2", "window": 0.96, "tuned_blocks": 6}),
        (65, {"cnn": "lite2", "window": 0.9}),
    ],
)


def measure_narrow(precision: str, size: int, settings: dict) -> tuple[float, float, float]:
    """Return what 16 bits change in features (root mean square; PyTorch's autocast too) and attention (at most)."""
    config = configure(size, **settings)
    network, pixels = ImageEncoder(config), make_pixels(2, size)
    expected = NativeEncoder(network.weights(), config)(pixels, with_attention=True)
    found = NativeEncoder(network.weights(), config, precision=precision)(pixels, with_attention=True)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = network(torch.from_numpy(pixels))[0].float().numpy()
    ours, theirs = (np.sqrt(np.square(result - expected[0]).mean()) for result in (found[0], mixed))
    return ours, theirs, 0 if found[1] is None else np.abs(found[1] - expected[1]).max()


@pytest.mark.skipif(not supports_bfloat16(), reason="needs AMX")
@NARROW
def test_bfloat16_is_nearer_to_float32_than_pytorch_in_mixed_precision(size, settings):
    error, autocast, attention = measure_narrow("bfloat16", size, settings)
    assert 0 < error <= autocast
    assert attention <= 0.01


@NARROW
def test_integers_are_five_times_nearer_than_that(size, settings):
    error, autocast, attention = measure_narrow("int16", size, settings)
    assert 0 < error <= autocast / 5
    assert attention <= 0.002


@PRECISION
def test_attention_is_returned_when_asked_for_and_changes_nothing(precision):
    config = configure(70)
    encoder = NativeEncoder(ImageEncoder(config).weights(), config, precision=precision)
    pixels = make_pixels(2, 70)
    features, attention = encoder(pixels, with_attention=True)
    alone, nothing = encoder(pixels)
    assert nothing is None
    np.testing.assert_array_equal(features, alone)
    np.testing.assert_allclose(attention.sum(-1), 1, rtol=0, atol=1e-6)


@PRECISION
@pytest.mark.parametrize(
    ("images", "size", "settings"),
    [
        (1, 224, {"window": 0.9, "tuned_blocks": 6}),
        (3, 100, {"encoder_attention": "channel", "window": 0.9}),
        (5, 33, {"encoder_layers": 2}),
    ],
)
def test_results_are_identical_for_every_thread_count(images, size, settings, precision):
    config = configure(size, **settings)
    encoder = NativeEncoder(ImageEncoder(config).weights(), config, precision=precision)
    pixels = make_pixels(images, size)
    expected = encoder(pixels, with_attention=True, threads=1)
    before = library.describe()["threads"]
    try:
        for threads in (2, 3, 8):
            library.set_threads(threads)
            for part, same in zip(encoder(pixels, with_attention=True), expected, strict=True):
                np.testing.assert_array_equal(part, same)
    finally:
        library.set_threads(before)


@PRECISION
def test_results_do_not_depend_on_the_other_images(precision):
    config = configure(100)
    encoder = NativeEncoder(ImageEncoder(config).weights(), config, precision=precision)
    pixels = make_pixels(5, 100)
    together = encoder(pixels, with_attention=True)
    for first, last in ((0, 1), (4, 5), (1, 4)):
        apart = encoder(pixels[first:last], with_attention=True)
        for part, expected in zip(apart, together, strict=True):
            np.testing.assert_array_equal(part, expected[first:last])


@PRECISION
def test_many_callers_share_one_encoder(precision):
    config = configure(64)
    encoder = NativeEncoder(ImageEncoder(config).weights(), config, threads=1, precision=precision)
    batches = [make_pixels(2, 64, seed) for seed in range(8)]
    expected = [encoder(batch)[0] for batch in batches]
    with ThreadPoolExecutor(4) as callers:
        for result, same in zip(callers.map(encoder, batches * 3), expected * 3, strict=True):
            np.testing.assert_array_equal(result[0], same)


def test_weights_may_be_of_any_float_type_and_no_pixels_give_no_features():
    config = configure(64)
    halves = {name: value.astype(np.float16) for name, value in ImageEncoder(config).weights().items()}
    singles = {name: value.astype(np.float32) for name, value in halves.items()}
    pixels = make_pixels(1, 64)
    np.testing.assert_array_equal(
        NativeEncoder(halves, config)(pixels)[0], NativeEncoder(singles, config)(pixels)[0]
    )
    assert NativeEncoder(halves, config)(pixels[:0])[0].shape == (0, 4, 64)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros((1, 3, 65, 65), np.float32), r"size from 33 to 64, got \(1, 3, 65, 65\)"),
        (np.zeros((1, 3, 64, 60), np.float32), r"pixels must be \(images, 3, size, size\)"),
        (np.zeros((1, 64, 64, 3), np.float32), r"got \(1, 64, 64, 3\)"),
        (np.zeros((3, 64, 64), np.float32), r"got \(3, 64, 64\)"),
        (np.zeros((1, 3, 64, 64)), "pixels must be float32, got float64"),
    ],
)
def test_pixels_that_do_not_fit_are_refused(pixels, message):
    config = configure(64)
    with pytest.raises(ValueError, match=message):
        NativeEncoder(ImageEncoder(config).weights(), config)(pixels)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("cnn.layers.3.expand.bias", None, "weights lack cnn.layers.3.expand.bias"),
        ("cnn.layers.0.weight", np.zeros((32, 3, 5, 5)), r"cnn.layers.0.weight must be \(32, 3, 3, 3\), got"),
        ("encoder.rows", np.zeros((3, 64)), r"encoder.rows must be \(2, 64\), got \(3, 64\)"),
    ],
)
def test_weights_that_do_not_fit_are_refused(name, value, message):
    config = configure(64)
    with pytest.raises(ValueError, match=message):
        NativeEncoder(poison(ImageEncoder(config).weights(), **{name: value}), config)


def test_settings_out_of_range_are_refused():
    config = configure(64)
    weights = ImageEncoder(config).weights()
    for arguments in ({"threads": 0}, {"threads": -2}):
        with pytest.raises(ValueError, match="threads must be at least 1"):
            NativeEncoder(weights, config, **arguments)
    with pytest.raises(ValueError, match="tuned_blocks must be from 0 to 20 for lite2, got 21"):
        NativeEncoder(weights, configure(64, tuned_blocks=21))


def test_precision_that_is_not_to_be_had_is_refused(monkeypatch):
    with pytest.raises(ValueError, match="precision must be one of float32, bfloat16, int16, got 'float16'"):
        NativeEncoder({}, configure(64), precision="float16")
    monkeypatch.setattr("pycap.ops.encode.supports_bfloat16", lambda: False)
    with pytest.raises(ValueError, match=r"precision bfloat16 needs a CPU with AMX .* take float32"):
        NativeEncoder({}, configure(64), precision="bfloat16")


def test_integers_cannot_say_that_a_weight_is_not_finite():
    config = configure(64)
    weights = ImageEncoder(config).weights()
    name = next(name for name in weights if name.endswith("project.weight"))
    for value in (np.nan, np.inf):
        bad = weights[name].copy()
        bad.flat[5] = value
        with pytest.raises(ValueError, match="weights must be finite to be stored as int16"):
            NativeEncoder(poison(weights, **{name: bad}), config, precision="int16")


def test_missing_module_says_how_to_build_it(monkeypatch):
    monkeypatch.setattr(library, "cpu", None)
    with pytest.raises(RuntimeError, match=r"pycap\._cpu is missing"):
        NativeEncoder({}, configure(64))


SCRIPT = """
import sys
import numpy as np
from pycap.ops import library
from pycap.ops.encode import NativeEncoder, supports_bfloat16
from random_encoder import ImageEncoder, make_pixels
from test_encode import configure
config = configure(100, feature_dim=54, encoder_heads=3, tuned_blocks=6, window=0.9)
weights = ImageEncoder(config).weights()
encoder, integers = (NativeEncoder(weights, config, precision=name) for name in ("float32", "int16"))
first, second = (encoder(make_pixels(1, 100), True, threads) for threads in (1, 2))
np.savez(
    sys.argv[1],
    isa=library.describe()["isa"],
    features=first[0],
    attention=first[1],
    threaded=second[0],
    integers=integers(make_pixels(1, 100))[0],
)
"""


@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set_finds_the_same_features(isa, tmp_path):
    run_forced(isa, SCRIPT, str(tmp_path / "found.npz"))
    found = np.load(tmp_path / "found.npz")
    config = configure(100, feature_dim=54, encoder_heads=3, tuned_blocks=6, window=0.9)
    weights = ImageEncoder(config).weights()
    features, attention = NativeEncoder(weights, config)(make_pixels(1, 100), True)
    integers, _ = NativeEncoder(weights, config, precision="int16")(make_pixels(1, 100))
    assert found["isa"] == isa
    np.testing.assert_array_equal(found["features"], found["threaded"])
    np.testing.assert_allclose(found["features"], features, rtol=0, atol=BOUND)
    np.testing.assert_allclose(found["attention"], attention, rtol=0, atol=MAP_BOUND)
    np.testing.assert_allclose(found["integers"], integers, rtol=0, atol=INTEGER_BOUND)
