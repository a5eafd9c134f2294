"""Pictures in, captions out: a loaded checkpoint as one callable that any number of threads may share.

Reads what training wrote (`pycap.checkpoint`) and knows nothing about how it was trained, nor what computes
(`pycap.engines`). Imports no torch.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, overload

import numpy as np

from pycap import engines
from pycap.checkpoint import Checkpoint
from pycap.checkpoint import load as load_checkpoint
from pycap.config import SearchConfig, check_limits
from pycap.data.images import ImageError, preprocess, read_image
from pycap.engines.device import choose_device
from pycap.ops.decoding import BeamResult
from pycap.phrases import Phrases

BATCH_SIZE = 16


@dataclass(frozen=True, eq=False)
class Caption:
    """What the model says about one picture; `str(caption)` is the sentence.

    Attributes:
        text: the sentence.
        score: its log-probability, divided by `(words + 1) ** length_penalty`; larger (nearer 0) is likelier.
        words: the words of `text`, one for each map of `attention`.
        attention: where the decoder looked for each word, `(words, rows, cols)` float32, each map summing
            to 1; the grid covers the central square of the picture, less the rim outside `model.window`.
        n_best: the best sentences with their scores, best first; the first is `(text, score)`. Where the checkpoint
            knows phrases, the best one need not be the likeliest (`SearchConfig.phrase_weight`).
        encoder_attention: where each region looked in the encoder's last layer, mean over its heads,
            `(rows * cols, rows * cols)` float32, each row summing to 1; None if the model has no such layer.
    """

    text: str
    score: float
    words: tuple[str, ...]
    attention: np.ndarray
    n_best: tuple[tuple[str, float], ...]
    encoder_attention: np.ndarray | None = None

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, eq=False)
class Encoded:
    """A batch of pictures as the decoder sees them, to be searched as often as wanted.

    Attributes:
        problems: for each picture the reason why it could not be read, None for one that could.
        features: encoder output of the readable ones, `(readable, regions, feature_dim)`, an array of the engine
            that made it; None if there are none.
        encoder_attention: their `Caption.encoder_attention`, one each, or None.
        pooled: what the CNN sees in them, `(readable, POOLS, region_channels)` float32; None if there are none.
    """

    problems: tuple[ImageError | None, ...]
    features: Any
    encoder_attention: tuple[np.ndarray | None, ...]
    pooled: np.ndarray | None = None


class Captioner:
    """Captions pictures with the weights of one checkpoint; safe to share between threads.

    Args:
        checkpoint: from `pycap.checkpoint.load`.
        backend: "native" or "reference"; None takes the native kernels where they are built, and else
            warns and takes the reference.
        threads: CPU threads of the kernels, and of torch where it computes, for the whole process; None leaves
            them alone.
        precision: of the native kernels on the CPU: "reduced" stores the decoder in 8 bits and multiplies the
            encoder in 16, as bfloat16 where the CPU has AMX, as integers where it has VNNI; "full" computes in
            float32 throughout. A few captions in a hundred differ, scores on dev by less than 0.003 CIDEr.
            PyTorch computes in float32 in any case.

    Raises:
        ValueError: the backend or the precision has another name, or `threads` is below 1.
        RuntimeError: "native" is asked for but not built, or torch is needed and not installed.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        backend: str | None = None,
        threads: int | None = None,
        precision: str = engines.PRECISIONS[0],
    ):
        self.checkpoint = checkpoint
        self.backend = backend
        self._engine = engines.choose(checkpoint, backend, threads, precision)
        self._phrases = None if checkpoint.phrases is None else Phrases(checkpoint.phrases)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str] | None = None,
        device: str = "cpu",
        backend: str | None = None,
        threads: int | None = None,
        precision: str = engines.PRECISIONS[0],
    ) -> Captioner:
        """Load a captioner.

        Args:
            path: checkpoint folder; None for the one that comes with pycap.
            device: "cpu", "cuda", "cuda:1", or "auto" for CUDA where there is a GPU.
            backend: "native" or "reference", as for the class.
            threads: CPU threads, as for the class.
            precision: "reduced" or "full", as for the class.

        Raises:
            CheckpointError: the folder is missing, incomplete or broken (a RuntimeError of one line).
            ValueError: `device`, `backend`, `threads` or `precision` make no sense here.
            RuntimeError: `backend="native"` without the compiled kernels.
        """
        checkpoint = load_checkpoint(None if path is None else Path(path), choose_device(device))
        return cls(checkpoint, backend, threads, precision)

    @property
    def threads(self) -> int:
        """CPU threads that captioning takes."""
        return self._engine.threads

    @property
    def search(self) -> SearchConfig:
        """The checkpoint's own search settings, which hold where a call does not say otherwise."""
        return self.checkpoint.config.search

    @overload
    def __call__(self, images: list[Any] | tuple[Any, ...], **settings: Any) -> list[Caption]: ...
    @overload
    def __call__(self, images: Any, **settings: Any) -> Caption: ...
    def __call__(self, images: Any, **settings: Any) -> Caption | list[Caption]:
        """Caption one picture or a list of them.

        Args:
            images: a path, a PIL image, a uint8 array `(height, width[, 3 or 4])`, the bytes of a picture
                file or an open file; or a list or tuple of these.
            **settings: `beam, n_best, max_length, length_penalty, phrase_weight, batch_size`, as for `caption_each`.

        Returns:
            One Caption, or one for each picture of the list.

        Raises:
            ImageError: a picture cannot be read; one line that names it (`caption_each` goes on instead).
            ValueError: a setting is out of range.
        """
        alone = not isinstance(images, (list, tuple))
        captions = []
        for result in self.caption_each([images] if alone else images, **settings):
            if isinstance(result, ImageError):
                raise result
            captions.append(result)
        return captions[0] if alone else captions

    def caption_each(
        self,
        images: Iterable[Any],
        *,
        beam: int | None = None,
        n_best: int = 1,
        max_length: int | None = None,
        length_penalty: float | None = None,
        phrase_weight: float | None = None,
        batch_size: int = BATCH_SIZE,
    ) -> Iterator[Caption | ImageError]:
        """Caption a stream of pictures; those that cannot be read do not stop it.

        Args:
            images: pictures as for a call; taken as they are needed, at most two batches ahead.
            beam: sentences kept alive in the search; 1 is greedy. None takes the checkpoint's setting.
            n_best: sentences returned for a picture, at most `beam`.
            max_length: words at most. None takes the checkpoint's setting.
            length_penalty: exponent of the length that divides log-probabilities. None: the checkpoint's.
            phrase_weight: of what a sentence's phrases let expect (`SearchConfig`). None: the checkpoint's.
            batch_size: pictures encoded and searched together.

        Returns:
            An iterator with a Caption, or the ImageError, for each picture, in order.

        Raises:
            ValueError: a setting is out of range.
        """
        chosen = self._choose(beam, n_best, max_length, length_penalty, phrase_weight)
        encoded = self.encode_each(images, batch_size=batch_size)
        return (result for batch in encoded for result in self._search(batch, *chosen))

    def encode_each(
        self, images: Iterable[Any], *, batch_size: int = BATCH_SIZE, ahead: int = 1
    ) -> Iterator[Encoded]:
        """Read pictures and run CNN and encoder over them, to search each batch more than once.

        Args:
            images: as for `caption_each`.
            batch_size: pictures encoded together.
            ahead: batches of pictures read while the caller works on the batch before.

        Returns:
            An iterator with one Encoded for each batch, in order.

        Raises:
            ValueError: `batch_size` is below 1 or `ahead` below 0.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        if ahead < 0:
            raise ValueError(f"ahead must be at least 0, got {ahead}")
        return self._stream(iter(images), batch_size, ahead)

    def search_batch(
        self,
        encoded: Encoded,
        *,
        beam: int | None = None,
        n_best: int = 1,
        max_length: int | None = None,
        length_penalty: float | None = None,
        phrase_weight: float | None = None,
    ) -> list[Caption | ImageError]:
        """Caption a batch from `encode_each`; settings, results and errors as for `caption_each`."""
        return self._search(encoded, *self._choose(beam, n_best, max_length, length_penalty, phrase_weight))

    def _choose(
        self,
        beam: int | None,
        n_best: int,
        max_length: int | None,
        length_penalty: float | None,
        phrase_weight: float | None,
    ) -> tuple[SearchConfig, int]:
        """Return checked settings, the checkpoint's own in the place of None."""
        chosen = {
            "beam": beam,
            "max_length": max_length,
            "length_penalty": length_penalty,
            "phrase_weight": phrase_weight,
        }
        search = replace(self.search, **{name: value for name, value in chosen.items() if value is not None})
        for name in chosen:
            check_limits(f"search.{name}", getattr(search, name))
        if not 1 <= n_best <= search.beam:
            raise ValueError(f"n_best must be from 1 to beam={search.beam}, got {n_best}; widen the beam")
        return search, n_best

    def _stream(self, images: Iterator[Any], batch_size: int, ahead: int) -> Iterator[Encoded]:
        window = (1 + ahead) * batch_size
        waiting: deque[Future[np.ndarray | ImageError]] = deque()
        pool = ThreadPoolExecutor(min(self.threads, window), thread_name_prefix="pycap-read")
        try:
            while True:
                for image in islice(images, window - len(waiting)):
                    waiting.append(pool.submit(self._read, image))
                if not waiting:
                    return
                yield self._encode([waiting.popleft().result() for _ in range(min(batch_size, len(waiting)))])
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _read(self, image: Any) -> np.ndarray | ImageError:
        """Return pixels `(3, size, size)`, or the reason why there are none."""
        config = self.checkpoint.config.preprocess
        try:
            return preprocess(read_image(image, at_least=2 * config.size), config)
        except ImageError as error:
            return error

    def _encode(self, batch: list[np.ndarray | ImageError]) -> Encoded:
        """Encode what could be read of a batch: pixels `(3, size, size)` each."""
        problems = tuple(item if isinstance(item, ImageError) else None for item in batch)
        pixels = [item for item in batch if not isinstance(item, ImageError)]
        if not pixels:
            return Encoded(problems, None, ())
        features, attention, pooled = self._engine.encode(np.stack(pixels))
        if attention is None:
            return Encoded(problems, features, (None,) * len(pixels), pooled)
        looked = tuple(each.copy() for each in attention)  # the batch's memory can go
        return Encoded(problems, features, looked, pooled)

    def _search(self, encoded: Encoded, search: SearchConfig, n_best: int) -> list[Caption | ImageError]:
        """Put a Caption in the place of every picture of the batch that could be read."""
        if encoded.features is None:
            return list(encoded.problems)
        if self._phrases is None or search.phrase_weight == 0:
            result = self._engine.search(encoded.features, search, n_best)
        else:
            result = self._choose_phrases(encoded, search, n_best)
        captions = iter(
            [self._build_caption(result, *numbered) for numbered in enumerate(encoded.encoder_attention)]
        )
        return [next(captions) if problem is None else problem for problem in encoded.problems]

    def _choose_phrases(self, encoded: Encoded, search: SearchConfig, n_best: int) -> BeamResult:
        """Search for as many sentences as the beam is wide; return those whose phrases fit the picture best."""
        found = self._engine.search(encoded.features, search, search.beam)
        expected = self._phrases.score(encoded.pooled, found.tokens, found.lengths)
        worth = found.scores + search.phrase_weight * np.where(found.lengths > 0, expected, 0)
        order = np.argsort(-worth, axis=1, kind="stable")[:, :n_best]
        rows = np.arange(len(order))[:, None]
        return BeamResult(*(part[rows, order] for part in found))

    def _build_caption(self, result: BeamResult, image: int, encoder_attention: np.ndarray | None) -> Caption:
        vocabulary, grid = self.checkpoint.vocabulary, self.checkpoint.config.model.grid
        sentences = [
            (vocabulary.decode(tokens[:length]), float(score))
            for tokens, length, score in zip(
                result.tokens[image].tolist(),
                result.lengths[image].tolist(),
                result.scores[image].tolist(),
                strict=True,
            )
            if length > 0  # a tiny vocabulary may have fewer sentences than asked for
        ]
        length = int(result.lengths[image, 0])
        attention = result.attention[image, 0, :length].reshape(length, grid, grid)
        return Caption(
            text=sentences[0][0],
            score=sentences[0][1],
            words=tuple(vocabulary.words[token] for token in result.tokens[image, 0, :length].tolist()),
            attention=attention.astype(np.float32),  # a copy: the batch's memory can go
            n_best=tuple(sentences),
            encoder_attention=encoder_attention,
        )
