"""Native sampling against the rules in float64, and its promises about threads, noise and instruction sets."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from instruction_sets import ISAS, run_forced
from random_decoder import as_arrays, make_features, make_weights
from sample_oracle import BANNED, gumbel, margins, noise_bits

from pycap.config import END, PAD, START
from pycap.ops import library
from pycap.ops.beam import BeamDecoder
from pycap.ops.decoding import SampleResult
from pycap.ops.sample import gumbel_noise

pytestmark = pytest.mark.skipif(not library.native_available(), reason=library.missing_reason())

BOUND = 2e-5  # of a noisy logit in float32 against float64; observed 1e-5
NOISE_BOUND = 3e-7  # of the noise; observed 2e-7, besides its own rounding


@pytest.mark.parametrize(
    ("sizes", "temperature", "seed"),
    [({"vocab_size": 40}, 1.0, 0), ({"vocab_size": 131}, 0.7, 2**40 + 5), ({"vocab_size": 300}, 2.0, 77)],
)
def test_native_draws_by_the_rules_in_float64(sizes, temperature, seed):
    weights, features = make_weights(**sizes), make_features(5)
    weights.output_vocab_bias[END] += 2.0
    result = BeamDecoder(weights).sample(
        features, samples=3, max_length=7, seed=seed, temperature=temperature
    )
    leads = margins(weights, features, result, seed, temperature)
    assert len(leads) > 50
    assert min(leads) > -BOUND  # only what is equal up to rounding may differ
    assert sum(lead < 0 for lead in leads) <= 1


@pytest.mark.parametrize("regions", [1, 49, 120])
@pytest.mark.parametrize("seed", range(3))
def test_native_draws_what_the_reference_draws(seed, regions):
    weights, features = make_weights(vocab_size=200 + seed, seed=seed), make_features(9, regions=regions)
    weights.output_vocab_bias[END] += 3.0
    decoder = BeamDecoder(weights)
    native = decoder.sample(features, seed=seed, samples=7)
    with library.use("reference"):
        reference = decoder.sample(features, seed=seed, samples=7)
    same = (native.tokens == reference.tokens).all(dim=2)
    if not same.all():  # provable near-ties alone excuse a difference
        assert min(map(abs, margins(weights, features, native, seed))) < BOUND
    assert same.float().mean() > 0.97
    assert torch.equal(native.lengths[same], reference.lengths[same])
    assert torch.equal(native.ended[same], reference.ended[same])
    torch.testing.assert_close(native.log_probs[same], reference.log_probs[same], atol=1e-4, rtol=0)


def test_ties_go_to_the_lower_token():
    weights = make_weights(vocab_size=700, seed=13)
    weights = weights._replace(
        output=torch.zeros_like(weights.output), output_vocab_bias=torch.zeros(700)
    )  # all logits are equal, and at this temperature noise is too small to be seen beside 64
    weights.output_vocab_bias[:] = 64.0
    for backend in library.BACKENDS:
        with library.use(backend):
            result = BeamDecoder(weights).sample(
                make_features(2), max_length=3, temperature=1e-9, banned=(*BANNED, 4, 5)
            )
        assert (result.tokens[:, :, 0] == 6).all()
        assert (result.lengths == 1).all()  # END is a lower token than any word


@pytest.mark.parametrize("images", [1, 3, 7])
def test_results_are_identical_for_every_thread_count(images):
    weights = make_weights(vocab_size=500, seed=14, hidden_dim=100)
    weights.output_vocab_bias[END] += 4.0
    features = make_features(images, regions=20)
    before = library.describe()["threads"]
    try:
        results = []
        for threads in (1, 2, 3, 8):
            library.set_threads(threads)
            results.append(BeamDecoder(weights).sample(features, seed=3))
    finally:
        library.set_threads(before)
    results.append(BeamDecoder(weights, threads=1).sample(features, seed=3))
    for result in results[1:]:
        for part, expected in zip(result, results[0], strict=True):
            assert torch.equal(part, expected)


def test_results_are_identical_for_every_batch():
    decoder, features = BeamDecoder(make_weights(seed=15)), make_features(50)
    together = decoder.sample(features, seed=6)
    for count in (1, 2, 19, 49):
        for part, expected in zip(decoder.sample(features[:count], seed=6), together, strict=True):
            assert torch.equal(part, expected[:count])


def test_the_noise_is_that_of_the_rules():
    seed, images, samples = 2**63 + 12345, torch.tensor([0, 7, 40000]), torch.tensor([0, 4, 1])
    noise = gumbel_noise(seed, images, samples, 3, 50, torch.float64)
    for row, (image, sample) in enumerate(zip(images.tolist(), samples.tolist(), strict=True)):
        bits = torch.tensor([noise_bits(seed, image, sample, 3, word) for word in range(50)])
        assert torch.equal(noise[row], gumbel(bits))


def worst_noise() -> float:
    """Largest error of the native noise that its rounding to float32 does not explain."""
    edges = np.array([0, 1, 2, 3, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1, *(2**k for k in range(32))])
    near_one = np.linspace(0.28, 0.31, 10**5) * 2**32  # where the logarithm's reduction changes
    near_e = np.linspace(0.62, 0.65, 10**5) * 2**32  # where the noise is near 0
    random = np.random.default_rng(0).integers(2**32, size=10**6)
    small = np.random.default_rng(1).integers(2**12, size=10**4)
    bits = np.concatenate([edges, near_one, near_e, random, small, 2**32 - 1 - small]).astype(np.uint32)
    noise = np.full(len(bits), np.nan, np.float32)
    library.cpu.gumbel_noise(bits=bits, noise=noise)
    exact = gumbel(torch.from_numpy(bits.astype(np.int64))).numpy()
    return float((np.abs(noise - exact) - np.spacing(np.abs(noise)) / 2).max())


def test_the_native_noise_is_accurate():
    assert 0 < worst_noise() < NOISE_BOUND


def plain_call(poison: int = 0) -> dict:
    barred = np.zeros(40, np.uint8)
    barred[list(BANNED)] = 1
    return {
        "tokens": np.full((3, 2, 6), poison, np.int64),
        "lengths": np.full((3, 2), poison, np.int64),
        "log_probs": np.full((3, 2), poison, np.float32),
        "ended": np.full((3, 2), poison, np.bool_),
        "features": make_features(3).numpy(),
        "barred": barred,
        **{"seed": 1, "temperature": 1.0, "start": START, "end": END, "pad": PAD, "threads": 0},
    }


def test_every_output_is_written():
    decoder, calls = library.cpu.Decoder(**as_arrays(make_weights(seed=16))), [plain_call(0), plain_call(77)]
    for call in calls:
        assert decoder.sample(**call)
    for name in SampleResult._fields:
        np.testing.assert_array_equal(calls[0][name], calls[1][name])


@pytest.mark.parametrize(
    "wrong", [{"temperature": 0.0}, {"temperature": float("nan")}, {"start": 40}, {"end": -1}]
)
def test_the_module_checks_its_own_settings(wrong):
    decoder = library.cpu.Decoder(**as_arrays(make_weights()))
    with pytest.raises(ValueError, match="samples, max_length, temperature, start or end is out of range"):
        decoder.sample(**{**plain_call(), **wrong})


SCRIPT = """
import json, sys
from pycap.ops import library
from pycap.ops.beam import BeamDecoder
from random_decoder import make_features, make_weights
from test_sample_native import worst_noise
results = []
for threads in (1, 3):
    library.set_threads(threads)
    results.append(BeamDecoder(make_weights(seed=17, vocab_size=150)).sample(make_features(4), seed=8, max_length=8))
first, second = (result.log_probs.tolist() for result in results)
json.dump([library.describe()["isa"], results[0].tokens.tolist(), first, second, worst_noise()], sys.stdout)
"""


@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set_draws_the_same_sentences(isa):
    weights, features = make_weights(seed=17, vocab_size=150), make_features(4)
    here = BeamDecoder(weights).sample(features, seed=8, max_length=8)
    assert min(margins(weights, features, here, 8)) > 2 * BOUND
    name, tokens, log_probs, threaded, error = json.loads(run_forced(isa, SCRIPT))
    assert name == isa
    assert tokens == here.tokens.tolist()
    assert log_probs == threaded
    assert 0 < error < NOISE_BOUND
    torch.testing.assert_close(torch.tensor(log_probs), here.log_probs, atol=1e-4, rtol=0)
