"""Sentences as words, and words as pieces: what the network reads. Rules of nltk that need no downloaded data."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import cache

import numpy as np
from nltk.stem import SnowballStemmer
from nltk.tokenize import TreebankWordTokenizer

PAD, UNKNOWN = 0, 1  # ids before those of the features
LETTERS = (3, 4, 5)  # lengths of the letter groups of a word
_TREEBANK, _STEMMER = TreebankWordTokenizer(), SnowballStemmer("english")
_PUBLISHED = {"-lrb-": "(", "-rrb-": ")", "-lsb-": "[", "-rsb-": "]", "``": '"', "''": '"'}
_QUOTES = str.maketrans("‘’“”", "''\"\"")
_SENTENCE_END = re.compile(r"(?<=[a-z0-9)\"'][.!?])\s+(?=\S)")  # the tokeniser frees only the last full stop
_TAG = re.compile(r"<[^<>]*>")


def split_words(text: str) -> list[str]:
    """Split a sentence as the Penn Treebank does, in small letters; already split text stays as it is.

    Args:
        text: "It's a fine film!" or "it 's a fine film !".

    Returns:
        `["it", "'s", "a", "fine", "film", "!"]`; empty where there is no word.
    """
    text = _TAG.sub(" ", text.translate(_QUOTES).lower())
    words = [word for part in _SENTENCE_END.split(text) for word in _TREEBANK.tokenize(part)]
    return [_PUBLISHED.get(word, word) for word in words]


@cache
def stem(word: str) -> str:
    """Return a word without its endings: "moving", "moved", "moves" give "move" or "mov"."""
    return _STEMMER.stem(word)


@cache
def word_pieces(word: str) -> tuple[str, ...]:
    """Return the features of one word: itself, its stem, and its groups of three to five letters.

    Letter groups see word beginnings and ends as `<` and `>` (Bojanowski et al. 2017); they let a word that
    training never showed, such as "unfunniest", borrow from those that look alike.
    """
    marked = f"<{word}>"
    groups = {marked[i : i + n] for n in LETTERS for i in range(len(marked) - n + 1)}
    return (f"word {word}", f"stem {stem(word)}", *(f"part {group}" for group in sorted(groups)))


def pairs(words: list[str]) -> list[str]:
    """Return each word's stem with the one before it, `"pair not good"`, one a word."""
    stems = [stem(word) for word in words]
    return [f"pair {before} {word}" for before, word in zip(["<s>", *stems[:-1]], stems, strict=True)]


class Lexicon:
    """The features of training sentences, numbered.

    Args:
        features: in id order; the first gets id 2.
    """

    def __init__(self, features: Iterable[str]):
        self.features = list(features)
        self.ids = {feature: number for number, feature in enumerate(self.features, start=2)}

    @classmethod
    def build(cls, sentences: Iterable[list[str]]) -> Lexicon:
        """Collect words and stems of training sentences, and the letter groups and pairs that two of them have."""
        counts: Counter[str] = Counter()
        for words in sentences:
            counts.update({piece for word in words for piece in word_pieces(word)} | set(pairs(words)))
        return cls(sorted(f for f, count in counts.items() if count > 1 or f.startswith(("word ", "stem "))))

    def __len__(self) -> int:
        return len(self.features) + 2

    def batch(self, sentences: list[list[str]]) -> Batch:
        """Number the words of sentences, none of them empty."""
        lengths = np.array([len(words) for words in sentences], np.int64)
        rows: dict[str, int] = {}
        place = np.zeros((len(sentences), lengths.max()), np.int64)
        pair = np.zeros_like(place)
        for i, words in enumerate(sentences):
            place[i, : len(words)] = [rows.setdefault(word, len(rows)) for word in words]
            pair[i, : len(words)] = [self.ids.get(name, UNKNOWN) for name in pairs(words)]
        known = [self._known(word) for word in rows]
        pieces = np.zeros((len(rows), max(map(len, known))), np.int64)
        share = np.zeros(pieces.shape, np.float32)
        for i, ids in enumerate(known):
            pieces[i, : len(ids)] = ids
            share[i, :2] = 1.0
            share[i, 2 : len(ids)] = max(1, len(ids) - 2) ** -0.5  # of many letter groups, each counts less
        return Batch(pieces, share, place, pair, lengths)

    def _known(self, word: str) -> list[int]:
        own, root, *parts = (self.ids.get(piece, UNKNOWN) for piece in word_pieces(word))
        return [own, root, *(part for part in parts if part != UNKNOWN)]


class Batch:
    """Sentences as numbers.

    Attributes:
        pieces, share: features of every different word and how much each counts, `(words, pieces)`.
        place: row of `pieces` for each word of each sentence, `(batch, time)`.
        pair: feature of each word with the one before it, `(batch, time)`.
        lengths: words of each sentence, `(batch,)`; what lies behind is padding.
    """

    def __init__(
        self, pieces: np.ndarray, share: np.ndarray, place: np.ndarray, pair: np.ndarray, lengths: np.ndarray
    ):
        self.pieces, self.share, self.place, self.pair, self.lengths = pieces, share, place, pair, lengths
