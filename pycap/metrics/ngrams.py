"""Count n-grams of many sentences at once; BLEU and CIDEr see only these counts.

A sentence is a list of words, a row is a sentence's number. N-grams are numbered per order: an n-gram is the
pair (its first n - 1 words, its last word), so four sorted tables of pairs stand for all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np

ORDERS = 4  # unigrams to 4-grams


class Counts(NamedTuple):
    """How often each n-gram of one order occurs in each sentence, sorted by `rows`, then `grams`.

    Attributes:
        rows: sentence, `(entries,)`.
        grams: number of the n-gram, `(entries,)`.
        counts: occurrences, `(entries,)`.
    """

    rows: np.ndarray
    grams: np.ndarray
    counts: np.ndarray


class NgramTable:
    """The n-grams of a fixed set of sentences, numbered, to count those and others by.

    Args:
        sentences: words of each sentence; any of them may be empty.

    Attributes:
        lengths: words of each sentence, `(sentences,)`.
        sizes: distinct n-grams of each order.
        counts: one `Counts` per order, of the sentences themselves.
    """

    def __init__(self, sentences: Sequence[Sequence[str]]):
        words = dict.fromkeys(chain.from_iterable(sentences))
        self._words: dict[str, int] = dict(zip(words, range(len(words)), strict=True))
        self._pairs: list[np.ndarray] = []  # of orders 2, 3, 4: sorted `first * words + last`
        self.lengths, self.counts = self._walk(sentences, learn=True)
        self.sizes = [len(self._words), *(len(pairs) for pairs in self._pairs)]

    def count(self, sentences: Sequence[Sequence[str]]) -> tuple[np.ndarray, list[Counts]]:
        """Count other sentences by the same numbers.

        Args:
            sentences: words of each sentence.

        Returns:
            words of each sentence `(sentences,)` and one `Counts` per order. N-grams that are not in the table get
            numbers from `sizes[order - 1]` up, equal within this call only.
        """
        return self._walk(sentences, learn=False)

    def _walk(self, sentences: Sequence[Sequence[str]], learn: bool) -> tuple[np.ndarray, list[Counts]]:
        lengths = np.fromiter(map(len, sentences), dtype=np.int64, count=len(sentences))
        text = list(chain.from_iterable(sentences))
        fresh = {} if learn else dict.fromkeys(word for word in text if word not in self._words)
        known, width = len(self._words), len(self._words) + len(fresh)
        numbers = self._words | dict(zip(fresh, range(known, width), strict=True)) if fresh else self._words
        words = np.fromiter(map(numbers.__getitem__, text), dtype=np.int64, count=len(text))
        rows = np.repeat(np.arange(len(sentences)), lengths)
        remaining = np.repeat(np.cumsum(lengths), lengths) - np.arange(
            len(words)
        )  # words from here to the row's end
        starts, grams = np.arange(len(words)), words
        counts = [_count(rows, grams, width)]
        for order in range(2, ORDERS + 1):
            longer = remaining[starts] >= order
            starts, first = starts[longer], grams[longer]
            last = words[starts + order - 1]
            if learn:
                pairs, grams = np.unique(first * known + last, return_inverse=True)
                self._pairs.append(pairs)
                size = len(pairs)
            else:
                grams, size = self._number(order, first, last, known, width)
            counts.append(_count(rows[starts], grams, size))
        return lengths, counts

    def _number(
        self, order: int, first: np.ndarray, last: np.ndarray, known: int, width: int
    ) -> tuple[np.ndarray, int]:
        """Look pairs up in the table of `order`, numbering the unseen ones after it."""
        pairs = self._pairs[order - 2]
        seen_first = known if order == 2 else len(self._pairs[order - 3])
        keys = first * known + last
        grams = np.searchsorted(pairs, keys)
        found = (first < seen_first) & (last < known) & (grams < len(pairs))
        found[found] = pairs[grams[found]] == keys[found]
        unseen, numbers = np.unique((first * width + last)[~found], return_inverse=True)
        grams[~found] = len(pairs) + numbers
        return grams, len(pairs) + len(unseen)


def _count(rows: np.ndarray, grams: np.ndarray, size: int) -> Counts:
    """Count equal (row, gram) pairs; `size` is above every gram."""
    size = max(size, 1)
    keys, counts = np.unique(rows * size + grams, return_counts=True)
    return Counts(keys // size, keys % size, counts)
