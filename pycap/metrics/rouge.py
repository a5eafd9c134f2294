"""ROUGE-L (Lin 2004): the longest common subsequence of a caption and its references, as coco-caption computes it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pycap.metrics.references import References

BETA = 1.2  # recall counts beta times as much as precision


def score_rouge(
    sentences: Sequence[str], references: References, image_index: Sequence[int] | None = None
) -> np.ndarray:
    """Score candidates by an F-measure of the best precision and the best recall over their references.

    The two maxima may come from different references. An empty sentence counts as one empty word, so that it matches
    an empty reference and nothing else; both are coco-caption's rules.

    Args:
        sentences: tokenised candidates.
        references: prepared references.
        image_index: image of each candidate; by default candidate i belongs to image i.

    Returns:
        score of each candidate, `(candidates,)`; the corpus score is their mean.
    """
    images = range(len(sentences)) if image_index is None else image_index
    scores = np.zeros(len(sentences))
    for number, (sentence, image) in enumerate(zip(sentences, images, strict=True)):
        words = sentence.split(" ")
        positions: dict[str, int] = {}
        for position, word in enumerate(words):
            positions[word] = positions.get(word, 0) | 1 << position
        precision = recall = 0.0
        for reference in references.sentences[references.first[image] : references.first[image + 1]]:
            theirs = reference.split(" ")
            common = _measure_common(theirs, positions, len(words))
            precision = max(precision, common / len(words))
            recall = max(recall, common / len(theirs))
        if precision and recall:
            scores[number] = (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)
    return scores


def _measure_common(words: Sequence[str], positions: dict[str, int], length: int) -> int:
    """Return the length of the longest common subsequence (bit-parallel, Crochemore et al. 2001).

    Args:
        words: one sentence.
        positions: for each word of the other sentence, an integer whose bit i is set when it stands at i.
        length: words of the other sentence.
    """
    full = (1 << length) - 1
    row = full
    for word in words:
        matches = row & positions.get(word, 0)
        row = (row + matches | row - matches) & full
    return length - row.bit_count()
