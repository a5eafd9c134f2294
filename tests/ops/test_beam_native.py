"""The native search against the rules in float64, and its promises about threads, batches and instruction sets."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from beam_oracle import Verdict, search_by_the_rules
from hypothesis import given, settings
from hypothesis import strategies as st
from instruction_sets import ISAS, run_forced
from random_decoder import as_arrays, make_features, make_weights

from pycap.config import END, PAD, START, UNKNOWN
from pycap.ops import library
from pycap.ops.beam import BeamDecoder
from pycap.ops.decoder_step import DecoderWeights, initial_state, step

pytestmark = pytest.mark.skipif(not library.native_available(), reason=library.missing_reason())

BOUND = 1e-5  # of a log-probability in float32 against float64; observed 3e-6
MARGIN = 2 * BOUND  # decisions of this clarity must be the same
DEFAULTS = {"beam": 5, "n_best": 1, "max_length": 20, "length_penalty": 0.7, "banned": (PAD, START, UNKNOWN)}


def judge(weights: DecoderWeights, features: torch.Tensor, **search) -> Verdict:
    """Search one image in float64 by the rules."""
    exact = weights.to(torch.float64)
    with library.use("reference"):
        state = initial_state(exact, features.double()[None])
        return search_by_the_rules(
            state, lambda *at: step(exact, *at), start=START, end=END, **{**DEFAULTS, **search}
        )


def check_against_rules(weights: DecoderWeights, features: torch.Tensor, **search) -> int:
    """Demand the oracle's sentences wherever its margin allows; return how many images were decided."""
    result, decided = BeamDecoder(weights).search(features, **search), 0
    for image, regions in enumerate(features):
        verdict = judge(weights, regions, **search)
        if verdict.margin < MARGIN:
            continue
        decided += 1
        for n, sentence in enumerate(verdict.sentences):
            length = result.lengths[image, n]
            assert tuple(result.tokens[image, n, :length].tolist()) == sentence.words
            assert result.scores[image, n].item() == pytest.approx(sentence.score, abs=BOUND)
        assert (result.lengths[image] > 0).sum() == len(verdict.sentences)
    return decided


@pytest.mark.parametrize("beam", [1, 2, 5, 10])
@pytest.mark.parametrize("seed", range(4))
def test_native_follows_the_rules_in_float64(beam, seed):
    sizes = {"vocab_size": 60 + 45 * seed, "embed_dim": 24 + 8 * seed, "hidden_dim": 33 + 16 * seed}
    decided = check_against_rules(
        make_weights(seed=seed, **sizes), make_features(8, seed=seed), beam=beam, n_best=beam
    )
    assert decided >= 6  # of 8: the margin must not excuse everything


@pytest.mark.parametrize("regions", [1, 49, 81, 120])
def test_folded_and_multiplied_contexts_follow_the_rules(regions):
    weights, features = make_weights(seed=regions), make_features(4, regions=regions)
    assert check_against_rules(weights, features, n_best=3) >= 3
    assert check_against_rules(weights, features, beam=1) >= 3


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    vocab_size=st.integers(5, 300),
    embed_dim=st.integers(1, 70),
    hidden_dim=st.integers(1, 70),
    attention_dim=st.integers(1, 70),
    feature_dim=st.integers(1, 70),
    regions=st.integers(1, 40),
    images=st.integers(1, 5),
    beam=st.integers(1, 7),
    n_best=st.integers(1, 7),
    max_length=st.integers(1, 7),
    length_penalty=st.sampled_from([0.0, 0.7, 1.3]),
    seed=st.integers(0, 99),
)
def test_native_follows_the_rules_on_any_shape(
    vocab_size, embed_dim, hidden_dim, attention_dim, feature_dim, regions, images, beam, n_best, max_length,
    length_penalty, seed,
):  # fmt: skip
    weights = make_weights(vocab_size, embed_dim, hidden_dim, attention_dim, feature_dim, seed=seed)
    features = make_features(images, regions, feature_dim, seed=seed)
    search = {
        "beam": beam,
        "n_best": min(n_best, beam),
        "max_length": max_length,
        "length_penalty": length_penalty,
    }
    check_against_rules(weights, features, **search)


def test_native_is_as_accurate_as_pytorch_in_float32():
    worst = {"native": 0.0, "reference": 0.0}
    for seed in range(5):
        weights, features = (
            make_weights(seed=seed, hidden_dim=128, embed_dim=128),
            make_features(6, seed=seed),
        )
        for backend in worst:
            with library.use(backend):
                result = BeamDecoder(weights).search(features)
            for image, regions in enumerate(features):
                words = tuple(result.tokens[image, 0, : result.lengths[image, 0]].tolist())
                verdict = judge(weights, regions)
                if verdict.sentences[0].words == words:
                    error = abs(result.log_probs[image, 0].item() - verdict.sentences[0].log_prob)
                    worst[backend] = max(worst[backend], error)
    assert 0 < worst["native"] <= 2 * worst["reference"]


def test_ties_go_to_the_lower_token():
    weights = make_weights(vocab_size=40, seed=13)
    twin = torch.arange(40)
    twin[5::2] -= 1  # from 4 on, odd words are copies of the even word before
    weights = weights._replace(
        embedding=weights.embedding[twin],
        output=weights.output[twin],
        output_vocab_bias=weights.output_vocab_bias[twin],
    )
    features = make_features(6)
    for beam in (1, 4, 9):
        result = BeamDecoder(weights).search(features, beam=beam)
        assert (result.tokens % 2 == 0).all()
    several = BeamDecoder(weights).search(features, beam=8, n_best=4)
    tied = 0
    for image in range(6):
        for n in range(3):
            if several.scores[image, n] == several.scores[image, n + 1]:
                tied += 1
                first, second = several.tokens[image, n].tolist(), several.tokens[image, n + 1].tolist()
                assert first < second
    assert tied > 0


@pytest.mark.parametrize("images", [1, 3, 7])
def test_results_are_identical_for_every_thread_count(images):
    weights, features = (
        make_weights(vocab_size=500, seed=14, hidden_dim=100),
        make_features(images, regions=20),
    )
    before = library.describe()["threads"]
    try:
        results = []
        for threads in (1, 2, 3, 8):
            library.set_threads(threads)
            results.append(BeamDecoder(weights).search(features, n_best=3))
    finally:
        library.set_threads(before)
    results.append(BeamDecoder(weights, threads=1).search(features, n_best=3))
    for result in results[1:]:
        for part, expected in zip(result, results[0], strict=True):
            assert torch.equal(part, expected)


def test_results_do_not_depend_on_the_other_images():
    decoder, features = BeamDecoder(make_weights(seed=15)), make_features(50)
    together = decoder.search(features, n_best=2)
    for first, last in ((0, 1), (49, 50), (10, 13), (20, 45)):
        apart = decoder.search(features[first:last], n_best=2)
        for part, expected in zip(apart, together, strict=True):
            assert torch.equal(part, expected[first:last])


def test_every_output_is_written():
    decoder, features = library.cpu.Decoder(**as_arrays(make_weights(seed=16))), make_features(3).numpy()
    results = []
    for poison in (0, 77):
        output = {
            "tokens": np.full((3, 2, 6), poison, np.int64),
            "lengths": np.full((3, 2), poison, np.int64),
            "scores": np.full((3, 2), poison, np.float32),
            "log_probs": np.full((3, 2), poison, np.float32),
            "attention": np.full((3, 2, 6, 9), poison, np.float32),
        }
        assert decoder.search(features=features, **output, **plain_settings())
        results.append(output)
    for name, values in results[0].items():
        np.testing.assert_array_equal(values, results[1][name])


def plain_settings() -> dict:
    barred = np.zeros(40, np.uint8)
    barred[:4] = 1
    settings = {"beam": 3, "length_penalty": 0.7, "start": START, "end": END, "pad": PAD, "threads": 0}
    return {"barred": barred, **settings}


@pytest.mark.parametrize(
    ("name", "wrong", "message"),
    [
        ("key", np.zeros((20, 27), np.float32), r"context must be \(4 \* hidden_dim=132, feature_dim=27\)"),
        (
            "output",
            np.zeros((41, 24), np.float32),
            r"output must be \(vocab_size=40, embed_dim=24\), got \(41, 24\)",
        ),
        ("output", np.zeros((40, 24)), "output must be float32, got float64"),
        ("output", np.zeros((24, 40), np.float32).T, "output must be contiguous"),
    ],
)
def test_weights_that_do_not_fit_are_refused(name, wrong, message):
    arrays = {**as_arrays(make_weights()), name: wrong}
    with pytest.raises(ValueError, match=message):
        library.cpu.Decoder(**arrays)


@pytest.mark.parametrize("wrong", [{"beam": 0}, {"start": 40}, {"end": -1}, {"length_penalty": -1.0}])
def test_the_module_checks_its_own_settings(wrong):
    decoder = library.cpu.Decoder(**as_arrays(make_weights()))
    output = {
        "tokens": np.zeros((1, 1, 6), np.int64),
        "lengths": np.zeros((1, 1), np.int64),
        "scores": np.zeros((1, 1), np.float32),
        "log_probs": np.zeros((1, 1), np.float32),
        "attention": np.zeros((1, 1, 6, 9), np.float32),
    }
    with pytest.raises(ValueError, match="is out of range"):
        decoder.search(features=make_features(1).numpy(), **output, **{**plain_settings(), **wrong})


SCRIPT = """
import json, sys
from pycap.ops import library
from pycap.ops.beam import BeamDecoder
from random_decoder import make_features, make_weights
results = []
for threads in (1, 3):
    library.set_threads(threads)
    results.append(BeamDecoder(make_weights(seed=17, vocab_size=150)).search(make_features(6), n_best=2))
first, second = results
json.dump([library.describe()["isa"], first.tokens.tolist(), first.scores.tolist(), second.scores.tolist()], sys.stdout)
"""


@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set_gives_the_same_sentences(isa):
    weights, features = make_weights(seed=17, vocab_size=150), make_features(6)
    assert min(judge(weights, regions, n_best=2).margin for regions in features) > MARGIN
    here = BeamDecoder(weights).search(features, n_best=2)
    name, tokens, scores, threaded = json.loads(run_forced(isa, SCRIPT))
    assert name == isa
    assert tokens == here.tokens.tolist()
    assert scores == threaded
    torch.testing.assert_close(torch.tensor(scores), here.scores, atol=2e-5, rtol=0)
