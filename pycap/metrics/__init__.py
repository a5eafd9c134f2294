"""Caption scores as coco-caption computes them, without Java: BLEU-1..4, ROUGE-L, CIDEr; with Java METEOR and SPICE.

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
from pycap.metrics.spice import score_spice

__all__ = ["References", "score", "score_both", "score_sentences", "tokenize"]

Captions = Mapping[Hashable, str]
RawReferences = Mapping[Hashable, Sequence[str]]
SentenceScores = dict[Hashable, dict[str, "float | None"]]


def score(
    candidates: Captions, references: RawReferences | References, meteor: bool = False, spice: bool = False
) -> dict[str, float | None]:
    """Score one caption per image against the references of the same images.

    Args:
        candidates: image -> raw caption.
        references: image -> raw captions, or `References` prepared from them (faster when scored repeatedly).
        meteor: also run METEOR (seconds; needs Java and pycocoevalcap, else a line on stderr says what is missing).
        spice: also run SPICE (minutes; needs the same and Stanford CoreNLP, or says what is missing).

    Returns:
        `bleu_1` to `bleu_4`, `rouge_l`, `cider` (CIDEr-D, what coco-caption prints as CIDEr), `meteor` and `spice`
        (None when not asked for or not available).

    Raises:
        ValueError: the images of the two differ, there are none, or a caption is not a string.
    """
    return score_both(candidates, references, meteor, spice)[0]


def score_sentences(
    candidates: Captions, references: RawReferences | References, meteor: bool = False, spice: bool = False
) -> SentenceScores:
    """Score every caption by itself, for looking at single failures; arguments and errors as for `score`.

    Returns:
        image -> `bleu_1` to `bleu_4`, `rouge_l`, `cider`, in the references' order, and `meteor` and `spice` where
        they were computed. The means of `rouge_l`, `cider` and `spice` are the corpus scores; those of BLEU and
        METEOR are not.
    """
    return score_both(candidates, references, meteor, spice)[1]


def score_both(
    candidates: Captions, references: RawReferences | References, meteor: bool = False, spice: bool = False
) -> tuple[dict[str, float | None], SentenceScores]:
    """Return what `score` and what `score_sentences` return, running each metric once."""
    if not isinstance(references, References):
        references = References(references)
    sentences = references.arrange(candidates)
    lengths, counts = references.count(sentences)
    bleu, bleus = score_bleu(lengths, counts, references)
    rouge, cider = score_rouge(sentences, references), score_cider(lengths, counts, references)
    corpus = {f"bleu_{order}": float(value) for order, value in enumerate(bleu, 1)}
    corpus |= {"rouge_l": float(np.mean(rouge)), "cider": float(np.mean(cider))}
    columns = {f"bleu_{order}": values.tolist() for order, values in enumerate(bleus.T, 1)}
    columns |= {"rouge_l": rouge.tolist(), "cider": cider.tolist()}
    for name, wanted, run in (("meteor", meteor, score_meteor), ("spice", spice, score_spice)):
        found = run(sentences, references) if wanted else None
        corpus[name] = found[0] if found else None
        if found:
            columns[name] = found[1]
    rows = zip(*columns.values(), strict=True)
    return corpus, {
        image: dict(zip(columns, row, strict=True)) for image, row in zip(references.ids, rows, strict=True)
    }
