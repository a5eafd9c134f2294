"""CIDEr and CIDEr-D (Vedantam et al. 2015): agreement with the references, rare n-grams counting more."""

from __future__ import annotations

import numpy as np

from pycap.metrics.ngrams import ORDERS, Counts
from pycap.metrics.references import References

SIGMA = 6.0  # of the length penalty of CIDEr-D, in words


def score_cider(
    lengths: np.ndarray,
    counts: list[Counts],
    references: References,
    image_index: np.ndarray | None = None,
    variant: str = "cider-d",
) -> np.ndarray:
    """Score candidates by the tf-idf cosine with each reference of their image, averaged, times 10.

    Document frequencies count the images of `references`. CIDEr-D, which coco-caption prints under the name CIDEr,
    also clips an n-gram's weight at the reference's and multiplies by `exp(-difference in length ** 2 / 72)`.

    Args:
        lengths: words of each candidate, `(candidates,)`.
        counts: their n-grams, from `references.count`.
        references: prepared references.
        image_index: image of each candidate, `(candidates,)`; by default candidate i belongs to image i.
        variant: "cider-d" or "cider".

    Returns:
        score of each candidate, `(candidates,)`, from 0 to 10; the corpus score is their mean.

    Raises:
        ValueError: an unknown variant.
    """
    if variant not in ("cider", "cider-d"):
        raise ValueError(f"variant must be 'cider' or 'cider-d', got {variant!r}")
    images = np.arange(len(lengths)) if image_index is None else image_index
    sizes = np.diff(references.first)[images]  # references of each candidate
    pair_starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])  # a pair is (candidate, one of its references)
    pair_offsets = (
        pair_starts - references.first[images]
    )  # pair = offset of the candidate + row of the reference
    pair_candidates = np.repeat(np.arange(len(lengths)), sizes)
    pair_rows = np.arange(len(pair_candidates)) - pair_offsets[pair_candidates]
    similarity = np.zeros(len(pair_candidates))
    for found, known in zip(counts, references.counts, strict=True):
        seen = found.grams < known.size
        rarity = np.full(len(found.grams), np.log(len(references)))  # an unseen n-gram counts as seen once
        rarity[seen] = known.rarity[found.grams[seen]]
        ours = found.counts * rarity
        norms = np.sqrt(np.bincount(found.rows, weights=ours**2, minlength=len(lengths)))
        hits, groups = known.find(images[found.rows], found.grams)
        spans = (
            known.starts[groups + 1] - known.starts[groups]
        )  # references of the image that have the n-gram
        entries = np.arange(spans.sum()) + np.repeat(known.starts[groups] - np.cumsum(spans) + spans, spans)
        hits = np.repeat(hits, spans)
        theirs = known.weights[entries]
        mine = np.minimum(ours[hits], theirs) if variant == "cider-d" else ours[hits]
        pairs = pair_offsets[found.rows[hits]] + known.rows[entries]
        dots = np.bincount(pairs, weights=mine * theirs, minlength=len(similarity))
        scale = norms[pair_candidates] * known.norms[pair_rows]
        similarity += dots / np.where(scale == 0, 1, scale)
    if variant == "cider-d":
        # lengths count bigrams, as the published code does: captions of no word and of one word are equally long
        ours, theirs = np.maximum(lengths - 1, 0), np.maximum(references.lengths - 1, 0)
        difference = ours[pair_candidates] - theirs[pair_rows]
        similarity *= np.exp(-(difference**2) / (2 * SIGMA**2))
    totals = np.bincount(pair_candidates, weights=similarity, minlength=len(lengths))
    return 10 * totals / (ORDERS * sizes)
