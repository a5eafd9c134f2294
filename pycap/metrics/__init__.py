"""Caption scores as coco-caption computes them, without Java: BLEU-1..4, ROUGE-L, CIDEr; METEOR where Java is.

Every score is of the corpus, on coco-caption's scale: 0 to 1, CIDEr 0 to 10. Captions go in as raw text; both sides
pass through the same Penn Treebank tokenisation.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from pycap.metrics.bleu import score_bleu
from pycap.metrics.cider import score_cider
from pycap.metrics.meteor import score_meteor
from pycap.metrics.ptb import tokenize
from pycap.metrics.references import References
from pycap.metrics.rouge import score_rouge

__all__ = ["References", "score", "score_sentences", "tokenize"]


def score(
    candidates: Mapping[Hashable, str],
    references: Mapping[Hashable, Sequence[str]] | References,
    meteor: bool = False,
) -> dict[str, float | None]:
    """Score one caption per image against the references of the same images.

    Args:
        candidates: image -> raw caption.
        references: image -> raw captions, or `References` prepared from them (faster when scored repeatedly).
        meteor: also run METEOR (seconds; needs Java and pycocoevalcap, else a line on stderr says what is missing).

    Returns:
        `bleu_1` to `bleu_4`, `rouge_l`, `cider` (CIDEr-D, what coco-caption prints as CIDEr) and `meteor`
        (None when not asked for or not available).

    Raises:
        ValueError: the images of the two differ, there are none, or a caption is not a string.
    """
    references, sentences, bleu, _, rouge, cider = _score_all(candidates, references)
    result = {f"bleu_{order}": float(value) for order, value in enumerate(bleu, 1)}
    result["rouge_l"] = float(np.mean(rouge))
    result["cider"] = float(np.mean(cider))
    found = score_meteor(sentences, references) if meteor else None
    result["meteor"] = found[0] if found else None
    return result


def score_sentences(
    candidates: Mapping[Hashable, str], references: Mapping[Hashable, Sequence[str]] | References
) -> dict[Hashable, dict[str, float]]:
    """Score every caption by itself, for looking at single failures; arguments and errors as for `score`.

    Returns:
        image -> `bleu_1` to `bleu_4`, `rouge_l`, `cider`, in the references' order. The means of `rouge_l` and `cider`
        are the corpus scores; those of BLEU are not.
    """
    references, _, _, bleu, rouge, cider = _score_all(candidates, references)
    return {
        image: {
            **{f"bleu_{order}": float(value) for order, value in enumerate(bleu[number], 1)},
            "rouge_l": float(rouge[number]),
            "cider": float(cider[number]),
        }
        for number, image in enumerate(references.ids)
    }


def _score_all(
    candidates: Mapping[Hashable, str], references: Mapping[Hashable, Sequence[str]] | References
) -> tuple[References, list[str], np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return references, tokenised candidates, corpus BLEU, and per sentence BLEU, ROUGE-L and CIDEr."""
    if not isinstance(references, References):
        references = References(references)
    sentences = references.arrange(candidates)
    lengths, counts = references.count(sentences)
    bleu, bleus = score_bleu(lengths, counts, references)
    rouge = score_rouge(sentences, references)
    return references, sentences, bleu, bleus, rouge, score_cider(lengths, counts, references)
