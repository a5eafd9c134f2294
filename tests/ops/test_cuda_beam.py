"""Beam search in CUDA: on a GPU, and on the host that plays one, against the rules in float64."""

from __future__ import annotations

import pytest
import torch
from beam_oracle import search_by_the_rules
from gpu import DEVICES, ORDERS, needs_emulation, needs_gpu, prepare
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_decoder import make_features, make_weights

from pycap.config import END, PAD, START, UNKNOWN
from pycap.ops import library
from pycap.ops.beam import BeamDecoder
from pycap.ops.cuda import CudaDecoder
from pycap.ops.decoder_step import DecoderWeights, initial_state, step
from pycap.ops.decoding import BeamResult

DEFAULTS = {"beam": 5, "n_best": 1, "max_length": 20, "length_penalty": 0.7, "banned": (PAD, START, UNKNOWN)}
# of a log-probability against float64 on the same rounded weights: twice what was seen; decisions clearer than twice
# this bound must be the same. PyTorch in the same type is off by 0.07 and 0.008 in the low precisions.
BOUND = {torch.float32: 1e-5, torch.bfloat16: 0.1, torch.float16: 0.01}
ALIGNED = {"vocab_size": 90, "embed_dim": 32, "hidden_dim": 64, "attention_dim": 32, "feature_dim": 64}


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where the kernels run."""
    return prepare(request.param, monkeypatch)


def search(
    weights: DecoderWeights, features: torch.Tensor, device: str, persistent: bool = True, **wanted
) -> BeamResult:
    """Search with the kernels; results on the CPU."""
    decoder = CudaDecoder(weights.to(device), persistent=persistent)
    found = decoder.search(features.to(device), start=START, end=END, **{**DEFAULTS, **wanted})
    return BeamResult(*(part.cpu() for part in found))


def runs_persistently(weights: DecoderWeights, features: torch.Tensor, device: str, **wanted) -> bool:
    """Whether one kernel would do all steps."""
    decoder = CudaDecoder(weights.to(device))
    return decoder.is_persistent(features.to(device), start=START, end=END, **{**DEFAULTS, **wanted})


def check_against_rules(weights, features, device, persistent=True, **wanted) -> int:
    """Demand the oracle's sentences wherever its margin allows; return how many images were decided."""
    dtype, decided = weights.embedding.dtype, 0
    result = search(weights, features, device, persistent, **wanted)
    exact = weights.to(torch.float64)
    for image, regions in enumerate(features):
        with library.use("reference"):
            state = initial_state(exact, regions.double()[None])
            verdict = search_by_the_rules(
                state, lambda *at: step(exact, *at), start=START, end=END, **{**DEFAULTS, **wanted}
            )
        assert (result.lengths[image] > 0).sum() == len(verdict.sentences)
        if verdict.margin < 2 * BOUND[dtype]:
            continue
        decided += 1
        for n, sentence in enumerate(verdict.sentences):
            length = result.lengths[image, n]
            assert tuple(result.tokens[image, n, :length].tolist()) == sentence.words
            assert (result.tokens[image, n, length:] == PAD).all()
            assert result.log_probs[image, n].item() == pytest.approx(sentence.log_prob, abs=BOUND[dtype])
            assert result.scores[image, n].item() == pytest.approx(sentence.score, abs=BOUND[dtype])
    return decided


def rescore(
    weights: DecoderWeights, features: torch.Tensor, result: BeamResult
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities of the sentences found, and the attention paid, from teacher forcing in float64."""
    exact = weights.to(torch.float64)
    images, n_best, _ = result.tokens.shape
    log_probs = torch.zeros(images, n_best, dtype=torch.float64)
    attention = torch.zeros(*result.attention.shape, dtype=torch.float64)
    with library.use("reference"):
        for image in range(images):
            for n in range(n_best):
                state, word = initial_state(exact, features[image].double()[None]), torch.tensor([START])
                length = int(result.lengths[image, n])
                following = [*result.tokens[image, n, :length].tolist(), END]
                for place, token in enumerate(following):
                    row, state, weight = step(exact, state, word)
                    log_probs[image, n] += row[0, token]
                    if place < length:
                        attention[image, n, place] = weight[0]
                    word = torch.tensor([token])
    return log_probs, attention


@pytest.mark.parametrize("persistent", [True, False], ids=["persistent", "launches"])
@pytest.mark.parametrize("beam", [1, 2, 5])
@pytest.mark.parametrize("sizes", [{}, ALIGNED], ids=["odd", "aligned"])
def test_search_follows_the_rules_in_float64(sizes, beam, persistent, device):
    weights, features = (
        make_weights(seed=beam, **sizes),
        make_features(3, feature_dim=sizes.get("feature_dim", 28)),
    )
    wanted = {"beam": beam, "n_best": min(beam, 3), "max_length": 7}
    assert runs_persistently(weights, features, device, **wanted) == bool(sizes)
    assert check_against_rules(weights, features, device, persistent, **wanted) >= 2


@pytest.mark.parametrize("persistent", [True, False], ids=["persistent", "launches"])
@pytest.mark.parametrize("dtype", BOUND, ids=str)
@pytest.mark.parametrize("sizes", [{}, ALIGNED], ids=["odd", "aligned"])
def test_scores_and_attention_are_those_of_teacher_forcing(sizes, dtype, persistent, device):
    weights = make_weights(seed=3, dtype=dtype, **sizes)
    features = make_features(3, feature_dim=sizes.get("feature_dim", 28)).to(dtype)
    result = search(weights, features, device, persistent, beam=4, n_best=4, max_length=6)
    log_probs, attention = rescore(weights, features, result)
    assert (result.lengths > 0).all()
    assert (result.log_probs - log_probs).abs().max() <= BOUND[dtype]
    assert (result.attention - attention).abs().max() <= BOUND[dtype]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_low_precision_decides_what_is_clear_as_float64_does(dtype, device):
    weights, features = (
        make_weights(seed=1, dtype=dtype, **ALIGNED),
        make_features(40, feature_dim=64).to(dtype),
    )
    assert check_against_rules(weights, features, device, beam=1, max_length=2) >= 5


@pytest.mark.parametrize(
    ("images", "beam", "persistent"),
    [(9, 7, True), (9, 7, False), (30, 5, False), (2, 8, True), (3, 1, True)],
)
def test_batches_of_every_kernel_follow_the_rules(images, beam, persistent, device):
    weights, features = make_weights(seed=8, **ALIGNED), make_features(images, feature_dim=64, seed=2)
    wanted = {"beam": beam, "max_length": 4}
    fits = images * beam <= 16  # rows of a persistent search in float32
    assert runs_persistently(weights, features, device, **wanted) == fits
    assert check_against_rules(weights, features, device, persistent, **wanted) >= images // 2


def test_half_precision_keeps_64_rows_in_one_kernel(device):
    weights = make_weights(seed=8, dtype=torch.bfloat16, **ALIGNED)
    features = make_features(12, feature_dim=64).to(torch.bfloat16)
    wanted = {"beam": 5, "max_length": 3}
    assert runs_persistently(weights, features, device, **wanted)
    assert not runs_persistently(weights, features.repeat(2, 1, 1), device, **wanted)
    together = search(weights, features, device, **wanted)
    alone = search(weights, features[7:8], device, **wanted)
    assert torch.equal(together.tokens[7], alone.tokens[0])
    assert (together.scores[7] - alone.scores[0]).abs().max() <= BOUND[torch.bfloat16]


@pytest.mark.parametrize("persistent", [True, False], ids=["persistent", "launches"])
def test_large_vocabularies_are_merged_from_many_lists(persistent, device):
    weights, features = (
        make_weights(seed=5, **{**ALIGNED, "vocab_size": 380}),
        make_features(2, feature_dim=64),
    )
    assert check_against_rules(weights, features, device, persistent, n_best=3, max_length=5) == 2


@pytest.mark.parametrize("persistent", [True, False], ids=["persistent", "launches"])
def test_fewer_words_than_ranks(persistent, device):
    weights = make_weights(seed=2, **{**ALIGNED, "vocab_size": 6})
    features = make_features(2, feature_dim=64)
    wanted = {"beam": 6, "n_best": 6, "max_length": 2}
    result = search(weights, features, device, persistent, **wanted)
    check_against_rules(weights, features, device, persistent, **wanted)
    missing = result.lengths == 0
    assert (result.scores[missing] == -torch.inf).all()
    assert (result.attention[missing] == 0).all()


def test_ties_go_to_the_lower_token(device):
    weights = make_weights(seed=13)
    twin = torch.arange(40)
    twin[5::2] -= 1  # from 4 on, odd words are copies of the even word before
    weights = weights._replace(
        embedding=weights.embedding[twin],
        output=weights.output[twin],
        output_vocab_bias=weights.output_vocab_bias[twin],
    )
    for beam in (1, 4, 9):
        assert (search(weights, make_features(4), device, beam=beam, max_length=5).tokens % 2 == 0).all()


@pytest.mark.parametrize("persistent", [True, False], ids=["persistent", "launches"])
def test_an_image_finds_the_same_alone_and_in_any_place(persistent, device):
    weights, features = make_weights(seed=4, **ALIGNED), make_features(6, feature_dim=64)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    plain = search(weights, features, device, persistent, beam=2, max_length=6)
    moved = search(weights, features[order], device, persistent, beam=2, max_length=6)
    alone = search(
        weights, features[3:4], device, persistent, beam=2, max_length=6
    )  # may run on other kernels
    for one, other, single in zip(plain, moved, alone, strict=True):
        assert torch.equal(one[order], other)
        torch.testing.assert_close(one[3], single[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("persistent", [True, False], ids=["persistent", "launches"])
@pytest.mark.parametrize("mark", [pytest.param("", marks=needs_emulation)])
def test_threads_in_another_order_change_no_bit(mark, persistent, monkeypatch):
    prepare("cpu", monkeypatch)
    weights, features = make_weights(seed=6, **ALIGNED), make_features(3, feature_dim=64)
    first = search(weights, features, "cpu", persistent, max_length=5)
    for order in ("backward", "shuffled"):
        library.cuda.set_order(ORDERS[order])
        again = search(weights, features, "cpu", persistent, max_length=5)
        assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True)), order


@pytest.mark.parametrize("persistent", [True, False], ids=["persistent", "launches"])
def test_nan_is_reported(persistent, device):
    weights, features = make_weights(**ALIGNED), make_features(3, feature_dim=64)
    features[1, 2, 3] = torch.nan
    with pytest.raises(ValueError, match="log-probabilities must be finite"):
        search(weights, features, device, persistent)


def test_no_images(device):
    result = search(make_weights(), make_features(0), device)
    assert result.tokens.shape == (0, 1, 20)


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    vocab_size=st.integers(5, 300),
    widths=st.tuples(*(st.integers(1, 70) for _ in range(4))),
    regions=st.integers(1, 40),
    images=st.integers(1, 4),
    beam=st.integers(1, 6),
    n_best=st.integers(1, 6),
    max_length=st.integers(1, 4),
    length_penalty=st.sampled_from([0.0, 0.7, 1.3]),
    seed=st.integers(0, 99),
)
def test_search_follows_the_rules_on_any_shape(
    device, vocab_size, widths, regions, images, beam, n_best, max_length, length_penalty, seed
):
    weights = make_weights(vocab_size, *widths, seed=seed)
    wanted = {
        "beam": beam,
        "n_best": min(n_best, beam),
        "max_length": max_length,
        "length_penalty": length_penalty,
    }
    check_against_rules(weights, make_features(images, regions, widths[3], seed=seed), device, **wanted)


class TestOnAGPU:
    pytestmark = needs_gpu

    @pytest.mark.parametrize("images", [1, 40], ids=["persistent", "launches"])
    def test_replays_a_captured_graph_with_new_features(self, images):
        weights = make_weights(seed=1, **ALIGNED).to("cuda")
        decoder = CudaDecoder(weights)
        wanted = {**DEFAULTS, "start": START, "end": END}
        for seed in range(4):  # the second captures, the others replay
            features = make_features(images, feature_dim=64, seed=seed).cuda()
            found, fresh = decoder.search(features, **wanted), CudaDecoder(weights).search(features, **wanted)
            assert all(torch.equal(one, other) for one, other in zip(found, fresh, strict=True))

    def test_public_decoder_uses_the_kernels_and_agrees_with_the_reference(self):
        weights = make_weights(seed=1, **ALIGNED).to("cuda")
        features = make_features(6, feature_dim=64).cuda()
        found = BeamDecoder(weights).search(features)
        with library.use("reference"):
            expected = BeamDecoder(weights).search(features)
        assert torch.equal(found.tokens, expected.tokens)
        assert (found.scores - expected.scores).abs().max() < 1e-4

    def test_launches_on_the_current_stream(self):
        weights = make_weights(seed=1, **ALIGNED).to("cuda")
        late = make_features(2, feature_dim=64).cuda()
        expected = CudaDecoder(weights).search(late, start=START, end=END, **DEFAULTS)
        features = torch.full_like(late, torch.nan)
        torch.cuda.synchronize()
        with torch.cuda.stream(torch.cuda.Stream()):
            torch.cuda._sleep(200_000_000)
            features.copy_(late)
            found = CudaDecoder(weights).search(features, start=START, end=END, **DEFAULTS)
        assert torch.equal(found.tokens, expected.tokens)
