"""The PyTorch search against the rules by the letter, on toy decoders full of ties."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from beam_oracle import Verdict, search_by_the_rules
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pycap.ops.beam import beam_search_reference
from pycap.ops.decoding import BeamResult

START, END = 1, 2


class Walk(NamedTuple):
    """State of a toy decoder that remembers its image and the last token it read."""

    image: Tensor
    last: Tensor

    def select(self, rows: Tensor) -> Walk:
        return Walk(self.image[rows], self.last[rows])


def make_step(table: Tensor):
    """Return a step whose log-probabilities are `table[image, token before, token read]`, attention the token read."""

    def step(state: Walk, tokens: Tensor) -> tuple[Tensor, Walk, Tensor]:
        attention = torch.nn.functional.one_hot(tokens, table.shape[1]).to(table.dtype)
        return table[state.image, state.last, tokens], Walk(state.image, tokens), attention

    return step


def start_walk(images: int) -> Walk:
    return Walk(torch.arange(images), torch.zeros(images, dtype=torch.int64))


def coarse_table(images: int, vocab_size: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Log-probabilities in quarters: exact sums in any precision, and ties everywhere."""
    generator = torch.Generator().manual_seed(seed)
    shape = (images, vocab_size, vocab_size, vocab_size)
    return -torch.randint(0, 12, shape, generator=generator).to(dtype) / 4


def sentences(result: BeamResult, image: int) -> list[tuple[float, float, tuple[int, ...]]]:
    found = []
    for n, length in enumerate(result.lengths[image].tolist()):
        if length:
            words = tuple(result.tokens[image, n, :length].tolist())
            found.append((result.scores[image, n].item(), result.log_probs[image, n].item(), words))
    return found


def judge(table: Tensor, image: int, **search) -> Verdict:
    state = start_walk(len(table)).select(torch.tensor([image]))
    return search_by_the_rules(state, make_step(table), start=START, **search)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    vocab_size=st.integers(4, 7),
    images=st.integers(1, 3),
    beam=st.integers(1, 6),
    n_best=st.integers(1, 6),
    max_length=st.integers(1, 6),
    length_penalty=st.sampled_from([0.0, 0.7, 1.0, 2.0]),
    banned=st.sampled_from([(), (0,), (0, 1), (0, 1, 3), (1, 3)]),
    seed=st.integers(0, 1000),
)
def test_every_tie_and_stop_follows_the_rules(
    vocab_size, images, beam, n_best, max_length, length_penalty, banned, seed
):
    if len({END, *banned}) == vocab_size:
        return
    search = {
        "beam": beam,
        "n_best": min(n_best, beam),
        "max_length": max_length,
        "length_penalty": length_penalty,
        "banned": banned,
        "end": END,
    }
    table = coarse_table(images, vocab_size, seed)
    result = beam_search_reference(
        start_walk(images), make_step(table), torch.full((images,), START), **search
    )
    for image in range(images):
        expected = [tuple(sentence) for sentence in judge(table, image, **search).sentences]
        assert sentences(result, image) == expected


@pytest.mark.parametrize("length_penalty", [0.0, 0.7, 1.5])
def test_early_stop_changes_no_result(length_penalty):
    search = {
        "beam": 4,
        "n_best": 3,
        "max_length": 7,
        "length_penalty": length_penalty,
        "banned": (0, 1),
        "end": END,
    }
    for seed in range(20):
        table = coarse_table(1, 7, seed)
        assert judge(table, 0, **search).sentences == judge(table, 0, early_stop=False, **search).sentences


def test_early_stop_saves_steps():
    table = torch.full((1, 6, 6, 6), -5.0)
    table[0, 0, START, 4] = -0.01  # the likely word
    table[0, START, 4, END] = 0.0  # and it likes to end there
    steps = []
    step = make_step(table)

    def counting(state, tokens):
        steps.append(len(tokens))
        return step(state, tokens)

    result = beam_search_reference(start_walk(1), counting, torch.tensor([START]), beam=2, max_length=15)
    assert result.tokens[0, 0, :2].tolist() == [4, 0]
    assert steps == [1, 2]


def test_finished_images_leave_the_batch():
    table = torch.full((2, 5, 5, 5), -5.0)
    table[..., 4] = -0.01
    table[0, START, 4, END] = 0.0  # image 0 ends after one word, image 1 never does by itself
    steps = []
    step = make_step(table)

    def counting(state, tokens):
        steps.append(len(tokens))
        return step(state, tokens)

    result = beam_search_reference(start_walk(2), counting, torch.tensor([START] * 2), beam=1, max_length=4)
    assert result.lengths[:, 0].tolist() == [1, 4]
    assert steps == [2, 2, 1, 1, 1]


def test_attention_belongs_to_the_word_it_predicted():
    table = coarse_table(3, 8, seed=5)
    result = beam_search_reference(
        start_walk(3), make_step(table), torch.full((3,), START), beam=4, n_best=4, max_length=6
    )
    for image in range(3):
        for n, length in enumerate(result.lengths[image].tolist()):
            read = [START, *result.tokens[image, n].tolist()][:length]
            assert result.attention[image, n, :length].argmax(dim=1).tolist() == read
            assert result.attention[image, n, length:].sum() == 0


def test_missing_sentences_have_score_minus_infinity():
    table = coarse_table(1, 5, seed=1)  # one word can be emitted, once
    result = beam_search_reference(
        start_walk(1),
        make_step(table),
        torch.tensor([START]),
        beam=3,
        n_best=3,
        max_length=1,
        banned=(0, 1, 3),
    )
    assert result.lengths.tolist() == [[1, 0, 0]]
    assert result.tokens.tolist() == [[[4], [0], [0]]]
    assert result.scores[0, 1:].tolist() == [-float("inf")] * 2
    assert result.attention[0, 1:].abs().sum() == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_totals_are_kept_in_float32_at_least(dtype):
    table = coarse_table(2, 6, seed=2, dtype=dtype)
    result = beam_search_reference(start_walk(2), make_step(table), torch.full((2,), START), beam=3)
    assert result.scores.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    exact = beam_search_reference(start_walk(2), make_step(table.double()), torch.full((2,), START), beam=3)
    assert torch.equal(result.tokens, exact.tokens)


@pytest.mark.parametrize("bad", [float("nan"), -float("inf")])
def test_probabilities_that_are_not_finite_are_refused(bad):
    step = make_step(torch.full((1, 5, 5, 5), bad))
    with pytest.raises(ValueError, match="log-probabilities must be finite"):
        beam_search_reference(start_walk(1), step, torch.tensor([START]))
