"""BLEU-1 to BLEU-4 of a corpus and of single captions (Papineni et al. 2002), as coco-caption computes them."""

from __future__ import annotations

import numpy as np

from pycap.metrics.ngrams import ORDERS, Counts
from pycap.metrics.references import References

SMALL = 1e-9  # added to denominators: no division by zero
TINY = (
    1e-15  # added to numerators: an n-gram precision of 0 stays (nearly) 0, and 0 / 0 is 1e-6, not an error
)


def score_bleu(
    lengths: np.ndarray, counts: list[Counts], references: References, image_index: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Score candidates against all references of their images.

    Clipped n-gram precision with the largest count in any one reference; the brevity penalty takes the reference
    closest in length, on ties the shorter. The corpus score is made of summed counts, it is not a mean of sentences.

    Args:
        lengths: words of each candidate, `(candidates,)`.
        counts: their n-grams, from `references.count`.
        references: prepared references.
        image_index: image of each candidate, `(candidates,)`; by default candidate i belongs to image i.

    Returns:
        BLEU-1..4 of the corpus `(4,)` and of each candidate `(candidates, 4)`.
    """
    images = np.arange(len(lengths)) if image_index is None else image_index
    guesses = np.maximum(lengths[:, None] - np.arange(ORDERS), 0)  # (candidates, 4)
    matches = np.zeros((len(lengths), ORDERS))
    for order, (found, known) in enumerate(zip(counts, references.counts, strict=True)):
        hits, groups = known.find(images[found.rows], found.grams)
        clipped = np.minimum(found.counts[hits], known.most[groups])
        matches[:, order] = np.bincount(found.rows[hits], weights=clipped, minlength=len(lengths))
    closest = _find_closest_lengths(lengths, references, images)
    corpus = _combine(matches.sum(0), guesses.sum(0), lengths.sum(), closest.sum())
    return corpus, _combine(matches, guesses, lengths, closest)


def _find_closest_lengths(lengths: np.ndarray, references: References, images: np.ndarray) -> np.ndarray:
    """Return the reference length nearest to each candidate's, the shorter on ties, `(candidates,)`."""
    sizes = np.diff(references.first)[images]
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    rows = np.repeat(references.first[images] - starts, sizes) + np.arange(sizes.sum())
    theirs = references.lengths[rows]
    # one number that orders by distance first, then by length
    scale = int(references.lengths.max(initial=0)) + 1
    ranks = np.abs(theirs - np.repeat(lengths, sizes)) * scale + theirs
    return np.minimum.reduceat(ranks, starts) % scale


def _combine(matches: np.ndarray, guesses: np.ndarray, length: np.ndarray, closest: np.ndarray) -> np.ndarray:
    """Turn counts `(..., 4)` and lengths `(...)` into BLEU-1..4 `(..., 4)`."""
    precision = np.cumprod((matches + TINY) / (guesses + SMALL), axis=-1)
    ratio = (np.asarray(length, dtype=float) + TINY) / (np.asarray(closest, dtype=float) + SMALL)
    penalty = np.exp(np.minimum(0.0, 1 - 1 / ratio))
    return precision ** (1 / np.arange(1, ORDERS + 1)) * penalty[..., None]
