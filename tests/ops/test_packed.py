"""The packed decoder speaks numpy: the same sentences as with tensors, the same errors, and no torch."""

from __future__ import annotations

import numpy as np
import pytest
from random_decoder import as_arrays, make_features, make_weights
from tiny import run_python

from pycap.ops import library
from pycap.ops.beam import BeamDecoder
from pycap.ops.decoder_step import DecoderWeights
from pycap.ops.packed import PackedDecoder

pytestmark = pytest.mark.skipif(not library.native_available(), reason=library.missing_reason())


def pack(weights: DecoderWeights) -> PackedDecoder:
    return PackedDecoder(as_arrays(weights))


@pytest.mark.parametrize(
    ("strategy", "settings"),
    [("search", {"beam": 4, "n_best": 3, "length_penalty": 0.5}), ("sample", {"samples": 3, "seed": 5})],
)
def test_arrays_and_tensors_give_the_same_to_the_bit(strategy, settings):
    weights, features = make_weights(), make_features(6)
    tensors = getattr(BeamDecoder(weights), strategy)(features, **settings)
    for threads in (1, 2, None):
        arrays = getattr(pack(weights), strategy)(features.numpy(), **settings, threads=threads)
        for name, array in arrays._asdict().items():
            np.testing.assert_array_equal(array, getattr(tensors, name).numpy(), err_msg=name)


@pytest.mark.parametrize(
    ("strategy", "settings", "message"),
    [
        ("search", {"beam": 0}, "beam must be at least 1, got 0"),
        ("search", {"n_best": 6}, "n_best must be from 1 to beam=5, got 6"),
        ("search", {"length_penalty": -1.0}, "length_penalty must be finite and at least 0, got -1"),
        ("search", {"banned": (2,)}, "banned must not hold end=2"),
        ("sample", {"samples": 0}, "samples must be at least 1, got 0"),
        ("sample", {"temperature": 0.0}, "temperature must be finite and above 0"),
    ],
)
def test_wrong_settings_are_refused(strategy, settings, message):
    decoder, features = pack(make_weights()), make_features(1).numpy()
    with pytest.raises(ValueError, match=message):
        getattr(decoder, strategy)(features, **settings)


def test_weights_that_are_nan_are_reported():
    weights = make_weights()
    weights.output_bias.fill_(float("nan"))
    with pytest.raises(ValueError, match="log-probabilities must be finite"):
        pack(weights).search(make_features(1).numpy())


def test_the_packed_decoder_imports_no_torch():
    done = run_python("import sys, pycap.ops.packed; sys.exit('torch' in sys.modules)")
    assert done.returncode == 0, done.stderr
