"""Sampling by the letter: one sentence, teacher-forced in float64; the rules of pycap/ops/sample.py spelled out."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from pycap.config import END, PAD, START, UNKNOWN
from pycap.ops import library
from pycap.ops.decoder_step import DecoderWeights, initial_state, step
from pycap.ops.decoding import SampleResult

BANNED = (PAD, START, UNKNOWN)
WORD = 2**32 - 1


def scramble(bits: int) -> int:
    bits = (bits ^ bits >> 16) * 0x85EBCA6B & WORD
    bits = (bits ^ bits >> 13) * 0xC2B2AE35 & WORD
    return bits ^ bits >> 16


def noise_bits(seed: int, image: int, sample: int, position: int, word: int) -> int:
    """The 32 random bits of one word."""
    path, key = 0x243F6A88, 0x85A308D3
    for value in (seed & WORD, seed >> 32, image, sample, position, word):
        path = scramble(path + 0x9E3779B9 * value & WORD)
        key = scramble(key ^ path)
    return key


def gumbel(bits: Tensor) -> Tensor:
    """Noise of random bits, `(count,)` int64, in float64 from a uniform number in float32."""
    uniform = ((bits >> 1).float() + 0.5) * 2.0**-31
    return -(-torch.log1p(-uniform.clamp(max=1 - 2.0**-24).double())).log()


def drawn_words(result: SampleResult, image: int, sample: int) -> list[int]:
    """The words of a sentence, END among them where it was drawn."""
    words = result.tokens[image, sample, : result.lengths[image, sample]].tolist()
    return words + [END] * bool(result.ended[image, sample])


def force(
    weights: DecoderWeights,
    features: Tensor,
    words: Sequence[int],
    temperature: float = 1.0,
    banned: Sequence[int] = BANNED,
) -> Iterator[Tensor]:
    """Yield the log-probabilities that each of the words was drawn from, `(vocab_size,)` float64."""
    exact, last = weights.to(torch.float64), START
    with library.use("reference"):
        state = initial_state(exact, features.double()[None])
        for position, word in enumerate(words):
            log_probs, state, _ = step(exact, state, torch.tensor([last]))
            log_probs[0, [*banned, *([] if position else [END])]] = -math.inf
            yield (log_probs[0] / temperature).log_softmax(dim=0)
            last = word


def margins(
    weights: DecoderWeights, features: Tensor, result: SampleResult, seed: int, temperature: float = 1.0
) -> list[float]:
    """By how much each drawn word leads in float64, following the sentences drawn; below 0: another leads."""
    leads = []
    for image, sample in itertools.product(*map(range, result.lengths.shape)):
        words = drawn_words(result, image, sample)
        for position, row in enumerate(force(weights, features[image], words, temperature)):
            bits = [noise_bits(seed, image, sample, position, word) for word in range(len(row))]
            noisy = (row + gumbel(torch.tensor(bits))) * temperature
            chosen = noisy[words[position]].item()
            noisy[words[position]] = -float("inf")
            leads.append(chosen - noisy.max().item())
    return leads
