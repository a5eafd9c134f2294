"""Beam search by the letter: one image, Python lists, no batching; the rules of pycap/ops/beam.py spelled out.

Also tells by how much the search was decided: results of another precision must be equal only where its errors
are below that margin.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Sentence(NamedTuple):
    """A finished caption."""

    score: float
    log_prob: float
    words: tuple[int, ...]


class Verdict(NamedTuple):
    """Sentences, best first, and the smallest difference between log-probabilities that any decision rested on."""

    sentences: list[Sentence]
    margin: float


def search_by_the_rules(
    state: Any,
    step: Callable[[Any, Tensor], tuple[Tensor, Any, Tensor]],
    *,
    beam: int,
    max_length: int,
    n_best: int,
    length_penalty: float,
    start: int,
    end: int,
    banned: Sequence[int],
    early_stop: bool = True,
) -> Verdict:
    """Search one image; `state` has one row."""
    live: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    finished: list[Sentence] = []  # in the order in which they finished
    tokens, margin = torch.tensor([start]), math.inf

    def ranked_finished() -> list[Sentence]:
        return sorted(finished, key=lambda sentence: -sentence.score)  # stable: earlier ones win ties

    for length in range(max_length + 1):
        log_probs, state, _ = step(state, tokens)
        table = log_probs.double().tolist()
        last = length == max_length
        candidates = sorted(
            (-(total + table[row][token]), row, token)
            for row, (total, _) in enumerate(live)
            for token in range(len(table[row]))
            if (token == end if last or token == end else token not in banned)
            and not (token == end and length == 0)
            and not (last and token != end)
            and table[row][token] > -math.inf
        )
        if not last:
            edge = [-value for value, _, _ in candidates[: 2 * beam + 1]]
            margin = min([margin, *(a - b for a, b in itertools.pairwise(edge))])
            candidates = candidates[: 2 * beam]
        ends = [
            (row, value)
            for rank, (value, row, token) in enumerate(candidates)
            if token == end and rank < beam
        ]
        for row, value in sorted(ends):
            finished.append(Sentence(-value / (length + 1) ** length_penalty, -value, live[row][1]))
        going = [candidate for candidate in candidates if candidate[2] != end][:beam]
        if not going:
            break
        live = [(-value, (*live[row][1], token)) for value, row, token in going]
        best = live[0][0] / (max_length + 1) ** length_penalty
        if (early_stop or beam == 1) and len(finished) >= n_best:
            worst = ranked_finished()[n_best - 1].score
            if beam == 1:
                break
            margin = min(margin, abs(worst - best))
            if worst >= best:
                break
        state = state.select(torch.tensor([row for _, row, _ in going]))
        tokens = torch.tensor([token for _, _, token in going])
    ranked = ranked_finished()
    scores = [sentence.score for sentence in ranked[: n_best + 1]]
    margin = min([margin, *(a - b for a, b in itertools.pairwise(scores))])
    return Verdict(ranked[:n_best], margin)
