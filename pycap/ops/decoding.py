"""What the decoding strategies share: the decoder they see and the checks of their common arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from torch import Tensor

from pycap.ops.decoder_step import DecoderWeights


class SearchState(Protocol):
    """All that a reference strategy asks of a decoder's state."""

    def select(self, rows: Tensor) -> Any:
        """Return the state whose row `i` is this one's row `rows[i]`."""


Step = Callable[[Any, Tensor], tuple[Tensor, Any, Tensor]]

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
