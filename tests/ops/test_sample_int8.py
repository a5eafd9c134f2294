"""Sampling with 8-bit weights: nearly the rules in float64, and the same promises as in float32."""

from __future__ import annotations

import pytest
import torch
from random_decoder import make_features, make_weights
from sample_oracle import drawn_words, force, margins

from pycap.config import END
from pycap.ops import library
from pycap.ops.beam import BeamDecoder

pytestmark = pytest.mark.skipif(not library.native_available(), reason=library.missing_reason())

LEAD = 0.1  # of a noisy logit against float64; observed 0.067
TOTAL = 0.35  # of the log-probability of at most 8 words; observed 0.21
WIDE = {"embed_dim": 128, "hidden_dim": 192, "attention_dim": 96, "feature_dim": 64}


@pytest.mark.parametrize("regions", [9, 81])  # contexts folded once a picture, or multiplied each step
@pytest.mark.parametrize("temperature", [0.7, 1.0])
def test_draws_are_nearly_those_of_the_rules_in_float64(regions, temperature):
    weights, features = make_weights(vocab_size=300, seed=1, **WIDE), make_features(5, regions, 64)
    weights.output_vocab_bias[END] += 2.0
    decoder = BeamDecoder(weights, precision="int8")
    result = decoder.sample(features, samples=3, max_length=7, seed=9, temperature=temperature)
    leads = margins(weights, features, result, 9, temperature)
    assert len(leads) > 50
    assert min(leads) > -LEAD
    for image in range(5):
        for sample in range(3):
            words = drawn_words(result, image, sample)
            rows = force(weights, features[image], words, temperature)
            exact = sum(row[word].item() for row, word in zip(rows, words, strict=True))
            assert result.log_probs[image, sample].item() == pytest.approx(exact, abs=TOTAL)


def test_results_depend_on_neither_threads_nor_other_images():
    weights, features = make_weights(500, 64, 128, 64, 64, seed=14), make_features(21, 20, 64)
    weights.output_vocab_bias[END] += 3.0
    results = [
        BeamDecoder(weights, threads=threads, precision="int8").sample(features, seed=3)
        for threads in (1, 2, 3)
    ]
    for result in results[1:]:
        for part, expected in zip(result, results[0], strict=True):
            assert torch.equal(part, expected)
    decoder = BeamDecoder(weights, precision="int8")
    for count in (1, 2, 17):
        for part, expected in zip(decoder.sample(features[:count], seed=3), results[0], strict=True):
            assert torch.equal(part, expected[:count])
