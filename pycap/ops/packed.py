"""The native decoder on numpy arrays: weights packed once, a whole batch decoded in one call.

Imports no torch: captioning on the CPU comes here directly, `BeamDecoder` with tensors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pycap.config import END, PAD, START, UNKNOWN
from pycap.ops import library
from pycap.ops.decoding import (
    NOT_FINITE,
    BeamResult,
    SampleResult,
    bound_temperature,
    check_sampling,
    check_search,
)

PRECISIONS = ("float32", "int8")


class PackedDecoder:
    """A decoder's weights in the layout of the native kernels; safe to share between threads.

    Args:
        weights: contiguous float32 arrays by the names of `DecoderWeights`, those of `AttendLSTMWeights` in the
            place of `attend`; copied.
        precision: how matrices are stored: "float32", or "int8" with one scale a row and the states rounded to 8
            bits as well, a quarter of the memory and several times as fast.

    Raises:
        ValueError: shapes disagree, an array is not contiguous float32, or for "int8" not finite.
    """

    def __init__(self, weights: Mapping[str, np.ndarray], precision: str = "float32"):
        self.vocab_size = len(weights["embedding"])
        self._native = library.cpu.Decoder(precision=precision, **weights)
        self._barred: tuple[tuple[int, ...], np.ndarray] | None = None  # the last call's

    def search(
        self,
        features: np.ndarray,
        *,
        beam: int = 5,
        max_length: int = 20,
        n_best: int = 1,
        length_penalty: float = 0.7,
        start: int = START,
        end: int = END,
        banned: Sequence[int] = (PAD, START, UNKNOWN),
        threads: int | None = None,
    ) -> BeamResult:
        """Find the `n_best` captions of every image, without the interpreter's lock (rules: `pycap/ops/beam.py`).

        Args:
            features: regions from the encoder, `(images, regions, feature_dim)` float32, contiguous.
            beam, max_length, n_best, length_penalty, start, end, banned: as in `BeamDecoder.search`.
            threads: that share the work; None takes the library's setting.

        Returns:
            BeamResult of numpy arrays.

        Raises:
            ValueError: an argument is out of range, or the weights give no finite probability.
        """
        check_search(self.vocab_size, beam, max_length, n_best, length_penalty, end, banned)
        images, regions, _ = features.shape
        result = BeamResult(
            tokens=np.empty((images, n_best, max_length), np.int64),
            lengths=np.empty((images, n_best), np.int64),
            scores=np.empty((images, n_best), np.float32),
            log_probs=np.empty((images, n_best), np.float32),
            attention=np.empty((images, n_best, max_length, regions), np.float32),
        )
        finite = self._native.search(
            features=features,
            barred=self._bar([*banned, end]),
            **result._asdict(),
            beam=beam,
            length_penalty=length_penalty,
            start=start,
            end=end,
            pad=PAD,
            threads=threads or 0,
        )
        if not finite:
            raise ValueError(NOT_FINITE)
        return result

    def sample(
        self,
        features: np.ndarray,
        *,
        samples: int = 5,
        max_length: int = 20,
        seed: int = 0,
        temperature: float = 1.0,
        start: int = START,
        end: int = END,
        banned: Sequence[int] = (PAD, START, UNKNOWN),
        threads: int | None = None,
    ) -> SampleResult:
        """Draw captions of every image, without the interpreter's lock (rules: `pycap/ops/sample.py`).

        Args:
            features: regions from the encoder, `(images, regions, feature_dim)` float32, contiguous.
            samples, max_length, seed, temperature, start, end, banned: as in `BeamDecoder.sample`.
            threads: that share the work; None takes the library's setting.

        Returns:
            SampleResult of numpy arrays.

        Raises:
            ValueError: an argument is out of range, or the weights give no finite probability.
        """
        check_sampling(self.vocab_size, samples, max_length, seed, temperature, end, banned)
        shape = (len(features), samples)
        result = SampleResult(
            tokens=np.empty((*shape, max_length), np.int64),
            lengths=np.empty(shape, np.int64),
            log_probs=np.empty(shape, np.float32),
            ended=np.empty(shape, np.bool_),
        )
        finite = self._native.sample(
            features=features,
            barred=self._bar(banned),
            **result._asdict(),
            seed=seed,
            temperature=bound_temperature(temperature),
            start=start,
            end=end,
            pad=PAD,
            threads=threads or 0,
        )
        if not finite:
            raise ValueError(NOT_FINITE)
        return result

    def _bar(self, tokens: Sequence[int]) -> np.ndarray:
        tokens, last = tuple(tokens), self._barred
        if last is None or last[0] != tokens:
            barred = np.zeros(self.vocab_size, dtype=np.uint8)
            barred[list(tokens)] = 1
            last = self._barred = (tokens, barred)
        return last[1]
