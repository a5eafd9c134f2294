"""How a system speaks: its words, how often it says the same, what it never says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

from pycap.text import Vocabulary, tokenize


@dataclass(frozen=True)
class Speech:
    """What a set of captions, one for each picture, is like.

    Attributes:
        captions: how many there are.
        lengths: words of each.
        words: how often each word is used.
        distinct: captions that differ in their words.
        repeating: share in which a pair of neighbouring words comes twice ("a dog and a dog").
    """

    captions: int
    lengths: tuple[int, ...]
    words: Counter[str]
    distinct: int
    repeating: float

    @property
    def mean_words(self) -> float:
        """Words a caption."""
        return sum(self.lengths) / len(self.lengths)

    @classmethod
    def listen(cls, captions: Iterable[str]) -> Speech:
        """Count words as training does (`pycap.text.tokenize`).

        Raises:
            ValueError: no caption.
        """
        sentences = [tuple(tokenize(caption)) for caption in captions]
        if not sentences:
            raise ValueError("captions must hold at least one caption, got none")
        return cls(
            len(sentences),
            tuple(map(len, sentences)),
            Counter(chain.from_iterable(sentences)),
            len(set(sentences)),
            sum(map(repeats_a_pair, sentences)) / len(sentences),
        )


def repeats_a_pair(words: Sequence[str]) -> bool:
    """Return whether a pair of neighbouring words comes more than once."""
    pairs = list(pairwise(words))
    return len(set(pairs)) < len(pairs)


def measure_copies(captions: Iterable[str], training: Iterable[str]) -> float:
    """Return the share of captions whose words are those of a training caption."""
    known = {tuple(tokenize(caption)) for caption in training}
    said = [tuple(tokenize(caption)) for caption in captions]
    return sum(words in known for words in said) / len(said)


def list_unsaid(
    said: Counter[str], references: Counter[str], vocabulary: Vocabulary | None, count: int
) -> list[tuple[str, int, bool]]:
    """Return the most frequent words of the references that the captions never use.

    Args:
        said, references: how often each word is used.
        vocabulary: the model's, None if unknown.
        count: words at most.

    Returns:
        `(word, uses in the references, whether the model could say it)`, most frequent first.
    """
    ranked = sorted(references.items(), key=lambda item: (-item[1], item[0]))
    unsaid = ((word, uses) for word, uses in ranked if word not in said)
    return [
        (word, uses, vocabulary is None or word in vocabulary)
        for (word, uses), _ in zip(unsaid, range(count), strict=False)
    ]
