"""Both engines see the same in a picture and say the same about it, with the shipped weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib import cbook
from tiny import draw_picture

from pycap.captioner import Captioner
from pycap.engines import PRECISIONS
from pycap.ops import library

pytestmark = pytest.mark.skipif(not library.native_available(), reason=library.missing_reason())

PHOTOS = ("grace_hopper.jpg", "Minduka_Present_Blue_Pack.png", "logo2.png")
# Largest difference between the engines, both in float32 and each in an order of its own; observed in brackets.
FEATURES = 5e-4  # values up to 4.4 (4e-5)
POOLED = 5e-4  # values up to 6 (0)
SCORE = 1e-4  # (1e-5)
ATTENTION = 2e-5  # rows sum to 1 (2e-6)
REDUCED = 0.4  # of a score, in reduced precision and on pictures unlike the training set's (0.2)


@pytest.fixture(scope="module")
def pictures() -> list:
    photos = [Path(cbook.get_sample_data(name, asfileobj=False)) for name in PHOTOS]
    return photos + [draw_picture(seed, (300, 200 + 40 * seed)) for seed in range(4)]


@pytest.fixture(scope="module")
def captioners() -> tuple[Captioner, Captioner]:
    return Captioner.load(backend="native", precision="full"), Captioner.load(backend="reference")


def test_engines_agree_on_every_picture(captioners, pictures):
    native, reference = (captioner(pictures, beam=5, n_best=3) for captioner in captioners)
    assert len({caption.text for caption in native}) > 3, "pictures must matter, or this test shows nothing"
    for found, expected in zip(native, reference, strict=True):
        assert [text for text, _ in found.n_best] == [text for text, _ in expected.n_best]
        assert found.words == expected.words
        scores = [[score for _, score in caption.n_best] for caption in (found, expected)]
        np.testing.assert_allclose(*scores, atol=SCORE, rtol=0)
        np.testing.assert_allclose(found.attention, expected.attention, atol=ATTENTION, rtol=0)
        np.testing.assert_allclose(
            found.encoder_attention, expected.encoder_attention, atol=ATTENTION, rtol=0
        )


def test_engines_agree_on_features(captioners, pictures):
    native, reference = (next(captioner.encode_each(pictures)) for captioner in captioners)
    assert np.abs(native.features).max() > 1
    np.testing.assert_allclose(native.features, reference.features.numpy(), atol=FEATURES, rtol=0)
    np.testing.assert_allclose(native.pooled, reference.pooled, atol=POOLED, rtol=0)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("threads", [1, 2])
def test_native_captions_do_not_depend_on_threads_and_batches(pictures, threads, precision):
    expected = Captioner.load(precision=precision)(pictures)
    before = library.describe()["threads"]
    try:
        for batch_size in (1, 3):
            captioner = Captioner.load(threads=threads, precision=precision)
            for found, wanted in zip(captioner(pictures, batch_size=batch_size), expected, strict=True):
                assert (found.text, found.score) == (wanted.text, wanted.score)
                np.testing.assert_array_equal(found.attention, wanted.attention)
                np.testing.assert_array_equal(found.encoder_attention, wanted.encoder_attention)
    finally:
        library.set_threads(before)


def test_reduced_precision_is_near_full(captioners, pictures):
    full, reduced = captioners[0](pictures), Captioner.load(precision="reduced")(pictures)
    differences = [abs(one.score - other.score) for one, other in zip(full, reduced, strict=True)]
    assert 0 < max(differences) < REDUCED
    assert sum(one.text == other.text for one, other in zip(full, reduced, strict=True)) >= len(pictures) - 2
