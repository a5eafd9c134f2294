"""What sampling must do on any backend: the native one where it is built, and the reference."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from random_decoder import BUSY_BOUND, make_features, make_weights
from sample_oracle import BANNED, drawn_words, force

from pycap.config import END, PAD
from pycap.ops import library
from pycap.ops.beam import BeamDecoder
from pycap.ops.decoder_step import DecoderWeights
from pycap.ops.decoding import SampleResult

FORCING_BOUND = 2e-5  # of a log-probability, float32 against teacher forcing in float64; observed 3e-6


@pytest.fixture(params=["native", "reference"], autouse=True)
def backend(request: pytest.FixtureRequest):
    if request.param == "native" and not library.native_available():
        pytest.skip(library.missing_reason())
    with library.use(request.param):
        yield request.param


def bias_end(weights: DecoderWeights, value: float) -> DecoderWeights:
    bias = weights.output_vocab_bias.index_fill(0, torch.tensor(END), value)
    return weights._replace(output_vocab_bias=bias)


def ending_weights(**sizes) -> DecoderWeights:
    """Weights whose captions end now and then."""
    weights = make_weights(**sizes)
    weights.output_vocab_bias[END] += 3.0
    return weights


def chi_square_limit(freedom: int) -> float:
    """What chi-square exceeds once in a thousand (Wilson and Hilferty 1931)."""
    return freedom * (1 - 2 / (9 * freedom) + 3.09 * (2 / (9 * freedom)) ** 0.5) ** 3


@pytest.mark.parametrize("temperature", [1.0, 1.7])
def test_sentences_come_as_often_as_enumeration_says(temperature):
    weights, features, length = ending_weights(vocab_size=7, seed=1), make_features(1), 3
    weights = weights._replace(output=0.3 * weights.output)  # no sentence takes it all
    expected = {}
    for count in range(1, length + 1):
        for words in itertools.product([4, 5, 6], repeat=count):
            sentence = [*words, END] if count < length else list(words)
            rows = force(weights, features[0], sentence, temperature)
            log_prob = sum(row[word].item() for row, word in zip(rows, sentence, strict=True))
            expected[tuple(sentence)] = torch.tensor(log_prob).exp().item()
    assert sum(expected.values()) == pytest.approx(1, abs=1e-6)
    decoder, seen, seeds, samples = BeamDecoder(weights), dict.fromkeys(expected, 0), 40, 250
    for seed in range(seeds):
        result = decoder.sample(
            features, samples=samples, max_length=length, seed=seed, temperature=temperature
        )
        for sample in range(samples):
            seen[tuple(drawn_words(result, 0, sample))] += 1
    total = seeds * samples
    likely = [words for words, share in expected.items() if share * total >= 5]
    cells = [(seen[words], expected[words] * total) for words in likely]
    cells.append((total - sum(count for count, _ in cells), total - sum(share for _, share in cells)))
    chi_square = sum((count - share) ** 2 / share for count, share in cells if share > 0)
    assert len(cells) > 30
    assert chi_square < chi_square_limit(len(cells) - 1)


def test_sentences_are_independent_across_seeds_images_samples_and_steps():
    weights, count = make_weights(vocab_size=6, seed=2), 3000  # two words to draw, 4 and 5
    weights = bias_end(weights._replace(output=torch.zeros_like(weights.output)), -30.0)
    weights = weights._replace(
        output_vocab_bias=weights.output_vocab_bias.index_fill(0, torch.tensor(5), 0.0)
    )
    weights.output_vocab_bias[4] = 0.0
    features = make_features(1).expand(2, -1, -1)
    draws = [
        BeamDecoder(weights).sample(features, samples=count, max_length=2, seed=seed).tokens == 4
        for seed in (0, 1, 2**32)
    ]  # of each seed (images, samples, words)
    first = draws[0][0, :, 0]
    others = {
        "step": draws[0][0, :, 1],
        "sample": first.roll(1),
        "image": draws[0][1, :, 0],
        "seed": draws[1][0, :, 0],
        "high bits of the seed": draws[2][0, :, 0],
    }
    for name, other in others.items():
        agree = (first == other).float().mean().item()
        assert abs(agree - 0.5) < 3.3 * 0.5 * count**-0.5, name


@pytest.mark.parametrize(("temperature", "banned"), [(1.0, BANNED), (0.6, (*BANNED, 9, 17)), (2.5, ())])
def test_log_probs_are_those_of_teacher_forcing(temperature, banned):
    weights, features = ending_weights(seed=2), make_features(4)
    result = BeamDecoder(weights).sample(
        features, samples=3, max_length=9, temperature=temperature, banned=banned
    )
    assert result.ended.any()
    assert not result.ended.all()
    for image, sample in itertools.product(range(4), range(3)):
        words = drawn_words(result, image, sample)
        rows = force(weights, features[image], words, temperature, banned)
        expected = sum(row[word].item() for row, word in zip(rows, words, strict=True))
        assert result.log_probs[image, sample].item() == pytest.approx(expected, abs=FORCING_BOUND)


@pytest.mark.parametrize("temperature", [1e-5, 1e-300])
def test_low_temperature_is_greedy(temperature):
    weights, features = ending_weights(seed=3), make_features(6)
    decoder = BeamDecoder(weights)
    greedy = decoder.search(features, beam=1, max_length=8)
    result = decoder.sample(features, samples=2, max_length=8, temperature=temperature)
    for sample in range(2):
        assert torch.equal(result.tokens[:, sample], greedy.tokens[:, 0])
    torch.testing.assert_close(result.log_probs, torch.zeros(6, 2), atol=1e-6, rtol=0)


def test_high_temperature_draws_every_allowed_word_alike():
    result = BeamDecoder(make_weights(vocab_size=12, seed=4)).sample(
        make_features(1), samples=3000, max_length=1, temperature=1e300
    )
    counts = result.tokens.flatten().bincount(minlength=12)
    assert counts[:4].sum() == 0
    assert ((counts[4:] - 375) ** 2 / 375).sum().item() < chi_square_limit(7)
    torch.testing.assert_close(result.log_probs.exp(), torch.full((1, 3000), 1 / 8))


def test_banned_words_are_never_drawn():
    weights = make_weights(seed=9)
    banned = (*BANNED, 7, 23, 39)
    weights.output_vocab_bias[list(banned)] += 10.0
    result = BeamDecoder(weights).sample(make_features(6), samples=8, banned=banned)
    is_word = torch.arange(20) < result.lengths[:, :, None]
    assert not set(result.tokens[is_word].tolist()) & {*banned, END}
    assert (result.tokens[~is_word] == PAD).all()


def test_the_first_word_is_never_end():
    result = BeamDecoder(bias_end(make_weights(seed=8), 30.0)).sample(make_features(3))
    assert (result.lengths == 1).all()
    assert result.ended.all()


@pytest.mark.parametrize("bias", [-30.0, 30.0])
def test_one_word_at_most_is_cut_after_one(bias):
    result = BeamDecoder(bias_end(make_weights(seed=8), bias)).sample(make_features(3), max_length=1)
    assert (result.lengths == 1).all()
    assert not result.ended.any()


def test_sentences_that_do_not_end_are_cut():
    decoder = BeamDecoder(bias_end(make_weights(seed=7), -30.0))
    features = make_features(3)
    short, long = (decoder.sample(features, max_length=length) for length in (4, 7))
    assert (long.lengths == 7).all()
    assert not long.ended.any()
    assert torch.equal(short.tokens, long.tokens[:, :, :4])
    assert (short.log_probs > long.log_probs).all()


def test_samples_differ_and_more_of_them_change_none():
    decoder, features = BeamDecoder(make_weights(seed=5)), make_features(3)
    few, many = (decoder.sample(features, samples=samples) for samples in (2, 120))
    for part, expected in zip(few, many, strict=True):
        torch.testing.assert_close(part, expected[:, :2])
    assert len({tuple(words) for words in many.tokens[0].tolist()}) == 120


def test_the_seed_decides():
    decoder, features = BeamDecoder(make_weights(seed=5)), make_features(3)
    first, again, other, last = (decoder.sample(features, seed=seed).tokens for seed in (1, 1, 2, 2**64 - 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first, last)


def test_results_do_not_depend_on_the_other_images():
    decoder, features = BeamDecoder(ending_weights(seed=15)), make_features(50)
    together = decoder.sample(features, seed=4)
    for count in (1, 7, 30):  # an image keeps its place in the batch
        apart = decoder.sample(features[:count], seed=4)
        for part, expected in zip(apart, together, strict=True):
            torch.testing.assert_close(part, expected[:count])


def test_concurrent_calls_do_not_disturb_each_other(backend):
    decoder, features = BeamDecoder(make_weights(seed=12)), make_features(8)

    def sample(count: int) -> SampleResult:
        with library.use(backend):
            return decoder.sample(features[:count])

    counts = [1, 8, 3, 5] * 4
    alone = {count: sample(count) for count in set(counts)}
    with ThreadPoolExecutor(4) as pool:
        for count, result in zip(counts, pool.map(sample, counts), strict=True):
            assert torch.equal(result.tokens, alone[count].tokens)
            assert (result.log_probs - alone[count].log_probs).abs().max() <= BUSY_BOUND[backend]


def test_no_images_give_an_empty_result():
    result = BeamDecoder(make_weights()).sample(make_features(0), samples=2, max_length=4)
    assert [part.shape for part in result] == [(0, 2, 4), (0, 2), (0, 2), (0, 2)]
    assert [part.dtype for part in result] == [torch.int64, torch.int64, torch.float32, torch.bool]


def test_strided_features_and_weights_that_train_are_accepted():
    weights = make_weights()
    weights = weights._replace(output=weights.output.clone().requires_grad_())
    features = make_features(3)
    strided = features.transpose(1, 2).contiguous().transpose(1, 2)
    plain, other = (BeamDecoder(weights).sample(each) for each in (features, strided))
    assert torch.equal(plain.tokens, other.tokens)
    assert not other.log_probs.requires_grad


@pytest.mark.parametrize(("dtype", "kept"), [(torch.float64, torch.float64), (torch.bfloat16, torch.float32)])
def test_other_precisions_draw_through_the_reference(dtype, kept):
    weights = make_weights(dtype=dtype)
    result = BeamDecoder(weights).sample(make_features(2).to(dtype))
    assert result.log_probs.dtype == kept
    assert (result.lengths > 0).all()


def test_values_that_are_not_finite_are_refused():
    decoder, features = BeamDecoder(make_weights()), make_features(3)
    features[1, 2, 3] = float("nan")
    with pytest.raises(ValueError, match="log-probabilities must be finite, got NaN"):
        decoder.sample(features)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"samples": 0}, "samples must be at least 1, got 0"),
        ({"max_length": 0}, "max_length must be at least 1, got 0"),
        ({"seed": -1}, r"seed must be from 0 to 2\*\*64 - 1, got -1"),
        ({"seed": 2**64}, r"seed must be from 0 to 2\*\*64 - 1, got 18446744073709551616"),
        ({"temperature": 0.0}, "temperature must be finite and above 0, got 0.0; .* search with beam=1"),
        ({"temperature": float("inf")}, "temperature must be finite and above 0, got inf"),
        ({"temperature": float("nan")}, "temperature must be finite and above 0, got nan"),
        ({"start": 40}, "start must be a token id below vocab_size=40, got 40"),
        ({"end": -1}, "end must be a token id below vocab_size=40, got -1"),
        ({"banned": (0, 99)}, "banned must be a token id below vocab_size=40, got 99"),
        ({"banned": (0, END)}, "banned must not hold end=2"),
        (
            {"banned": [token for token in range(40) if token != END]},
            "banned leaves no word of vocab_size=40",
        ),
    ],
)
def test_settings_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        BeamDecoder(make_weights()).sample(make_features(1), **arguments)


@pytest.mark.parametrize("shape", [(2, 9), (2, 9, 27), (2, 0, 28)])
def test_features_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"features must be \(images, regions >= 1, feature_dim=28\), got"):
        BeamDecoder(make_weights()).sample(torch.zeros(shape))
