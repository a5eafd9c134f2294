"""Beam search over caption decoders: features in, the best sentences out, natively in one call or in PyTorch.

Both twins follow the same rules, exactly:

- The first step expands one beam and never ends: a caption has at least one word.
- Every later step sorts the continuations of all live beams of an image by total log-probability (ties: lower
  beam, then lower token) and looks at the best `2 * beam`. END among the first `beam` of them finishes a
  sentence; the first `beam` others live on.
- After `max_length` words only END is allowed, so every sentence is complete and its log-probability is what
  teacher forcing gives its words and END.
- A sentence scores `log_prob / (words + 1) ** length_penalty` (Wu et al. 2016, simplified); ties go to the
  one that finished earlier, then to the lower beam.
- An image stops when `n_best` sentences are finished and no live beam can still beat the worst of them. A beam
  of one is greedy: it stops at its first END.
- Banned words are never emitted but keep their share of the probability.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from pycap.config import END, PAD, START, UNKNOWN
from pycap.ops import library
from pycap.ops.cuda import CudaDecoder
from pycap.ops.cuda import runs as runs_on_gpu
from pycap.ops.decoder_step import DecoderState, DecoderWeights, initial_state, step
from pycap.ops.decoding import (
    NEVER,
    NOT_FINITE,
    BeamResult,
    SampleResult,
    SearchState,
    Step,
    check_features,
    check_search,
)
from pycap.ops.packed import PRECISIONS, PackedDecoder
from pycap.ops.sample import sample_reference


class BeamDecoder:
    """Decodes batches of images with one set of weights; safe to share between threads.

    The weights are packed for the native search once, here: build a new decoder after changing them.

    Args:
        weights: the decoder's parameters, any dtype and device (native: float32 on the CPU; float32, bfloat16 or
            float16 on a GPU).
        threads: threads of one native search; None takes the library's setting.
        precision: how the native search stores matrices: "float32", or "int8" with one scale a row and states
            rounded to 8 bits (a quarter of the memory, several times as fast). The reference and GPUs ignore it.
    """

    def __init__(self, weights: DecoderWeights, threads: int | None = None, precision: str = "float32"):
        if threads is not None and threads < 1:
            raise ValueError(f"threads must be at least 1 or None for the library's setting, got {threads}")
        if precision not in PRECISIONS:
            raise ValueError(f"precision must be {' or '.join(PRECISIONS)}, got {precision!r}")
        self.weights = weights
        self.threads = threads
        self.precision = precision
        self._native = _pack(weights, precision) if library.wanted() == "native" else None

    def search(
        self,
        features: Tensor,
        *,
        beam: int = 5,
        max_length: int = 20,
        n_best: int = 1,
        length_penalty: float = 0.7,
        start: int = START,
        end: int = END,
        banned: Sequence[int] = (PAD, START, UNKNOWN),
    ) -> BeamResult:
        """Find the `n_best` captions of every image.

        Args:
            features: regions from the encoder, `(images, regions, feature_dim)`; copied if not contiguous.
            beam: live sentences per image; 1 is greedy.
            max_length: words at most.
            n_best: sentences returned per image, at most `beam`.
            length_penalty: exponent of the length by which log-probabilities are divided, at least 0.
            start: token every caption starts from.
            end: token that finishes a caption.
            banned: tokens never emitted.

        Returns:
            BeamResult on the device of `features`.

        Raises:
            ValueError: an argument is out of range, or the weights give no finite probability.
        """
        check_features(self.weights, features, start)
        settings = {
            "beam": beam,
            "max_length": max_length,
            "n_best": n_best,
            "length_penalty": length_penalty,
            "end": end,
            "banned": tuple(banned),
        }
        native = self._packed()
        if isinstance(native, PackedDecoder):
            found = native.search(_as_array(features), **settings, start=start, threads=self.threads)
            return BeamResult(*map(torch.from_numpy, found))
        with torch.no_grad():
            if isinstance(native, CudaDecoder) and native.takes(features, beam, max_length):
                return native.search(features, **settings, start=start)
            return beam_search_reference(*self._unpacked(features, start), **settings)

    def sample(
        self,
        features: Tensor,
        *,
        samples: int = 5,
        max_length: int = 20,
        seed: int = 0,
        temperature: float = 1.0,
        start: int = START,
        end: int = END,
        banned: Sequence[int] = (PAD, START, UNKNOWN),
    ) -> SampleResult:
        """Draw captions of every image from the decoder's distribution (rules: `pycap/ops/sample.py`).

        Args:
            features: regions from the encoder, `(images, regions, feature_dim)`; copied if not contiguous.
            samples: sentences per image.
            max_length: words at most; a sentence that has as many is cut.
            seed: from 0 to 2**64 - 1; the same seed draws the same sentences.
            temperature: divides the logits, above 0; towards 0 the likeliest words are drawn.
            start: token every caption starts from.
            end: token that finishes a caption; never drawn as the first.
            banned: tokens never drawn.

        Returns:
            SampleResult on the device of `features`.

        Raises:
            ValueError: an argument is out of range, or the weights give no finite probability.
        """
        check_features(self.weights, features, start)
        settings = {
            "samples": samples,
            "max_length": max_length,
            "seed": seed,
            "temperature": temperature,
            "end": end,
            "banned": tuple(banned),
        }
        native = self._packed()
        if isinstance(native, PackedDecoder):
            found = native.sample(_as_array(features), **settings, start=start, threads=self.threads)
            return SampleResult(*map(torch.from_numpy, found))
        with torch.no_grad():
            return sample_reference(*self._unpacked(features, start), **settings)

    def _packed(self) -> PackedDecoder | CudaDecoder | None:
        """Return the native decoder, packed now if it was not yet; None where the reference has to decode."""
        if library.wanted() != "native":
            return None
        if self._native is None:
            self._native = _pack(self.weights, self.precision)
        return self._native

    def _unpacked(self, features: Tensor, start: int) -> tuple[DecoderState, Step, Tensor]:
        """Return what a reference takes: the state of every image, the step and the first tokens."""
        return (
            initial_state(self.weights, features.contiguous()),
            lambda state, tokens: step(self.weights, state, tokens),
            torch.full((len(features),), start, device=features.device),
        )


def _pack(weights: DecoderWeights, precision: str) -> PackedDecoder | CudaDecoder | None:
    """Return the native decoder of these weights; None where only the reference can search."""
    flat = weights.flat()
    if runs_on_gpu(tuple(flat.values())):
        return CudaDecoder(weights)
    if library.cpu is None or any(
        part.dtype != torch.float32 or part.device.type != "cpu" for part in flat.values()
    ):
        return None
    return PackedDecoder({name: _as_array(part) for name, part in flat.items()}, precision)


def _as_array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().contiguous().numpy()


def beam_search_reference(
    state: SearchState,
    step: Step,
    start_tokens: Tensor,
    *,
    beam: int = 5,
    max_length: int = 20,
    n_best: int = 1,
    length_penalty: float = 0.7,
    end: int = END,
    banned: Sequence[int] = (PAD, START, UNKNOWN),
) -> BeamResult:
    """Search with any decoder, in PyTorch: sees only a state, a step and token ids (the module's rules).

    Args:
        state: of one row per image; `state.select(rows)` reorders and repeats rows.
        step: `(state, tokens (batch,))` to log_probs `(batch, vocab_size)`, the new state and attention
            `(batch, regions)`.
        start_tokens: first token of every image, `(images,)` int64, on the state's device.
        beam, max_length, n_best, length_penalty, end, banned: as in `BeamDecoder.search`.

    Returns:
        BeamResult in the precision of `log_probs`, float32 at least.

    Raises:
        ValueError: an argument is out of range, or `step` gives no finite probability.
    """
    log_probs, state, attention = step(state, start_tokens)
    (images, vocab_size), regions, device = log_probs.shape, attention.shape[1], log_probs.device
    check_search(vocab_size, beam, max_length, n_best, length_penalty, end, banned)
    dtype = torch.promote_types(log_probs.dtype, torch.float32)
    norms = [(count + 1) ** length_penalty for count in range(max_length + 1)]
    barred = torch.zeros(vocab_size, dtype=dtype, device=device)  # 0, or -inf where never emitted
    barred[[*banned, end]] = NEVER  # END is lifted after the first step
    totals = torch.zeros(images, 1, dtype=dtype, device=device)  # (active, slots) log-probabilities
    words = torch.full((images, 1, max_length), PAD, device=device)
    seen = attention.new_zeros(images, 1, max_length, regions)
    active = torch.arange(images, device=device)  # images that still search
    kept = _no_sentences(words, totals, seen, n_best)
    for length in range(max_length + 1):  # words that every live sentence has
        count, slots = totals.shape
        log_probs = log_probs.to(dtype).view(count, slots, vocab_size)
        if length < max_length:
            candidates = (totals[:, :, None] + log_probs + barred).flatten(1)
            best, index = _rank(candidates, min(2 * beam, slots * vocab_size))  # (active, ranks)
            parents, following = index // vocab_size, index % vocab_size
            ends = (following == end) & (best > NEVER)
            ending = torch.where(ends & (torch.arange(best.shape[1], device=device) < beam), parents, slots)
            ended = torch.full((count, slots + 1), NEVER, dtype=dtype, device=device)  # last column is waste
            ended = ended.scatter_(1, ending, best)[:, :slots]
        else:
            best = ended = totals + log_probs[:, :, end]
        if bool(best.isnan().any()):
            raise ValueError(NOT_FINITE)
        if bool((ended > NEVER).any()):
            _keep(kept, active, length, words, ended, norms[length], seen)
        if length == max_length:
            break
        order = ends.long().argsort(dim=1, stable=True)[:, :beam]  # ranks that live on, best first
        totals = best.masked_fill(ends, NEVER).gather(1, order)
        worst, reachable = kept.scores[active, -1], totals[:, 0] / norms[max_length]
        stay = ((worst < reachable) & ((worst == NEVER) | (beam > 1))).nonzero()[:, 0]
        if len(stay) == 0:
            break
        totals, active = totals[stay], active[stay]
        rows = stay[:, None] * slots + parents.gather(1, order)[stay]  # (active, slots)
        tokens = following.gather(1, order)[stay]
        words, seen = words.flatten(0, 1)[rows], seen.flatten(0, 1)[rows]
        words[:, :, length] = tokens
        seen[:, :, length] = attention[rows]
        barred[end] = 0.0
        log_probs, state, attention = step(state.select(rows.flatten()), tokens.flatten())
    if not bool((kept.scores[:, 0] > NEVER).all()):
        raise ValueError(NOT_FINITE)
    return kept


def _rank(candidates: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the `count` largest of each row, best first, and their columns; ties go to the lower column."""
    values, columns = candidates.topk(count, dim=1)
    tied = (candidates >= values[:, -1:]).sum(dim=1) > count  # topk would pick any of those at the edge
    if bool(tied.any()):
        values, columns = candidates.sort(dim=1, descending=True, stable=True)
        return values[:, :count], columns[:, :count]
    columns, order = columns.sort(dim=1)
    values, order = values.gather(1, order).sort(dim=1, descending=True, stable=True)
    return values, columns.gather(1, order)


def _no_sentences(words: Tensor, totals: Tensor, seen: Tensor, n_best: int) -> BeamResult:
    """Return a result without a sentence: all of length 0 and score -inf."""
    nothing = totals.new_full((len(totals), n_best), NEVER)
    return BeamResult(
        tokens=words.repeat(1, n_best, 1),
        lengths=torch.zeros_like(nothing, dtype=torch.int64),
        scores=nothing,
        log_probs=nothing.clone(),
        attention=seen.repeat(1, n_best, 1, 1),
    )


def _keep(
    kept: BeamResult, active: Tensor, length: int, words: Tensor, ended: Tensor, norm: float, seen: Tensor
) -> None:
    """Merge sentences that end now, log-probability `ended (active, slots)` or -inf, into the best kept."""
    fresh = BeamResult(words, torch.full_like(ended, length, dtype=torch.int64), ended / norm, ended, seen)
    pools = [torch.cat([old[active], new], dim=1) for old, new in zip(kept, fresh, strict=True)]
    order = pools[2].argsort(dim=1, descending=True, stable=True)  # ties: earlier, then lower beam
    order = order[:, : kept.scores.shape[1]]
    image = torch.arange(len(order), device=order.device)[:, None]
    for old, pool in zip(kept, pools, strict=True):
        old[active] = pool[image, order]
