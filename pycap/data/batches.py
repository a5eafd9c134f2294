"""Batches of pictures with all their captions, in an order that depends on nothing but seed and epoch.

Captions of one picture travel together, so that the encoder runs once per picture and not once per caption.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from pycap.config import PAD, START, TrainConfig
from pycap.data.dataset import CaptionDataset
from pycap.data.features import MIRROR, FeatureCache
from pycap.text import Vocabulary, tokenize
from pycap.window import zoom_cells

SIDES = {"left", "right"}  # a picture described by sides is never mirrored


@dataclass(frozen=True)
class Advice:
    """What trained captioners expect as the next word, at steps one after the other.

    Attributes:
        words: their likeliest words, `(steps, kept)` of any integer type.
        shares: the probabilities of these words, `(steps, kept)`; what is missing to 1 belongs to all words alike.
        key: tells this advice from other advice.
    """

    words: Tensor
    shares: Tensor
    key: str = ""

    def at(self, steps: np.ndarray) -> Advice:
        """Return the advice for some steps, ready to compute with."""
        return Advice(self.words[steps].long(), self.shares[steps].float(), self.key)

    def to(self, device: torch.device | str) -> Advice:
        """Return it on a device."""
        return Advice(self.words.to(device), self.shares.to(device), self.key)


@dataclass(frozen=True)
class Batch:
    """What one training step sees.

    Attributes:
        regions: what the frozen part of the CNN makes of the pictures, `(images, cells, channels)` float32.
        tokens: captions as read, start token first, `(batch, time)` int64, padded.
        targets: the next words of all real steps, captions one after the other, `(lengths.sum(),)` int64.
        lengths: steps of each caption (words and the end), `(batch,)` int64.
        image_index: picture of each caption, `(batch,)` int64, non-decreasing.
        examples: place of each picture in the training data, `(images,)` int64.
        advice: of all real steps, in the order of `targets`, where there are teachers.
    """

    regions: Tensor
    tokens: Tensor
    targets: Tensor
    lengths: Tensor
    image_index: Tensor
    examples: Tensor
    advice: Advice | None = None

    def to(self, device: torch.device | str) -> Batch:
        """Return the batch on a device; lengths too."""
        parts = (getattr(self, name) for name in self.__dataclass_fields__)
        return Batch(*(None if part is None else part.to(device) for part in parts))


class TrainingBatches:
    """All batches of an epoch, the same ones whenever the same epoch is asked for.

    Args:
        dataset: training examples whose regions are all in the cache.
        keys: cache key of each example's picture, in order.
        cache: regions.
        vocabulary: encodes captions.
        config: batch size, captions per picture, mirroring, seed.

    Attributes:
        captions: word ids of each picture's captions.
        plain, mirrored: cache rows of the pictures as they are, and mirrored where that is allowed.
        advice: what teachers expect at every step of all captions, one after the other; None without teachers.
    """

    def __init__(
        self,
        dataset: CaptionDataset,
        keys: Sequence[str],
        cache: FeatureCache,
        vocabulary: Vocabulary,
        config: TrainConfig,
    ):
        self.cache, self.config, self.keys, self.words = cache, config, tuple(keys), vocabulary.words
        tokenized = [[tokenize(caption) for caption in example.captions] for example in dataset]
        self.captions = [
            [vocabulary.encode(tokens, config.max_words) for tokens in captions if tokens]
            for captions in tokenized
        ]
        self.advice: Advice | None = None
        lengths = [len(caption) for captions in self.captions for caption in captions]
        self._bounds = np.cumsum([0, *lengths])  # first step of each caption, all counted on
        self._first = np.cumsum([0, *map(len, self.captions)])  # first caption of each picture
        self.plain = cache.rows(keys)
        self.mirrored = self.plain.copy()
        if config.mirror:
            sided = np.array(
                [any(SIDES & set(tokens) for tokens in captions) for captions in tokenized], dtype=bool
            )
            self.mirrored[~sided] = cache.rows(
                [key + MIRROR for key, has in zip(keys, sided, strict=True) if not has]
            )

    def fingerprint(self) -> str:
        """Return a digest of pictures, encoded captions and advice: with others, resuming would be no continuation."""
        digest = hashlib.sha256(repr(self.words).encode())
        for key, captions in zip(self.keys, self.captions, strict=True):
            digest.update(repr((key, captions)).encode())
        if self.advice is not None:
            digest.update(self.advice.key.encode())
        return digest.hexdigest()[:16]

    def epoch(self, number: int, first: int = 0, rank: int = 0, world: int = 1) -> Iterator[Batch]:
        """Yield one epoch's batches.

        Args:
            number: the epoch; fixes order, mirroring, windows and which captions are drawn.
            first: steps to leave out, when resuming inside the epoch.
            rank, world: this process and how many there are; each gets its own part of every step.
        """
        config, count = self.config, len(self.captions)
        random = np.random.default_rng([config.seed, number])
        order = random.permutation(count)
        view = np.where(random.random(count) < 0.5, self.mirrored, self.plain)
        draws = random.random((count, max(map(len, self.captions))))  # ranks of captions to draw
        windows = draw_windows(random, count, config.zoom)
        per_step = config.images_per_batch * world
        for start in range(first * per_step, count, per_step):
            step = (
                np.resize(order[start : start + per_step], per_step)
                if world > 1
                else order[start : start + per_step]
            )
            yield self._batch(step[rank::world], view, draws, windows)

    def steps(self, world: int = 1) -> int:
        """Return how many steps an epoch has with `world` processes."""
        return -(-len(self.captions) // (self.config.images_per_batch * world))

    def whole(self, examples: np.ndarray, view: np.ndarray) -> Batch:
        """Return pictures with all their captions, from the cache rows `view` (`plain` or `mirrored`), not zoomed."""
        chosen = [range(len(self.captions[example])) for example in examples]
        return self._collate(examples, view, chosen)

    def _batch(self, examples: np.ndarray, view: np.ndarray, draws: np.ndarray, windows: np.ndarray) -> Batch:
        drawn = [
            np.argsort(draws[example, : len(self.captions[example])])[: self.config.captions_per_image]
            for example in examples
        ]
        return self._collate(examples, view, drawn, windows if self.config.zoom < 1 else None)

    def _collate(
        self,
        examples: np.ndarray,
        view: np.ndarray,
        chosen: Sequence[Sequence[int]],
        windows: np.ndarray | None = None,
    ) -> Batch:
        """Return a batch of pictures with the chosen ones of their captions."""
        pairs = [(example, n) for example, numbers in zip(examples, chosen, strict=True) for n in numbers]
        captions = [self.captions[example][n] for example, n in pairs]
        image_index = [image for image, numbers in enumerate(chosen) for _ in numbers]
        regions = torch.from_numpy(self.cache.read(view[examples]).astype(np.float32))
        if windows is not None:
            regions = zoom_cells(regions, torch.from_numpy(windows[examples]))
        batch = collate(regions, captions, image_index, torch.from_numpy(examples))
        if self.advice is None:
            return batch
        began = [self._bounds[self._first[example] + n] for example, n in pairs]
        steps = [np.arange(step, step + len(words)) for step, words in zip(began, captions, strict=True)]
        return replace(batch, advice=self.advice.at(np.concatenate(steps)))


def draw_windows(random: np.random.Generator, count: int, smallest: float) -> np.ndarray:
    """Return random square windows `(count, 3)` float32: side as a share of the picture's, left and top edge."""
    side = random.uniform(smallest, 1, count)
    return np.stack([side, *(random.random((2, count)) * (1 - side))], axis=1).astype(np.float32)


def collate(
    regions: Tensor, captions: Sequence[Sequence[int]], image_index: Sequence[int], examples: Tensor
) -> Batch:
    """Make a batch of cells `(images, cells, channels)` and captions (word ids, END behind those that end)."""
    lengths = torch.tensor([len(caption) for caption in captions])
    tokens = torch.full((len(captions), int(lengths.max())), PAD)
    tokens[:, 0] = START
    for row, caption in enumerate(captions):
        tokens[row, 1 : len(caption)] = torch.tensor(caption[:-1])
    return Batch(
        regions=regions,
        tokens=tokens,
        targets=torch.tensor([word for caption in captions for word in caption]),
        lengths=lengths,
        image_index=torch.tensor(image_index),
        examples=examples,
    )
