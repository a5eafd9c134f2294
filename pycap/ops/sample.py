"""Captions drawn from a decoder's distribution, for self-critical sequence training (Rennie et al. 2017).

Both twins follow the same rules, exactly:

- A step draws from `softmax(logits / temperature)` over the words that are allowed, renormalised. Banned words
  never are; END is from the second step on, so a caption has at least one word.
- After `max_length` words a sentence is cut: no END is forced on it, and none is in its log-probability.
- A draw is the argmax of `logit + temperature * noise` (Gumbel-max: Maddison et al. 2014); ties go to the lower
  token.
- The noise is a function of (seed, image's place in the batch, sample, step, word) and of nothing else. These
  are absorbed one by one into two 32-bit numbers, each scrambled by the finaliser of MurmurHash3; the upper 31
  bits of the second become a uniform v in (0, 1), rounded to float32 in every precision, and the noise is
  `-log(-log(1 - v))`.

So a sentence depends neither on threads nor on the images around it, and both twins draw the same one unless
two words are equal up to the rounding of their logits. Another seed is another draw of everything.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pycap.config import END, PAD, START, UNKNOWN
from pycap.ops.decoding import (
    NEVER,
    NOT_FINITE,
    SampleResult,
    SearchState,
    Step,
    bound_temperature,
    check_sampling,
)

WORD = 2**32 - 1  # masks a 32-bit word; words live in int64
STRIDE, FIRST, SECOND = (odd - 2**32 for odd in (0x9E3779B9, 0x85EBCA6B, 0xC2B2AE35))  # below 0: no overflow
PATH, KEY = 0x243F6A88, 0x85A308D3


def sample_reference(
    state: SearchState,
    step: Step,
    start_tokens: Tensor,
    *,
    samples: int = 5,
    max_length: int = 20,
    seed: int = 0,
    temperature: float = 1.0,
    end: int = END,
    banned: Sequence[int] = (PAD, START, UNKNOWN),
) -> SampleResult:
    """Draw from any decoder, in PyTorch: sees only a state, a step and token ids (the module's rules).

    Args:
        state: of one row per image; `state.select(rows)` reorders and repeats rows.
        step: `(state, tokens (batch,))` to log_probs `(batch, vocab_size)`, the new state and attention.
        start_tokens: first token of every image, `(images,)` int64, on the state's device.
        samples, max_length, seed, temperature, end, banned: as in `BeamDecoder.sample`.

    Returns:
        SampleResult, `log_probs` in the precision of `step`'s, float32 at least.

    Raises:
        ValueError: an argument is out of range, or `step` gives no finite probability.
    """
    log_probs, state, _ = step(state, start_tokens)
    (images, vocab_size), device = log_probs.shape, log_probs.device
    check_sampling(vocab_size, samples, max_length, seed, temperature, end, banned)
    temperature = bound_temperature(temperature)
    dtype = torch.promote_types(log_probs.dtype, torch.float32)
    barred = torch.zeros(vocab_size, dtype=dtype, device=device)  # 0, or -inf where never drawn
    barred[[*banned, end]] = NEVER  # END is lifted after the first word
    active = torch.arange(images * samples, device=device)  # unfinished sentences, image by image
    rows = active // samples  # of log_probs and state: where each of them is
    result = SampleResult(
        tokens=torch.full((len(active), max_length), PAD, device=device),
        lengths=torch.zeros_like(active),
        log_probs=torch.zeros(len(active), dtype=dtype, device=device),
        ended=torch.zeros_like(active, dtype=torch.bool),
    )
    for length in range(max_length):
        logits = (log_probs.to(dtype) + barred)[rows]  # (active, vocab_size)
        noise = gumbel_noise(seed, active // samples, active % samples, length, vocab_size, dtype)
        words = (logits + temperature * noise).argmax(dim=1)  # the first of equals
        sharp = (logits - logits.amax(dim=1, keepdim=True)) / temperature
        chosen = sharp.log_softmax(dim=1).gather(1, words[:, None])[:, 0]
        if not bool(chosen.isfinite().all()):
            raise ValueError(NOT_FINITE)
        result.log_probs[active] += chosen
        result.ended[active] = words == end
        going = (words != end).nonzero()[:, 0]
        active, rows, words = active[going], rows[going], words[going]
        result.tokens[active, length] = words
        result.lengths[active] = length + 1
        if length + 1 == max_length or len(active) == 0:
            break
        barred[end] = 0.0
        log_probs, state, _ = step(state.select(rows), words)
        rows = torch.arange(len(active), device=device)
    return SampleResult(*(part.view(images, samples, *part.shape[1:]) for part in result))


def gumbel_noise(
    seed: int, images: Tensor, samples: Tensor, step: int, vocab_size: int, dtype: torch.dtype
) -> Tensor:
    """Noise of every word for the given sentences.

    Args:
        seed: from 0 to 2**64 - 1.
        images: place of each sentence's image in the batch, `(rows,)` int64.
        samples: number of each sentence among its image's, `(rows,)` int64.
        step: words that the sentences have.
        vocab_size: words to draw from.
        dtype: of the noise.

    Returns:
        Standard Gumbel noise, `(rows, vocab_size)`.
    """
    path, key = (torch.full_like(images, start)[:, None] for start in (PATH, KEY))
    words = torch.arange(vocab_size, device=images.device)
    for value in (seed & WORD, seed >> 32, images[:, None], samples[:, None], step, words):
        path = _scramble(path + STRIDE * value & WORD)
        key = _scramble(key ^ path)
    uniform = ((key >> 1).to(torch.float32) + 0.5) * 2.0**-31
    uniform = uniform.clamp(max=1 - 2.0**-24).to(dtype)  # the largest float below 1
    return -torch.log(-torch.log1p(-uniform))


def _scramble(bits: Tensor) -> Tensor:
    """Return 32-bit words in which every bit of `bits` moved every other (MurmurHash3's finaliser, Appleby 2011)."""
    bits = (bits ^ (bits >> 16)) * FIRST & WORD
    bits = (bits ^ (bits >> 13)) * SECOND & WORD
    return bits ^ (bits >> 16)
