"""What the decoding strategies share: what they see of a decoder, what they return, the checks of their arguments.

Imports no torch, because the native strategies need none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from pycap.ops.decoder_step import DecoderWeights


class SearchState(Protocol):
    """All that a reference strategy asks of a decoder's state."""

    def select(self, rows: Tensor) -> Any:
        """Return the state whose row `i` is this one's row `rows[i]`."""


Step = Callable[[Any, "Tensor"], tuple["Tensor", Any, "Tensor"]]


class BeamResult(NamedTuple):
    """The `n_best` sentences of every image, best first: tensors, or numpy arrays from `PackedDecoder`.

    Where fewer sentences exist than asked for (tiny vocabularies), the missing have length 0 and score -inf.

    Attributes:
        tokens: words without START and END, PAD behind the last, `(images, n_best, max_length)` int64.
        lengths: words of each sentence, `(images, n_best)` int64.
        scores: length-normalised log-probability, `(images, n_best)`.
        log_probs: log-probability of the words and END, `(images, n_best)`.
        attention: regions' weights when each word was predicted, `(images, n_best, max_length, regions)`;
            rows of words sum to 1, rows behind the last word are 0.
    """

    tokens: Tensor | np.ndarray
    lengths: Tensor | np.ndarray
    scores: Tensor | np.ndarray
    log_probs: Tensor | np.ndarray
    attention: Tensor | np.ndarray


class SampleResult(NamedTuple):
    """The sentences drawn for every image: tensors, or numpy arrays from `PackedDecoder`.

    Attributes:
        tokens: words without START and END, PAD behind the last, `(images, samples, max_length)` int64.
        lengths: words of each sentence, `(images, samples)` int64.
        log_probs: log-probability of the words, and of END where it was drawn, under the distribution that was
            sampled: restricted to the words allowed, at the temperature; `(images, samples)`.
        ended: whether END was drawn, `(images, samples)` bool; False: cut at `max_length`.
    """

    tokens: Tensor | np.ndarray
    lengths: Tensor | np.ndarray
    log_probs: Tensor | np.ndarray
    ended: Tensor | np.ndarray


NEVER = -float("inf")
NOT_FINITE = "log-probabilities must be finite, got NaN or only -inf; check features and weights for NaN"


def check_features(weights: DecoderWeights, features: Tensor, start: int) -> None:
    """Raise ValueError unless these weights can decode the features from this token."""
    state_of = (weights.embedding.dtype, weights.embedding.device)
    if (features.dtype, features.device) != state_of:
        raise ValueError(
            f"features must be {state_of[0]} on {state_of[1]} like the weights, got {features.dtype} on "
            f"{features.device}; move them with features.to(...)"
        )
    if features.ndim != 3 or features.shape[1] == 0 or features.shape[2] != weights.key.shape[1]:
        raise ValueError(
            f"features must be (images, regions >= 1, feature_dim={weights.key.shape[1]}), "
            f"got {tuple(features.shape)}; project the regions with the model's encoder first"
        )
    vocab_size = len(weights.embedding)
    if not 0 <= start < vocab_size:
        raise ValueError(f"start must be a token id below vocab_size={vocab_size}, got {start}")


def check_length(max_length: int) -> None:
    """Raise ValueError unless a caption may have a word."""
    if max_length < 1:
        raise ValueError(f"max_length must be at least 1, got {max_length}")


def check_words(vocab_size: int, end: int, banned: Sequence[int]) -> None:
    """Raise ValueError unless END and at least one word can be emitted."""
    for name, token in (("end", end), *(("banned", token) for token in banned)):
        if not 0 <= token < vocab_size:
            raise ValueError(f"{name} must be a token id below vocab_size={vocab_size}, got {token}")
    if end in banned:
        raise ValueError(f"banned must not hold end={end}: no caption could finish")
    if len({end, *banned}) == vocab_size:
        raise ValueError(f"banned leaves no word of vocab_size={vocab_size} to emit")


def check_search(
    vocab_size: int,
    beam: int,
    max_length: int,
    n_best: int,
    length_penalty: float,
    end: int,
    banned: Sequence[int],
) -> None:
    """Raise ValueError where a search with these settings makes no sense."""
    if beam < 1:
        raise ValueError(f"beam must be at least 1, got {beam}")
    check_length(max_length)
    if not 1 <= n_best <= beam:
        raise ValueError(f"n_best must be from 1 to beam={beam}, got {n_best}; widen the beam for more")
    if not 0 <= length_penalty < float("inf"):
        raise ValueError(f"length_penalty must be finite and at least 0, got {length_penalty}")
    check_words(vocab_size, end, banned)


def check_sampling(
    vocab_size: int,
    samples: int,
    max_length: int,
    seed: int,
    temperature: float,
    end: int,
    banned: Sequence[int],
) -> None:
    """Raise ValueError where sampling with these settings makes no sense."""
    if samples < 1:
        raise ValueError(f"samples must be at least 1, got {samples}")
    check_length(max_length)
    if not 0 <= seed < 2**64:
        raise ValueError(f"seed must be from 0 to 2**64 - 1, got {seed}")
    if not 0 < temperature < float("inf"):
        raise ValueError(
            f"temperature must be finite and above 0, got {temperature}; for the likeliest words search with beam=1"
        )
    check_words(vocab_size, end, banned)


def bound_temperature(temperature: float) -> float:
    """Return the nearest temperature that float32 can divide by; beyond, a draw is certain or uniform anyway."""
    return min(max(temperature, 1e-30), 1e30)
