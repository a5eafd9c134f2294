"""What a search must do on any backend: the native one where it is built, and the reference."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from random_decoder import BUSY_BOUND, make_features, make_weights

from pycap.config import END, PAD, START, UNKNOWN
from pycap.ops import library
from pycap.ops.beam import BeamDecoder
from pycap.ops.decoder_step import initial_state, step
from pycap.ops.decoding import BeamResult

RESCORING_BOUND = 2e-5  # of a log-probability, float32 against teacher forcing in float64; observed 3e-6


@pytest.fixture(params=["native", "reference"], autouse=True)
def backend(request: pytest.FixtureRequest):
    if request.param == "native" and not library.native_available():
        pytest.skip(library.missing_reason())
    with library.use(request.param):
        yield request.param


def rescore(weights, features, words) -> float:
    """Log-probability of words and END for one image, by teacher forcing in float64."""
    weights, total, last = weights.to(torch.float64), 0.0, START
    state = initial_state(weights, features.double()[None])
    with library.use("reference"):
        for word in [*words, END]:
            log_probs, state, _ = step(weights, state, torch.tensor([last]))
            total, last = total + log_probs[0, word].item(), word
    return total


def words_of(result: BeamResult, image: int, n: int = 0) -> list[int]:
    return result.tokens[image, n, : result.lengths[image, n]].tolist()


@pytest.mark.parametrize("length_penalty", [0.0, 0.7])
def test_beam_of_one_is_greedy(length_penalty):
    weights, features = make_weights(seed=3), make_features(6)
    result = BeamDecoder(weights).search(features, beam=1, max_length=8, length_penalty=length_penalty)
    for image in range(6):
        words, last = [], START
        state = initial_state(weights, features[image : image + 1])
        while len(words) < 8:
            log_probs, state, _ = step(weights, state, torch.tensor([last]))
            log_probs[0, [PAD, START, UNKNOWN, *([] if words else [END])]] = -float("inf")
            last = log_probs[0].argmax().item()
            if last == END:
                break
            words.append(last)
        assert words_of(result, image) == words


@pytest.mark.parametrize("length_penalty", [0.0, 0.7, 1.0])
def test_wide_beam_equals_exhaustive_search(length_penalty):
    weights, features, length = make_weights(vocab_size=7, seed=1), make_features(3), 3
    decoder = BeamDecoder(weights)
    result = decoder.search(features, beam=64, n_best=5, max_length=length, length_penalty=length_penalty)
    for image in range(3):
        every = []
        for count in range(1, length + 1):
            for words in itertools.product([4, 5, 6], repeat=count):
                log_prob = rescore(weights, features[image], words)
                every.append((log_prob / (count + 1) ** length_penalty, list(words)))
        every.sort(reverse=True)
        assert [words_of(result, image, n) for n in range(5)] == [words for _, words in every[:5]]


@pytest.mark.parametrize("beam", [1, 4])
def test_score_is_teacher_forced_rescoring_of_the_words(beam):
    weights, features = make_weights(seed=2), make_features(4)
    result = BeamDecoder(weights).search(features, beam=beam, n_best=beam, length_penalty=0.7)
    for image in range(4):
        for n in range(beam):
            words = words_of(result, image, n)
            log_prob = result.log_probs[image, n].item()
            assert log_prob == pytest.approx(rescore(weights, features[image], words), abs=RESCORING_BOUND)
            assert result.scores[image, n].item() == pytest.approx(
                log_prob / (len(words) + 1) ** 0.7, rel=1e-6
            )


def test_sentences_are_distinct_and_best_first():
    result = BeamDecoder(make_weights(seed=4)).search(make_features(5), beam=6, n_best=6)
    assert (result.scores[:, :-1] >= result.scores[:, 1:]).all()
    for image in range(5):
        assert len({tuple(words_of(result, image, n)) for n in range(6)}) == 6


def test_the_best_sentence_does_not_depend_on_n_best():
    decoder, features = BeamDecoder(make_weights(seed=4)), make_features(5)
    one, three = (decoder.search(features, beam=5, n_best=n) for n in (1, 3))
    assert torch.equal(one.tokens[:, 0], three.tokens[:, 0])


def test_order_of_images_does_not_matter():
    decoder, features = BeamDecoder(make_weights(seed=5)), make_features(7)
    order = torch.tensor([3, 1, 6, 0, 5, 2, 4])
    plain, shuffled = decoder.search(features), decoder.search(features[order])
    assert torch.equal(plain.tokens[order], shuffled.tokens)
    torch.testing.assert_close(plain.log_probs[order], shuffled.log_probs)
    torch.testing.assert_close(plain.attention[order], shuffled.attention)


def test_beam_may_exceed_the_vocabulary():
    weights, features = make_weights(vocab_size=6, seed=6), make_features(3)
    result = BeamDecoder(weights).search(features, beam=12, n_best=12, max_length=3)
    assert set(result.tokens.unique().tolist()) == {PAD, 4, 5}
    assert (result.lengths > 0).all()  # 14 sentences exist: 2 + 4 + 8
    assert result.scores.isfinite().all()


def test_missing_sentences_are_empty():
    result = BeamDecoder(make_weights(vocab_size=6)).search(make_features(2), beam=4, n_best=4, max_length=1)
    assert result.lengths.tolist() == [[1, 1, 0, 0]] * 2
    assert (result.scores[:, 2:] == -float("inf")).all()
    assert (result.log_probs[:, 2:] == -float("inf")).all()
    assert (result.tokens[:, 2:] == PAD).all()
    assert (result.attention[:, 2:] == 0).all()


def test_every_sentence_ends_at_max_length():
    weights = make_weights(seed=7)
    weights = weights._replace(
        output_vocab_bias=weights.output_vocab_bias.index_fill(0, torch.tensor(END), -30.0)
    )
    features = make_features(3)
    result = BeamDecoder(weights).search(features, beam=3, n_best=3, max_length=5)
    assert (result.lengths == 5).all()
    expected = rescore(weights, features[0], words_of(result, 0))  # END costs its true, tiny probability
    assert result.log_probs[0, 0].item() == pytest.approx(expected, abs=RESCORING_BOUND)


def test_a_caption_is_never_empty():
    weights = make_weights(seed=8)
    weights = weights._replace(
        output_vocab_bias=weights.output_vocab_bias.index_fill(0, torch.tensor(END), 30.0)
    )
    result = BeamDecoder(weights).search(make_features(3), beam=3)
    assert (result.lengths == 1).all()


def test_banned_words_are_never_emitted_but_keep_their_probability():
    weights, features = make_weights(seed=9), make_features(4)
    free = BeamDecoder(weights).search(features, banned=())
    favourite = free.tokens[0, 0, 0].item()
    banned = (PAD, START, UNKNOWN, favourite)
    result = BeamDecoder(weights).search(features, beam=5, n_best=5, banned=banned)
    for image in range(4):
        for n in range(5):
            words = words_of(result, image, n)
            assert not set(words) & set(banned)
            log_prob = rescore(weights, features[image], words)
            assert result.log_probs[image, n].item() == pytest.approx(log_prob, abs=RESCORING_BOUND)


def test_attention_rows_of_words_sum_to_one_and_others_are_zero():
    result = BeamDecoder(make_weights(seed=10)).search(make_features(4), beam=4, n_best=4, max_length=9)
    sums = result.attention.sum(-1)
    is_word = torch.arange(9) < result.lengths[:, :, None]
    torch.testing.assert_close(sums, is_word.float())
    assert (result.tokens[~is_word] == PAD).all()


def test_attention_is_that_of_teacher_forcing():
    weights, features = make_weights(seed=11), make_features(2)
    result = BeamDecoder(weights).search(features, beam=4, n_best=4)
    for image, n in itertools.product(range(2), range(4)):
        last, state = START, initial_state(weights, features[image : image + 1])
        for position, word in enumerate(words_of(result, image, n)):
            _, state, attention = step(weights, state, torch.tensor([last]))
            torch.testing.assert_close(
                result.attention[image, n, position], attention[0], atol=2e-6, rtol=1e-4
            )
            last = word


def test_concurrent_searches_do_not_disturb_each_other(backend):
    decoder, features = BeamDecoder(make_weights(seed=12)), make_features(8)

    def search(count: int) -> BeamResult:
        with library.use(backend):
            return decoder.search(features[:count])

    counts = [1, 8, 3, 5] * 6
    alone = {count: search(count) for count in set(counts)}
    with ThreadPoolExecutor(4) as pool:
        for count, result in zip(counts, pool.map(search, counts), strict=True):
            assert torch.equal(result.tokens, alone[count].tokens)
            assert (result.scores - alone[count].scores).abs().max() <= BUSY_BOUND[backend]


def test_no_images_give_an_empty_result():
    result = BeamDecoder(make_weights()).search(make_features(0), n_best=2, max_length=4)
    assert result.tokens.shape == (0, 2, 4)
    assert result.attention.shape == (0, 2, 4, 9)


def test_strided_features_and_weights_that_train_are_accepted():
    weights = make_weights()
    weights = weights._replace(output=weights.output.clone().requires_grad_())
    features = make_features(3)
    strided = features.transpose(1, 2).contiguous().transpose(1, 2)
    plain, other = (BeamDecoder(weights).search(each) for each in (features, strided))
    assert torch.equal(plain.tokens, other.tokens)
    assert not other.scores.requires_grad


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions_search_through_the_reference(dtype):
    weights = make_weights(dtype=dtype)
    result = BeamDecoder(weights).search(make_features(2).to(dtype))
    assert result.attention.dtype == dtype
    assert (result.lengths > 0).all()


def test_values_that_are_not_finite_are_refused():
    decoder, features = BeamDecoder(make_weights()), make_features(3)
    features[1, 2, 3] = float("nan")
    with pytest.raises(ValueError, match="log-probabilities must be finite, got NaN"):
        decoder.search(features)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"beam": 0}, "beam must be at least 1, got 0"),
        ({"max_length": 0}, "max_length must be at least 1, got 0"),
        ({"n_best": 6}, "n_best must be from 1 to beam=5, got 6"),
        ({"n_best": 0}, "n_best must be from 1 to beam=5, got 0"),
        ({"length_penalty": -0.1}, "length_penalty must be finite and at least 0, got -0.1"),
        ({"length_penalty": float("nan")}, "length_penalty must be finite"),
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
        BeamDecoder(make_weights()).search(make_features(1), **arguments)


@pytest.mark.parametrize("shape", [(2, 9), (2, 9, 27), (2, 0, 28)])
def test_features_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"features must be \(images, regions >= 1, feature_dim=28\), got"):
        BeamDecoder(make_weights()).search(torch.zeros(shape))


def test_features_of_another_precision_are_refused():
    with pytest.raises(
        ValueError, match=r"features must be torch.float32 on cpu like the weights, got torch.float64"
    ):
        BeamDecoder(make_weights()).search(make_features(1).double())


def test_threads_below_one_are_refused():
    with pytest.raises(
        ValueError, match="threads must be at least 1 or None for the library's setting, got 0"
    ):
        BeamDecoder(make_weights(), threads=0)
