"""References tokenised and counted once, to score many sets of candidates against."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pycap.metrics.ngrams import Counts, NgramTable
from pycap.metrics.ptb import tokenize


class ImageCounts(NamedTuple):
    """N-grams of one order in the references, grouped by (image, n-gram), the groups sorted.

    Attributes:
        keys: `image * size + gram` of each group, `(groups,)`, increasing.
        starts: first entry of each group, and the number of entries, `(groups + 1,)`.
        rows: reference of each entry, `(entries,)`.
        counts: occurrences in that reference, `(entries,)`.
        most: largest count of each group, `(groups,)`.
        rarity: log(images / images whose references have the n-gram), `(size,)`.
        weights: tf-idf of each entry, `counts * rarity`, `(entries,)`.
        norms: Euclidean length of each reference's weights, `(references,)`.
        size: distinct n-grams.
    """

    keys: np.ndarray
    starts: np.ndarray
    rows: np.ndarray
    counts: np.ndarray
    most: np.ndarray
    rarity: np.ndarray
    weights: np.ndarray
    norms: np.ndarray
    size: int

    def find(self, images: np.ndarray, grams: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return where (image, gram) pairs stand: indices of those found `(found,)` and their groups `(found,)`."""
        keys = images * self.size + grams
        groups = np.searchsorted(self.keys, keys)
        inside = np.flatnonzero((grams < self.size) & (groups < len(self.keys)))
        inside = inside[self.keys[groups[inside]] == keys[inside]]
        return inside, groups[inside]


class References:
    """The references of a set of images, ready to score against.

    Preparing costs more than scoring: keep one object for all epochs.

    Args:
        captions: raw reference captions of each image, at least one per image.

    Attributes:
        ids: images, in order.
        sentences: tokenised references as strings, image by image.
        image_index: image of each reference, `(sentences,)`, non-decreasing.
        lengths: words of each reference, `(sentences,)`.
        counts: one `ImageCounts` per order of n-gram.

    Raises:
        ValueError: no image, an image without references, or a caption that is not a string.
    """

    def __init__(self, captions: Mapping[Hashable, Sequence[str]]):
        if not captions:
            raise ValueError("references must hold at least one image, got none")
        self.ids = tuple(captions)
        self.sentences: list[str] = []
        per_image = []
        for image, texts in captions.items():
            if isinstance(texts, str) or not texts:
                raise ValueError(f"references[{image!r}] must be a non-empty list of captions, got {texts!r}")
            self.sentences.extend(tokenize_caption(text, "references", image) for text in texts)
            per_image.append(len(texts))
        self.image_index = np.repeat(np.arange(len(self.ids)), per_image)
        self.first = np.concatenate(
            [[0], np.cumsum(per_image)]
        )  # first reference of each image, and their number
        self._numbers = {image: number for number, image in enumerate(self.ids)}
        self._table = NgramTable([sentence.split() for sentence in self.sentences])
        self.lengths = self._table.lengths
        self.counts = [
            _group(counts, self.image_index, size, len(self.ids))
            for counts, size in zip(self._table.counts, self._table.sizes, strict=True)
        ]

    def __len__(self) -> int:
        return len(self.ids)

    def arrange(self, candidates: Mapping[Hashable, str]) -> list[str]:
        """Tokenise one candidate per image, in the order of `ids`.

        Raises:
            ValueError: the images of `candidates` are not those of the references, or a caption is not a string.
        """
        missing = [image for image in self.ids if image not in candidates]
        extra = [image for image in candidates if image not in self._numbers]
        if missing or extra:
            what = [f"{len(missing)} without a candidate (first: {missing[0]!r})"] if missing else []
            what += [f"{len(extra)} without references (first: {extra[0]!r})"] if extra else []
            raise ValueError(
                f"candidates must have exactly the {len(self.ids)} images of references, got {len(candidates)}: "
                + ", ".join(what)
            )
        return [tokenize_caption(candidates[image], "candidates", image) for image in self.ids]

    def count(self, sentences: Sequence[str]) -> tuple[np.ndarray, list[Counts]]:
        """Count the n-grams of tokenised sentences: their lengths `(sentences,)` and one `Counts` per order."""
        return self._table.count([sentence.split() for sentence in sentences])


def tokenize_caption(text: str, argument: str, image: Hashable) -> str:
    """Tokenise, or raise ValueError naming the argument and the image when `text` is not a string."""
    if not isinstance(text, str):
        raise ValueError(f"{argument}[{image!r}] must be text, got {type(text).__name__}")
    return tokenize(text)


def _group(counts: Counts, image_index: np.ndarray, size: int, images: int) -> ImageCounts:
    """Sort the entries of one order by (image, n-gram) and weigh them."""
    keys = image_index[counts.rows] * size + counts.grams
    order = np.argsort(keys, kind="stable")
    rows, counted = counts.rows[order], counts.counts[order]
    groups, starts = np.unique(keys[order], return_index=True)
    most = np.maximum.reduceat(counted, starts) if len(starts) else counted
    rarity = np.log(images) - np.log(np.bincount(groups % max(size, 1), minlength=size))
    weights = counted * rarity[counts.grams[order]]
    norms = np.sqrt(np.bincount(rows, weights=weights**2, minlength=len(image_index)))
    return ImageCounts(
        groups, np.append(starts, len(keys)), rows, counted, most, rarity, weights, norms, size
    )
