"""The pictures that are scored, and what any captions of them are worth, whoever wrote them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pycap.captioner import Caption
from pycap.data import CaptionDataset
from pycap.data.dataset import Example
from pycap.metrics import References, SentenceScores, score_both
from pycap.text import tokenize

PictureId = str | int


@dataclass(frozen=True)
class Evaluation:
    """Scores and what they were made from.

    Attributes:
        scores: `split, images, beam, bleu_1..bleu_4, rouge_l, cider, meteor, spice, mean_words,
            searches_per_second, captions_per_second`, scale 0-1 (`cider` 0-10); None where not computed.
        captions: the caption of each scored picture, by picture id.
        failures: one line per picture that could not be read; it is not scored.
        examples: the scored pictures with their references.
        sentences: scores of each caption by itself, by picture id; see `pycap.metrics.score_sentences`.
        found: what the model returned for each picture, attention included, where it was kept.
    """

    scores: dict[str, Any]
    captions: dict[PictureId, str]
    failures: list[str]
    examples: tuple[Example, ...] = ()
    sentences: SentenceScores = field(default_factory=dict)
    found: dict[PictureId, Caption] = field(default_factory=dict)

    def ranked(self) -> list[Example]:
        """Return the scored pictures, worst caption first: by CIDEr-D, then BLEU-4, then ROUGE-L."""

        def worth(example: Example) -> tuple:
            scores = self.sentences[example.id]
            return scores["cider"], scores["bleu_4"], scores["rouge_l"]

        return sorted(self.examples, key=worth)


def select_examples(dataset: CaptionDataset, split: str) -> list[Example]:
    """Return the pictures of a split that can be scored, without references that hold no word.

    Raises:
        ValueError: no such split, or no picture in it has references.
    """
    examples = []
    for example in dataset.split(split):
        captions = tuple(caption for caption in example.captions if tokenize(caption))  # as training has it
        if captions:
            examples.append(replace(example, captions=captions))
    if not examples:
        raise ValueError(f"{dataset.name}: no captioned picture in split {split!r}")
    return examples


class Corpus:
    """Pictures with references prepared once, to score several sets of captions against.

    Args:
        examples: pictures with references, from `select_examples`.
        split: what the scores call it.
        meteor, spice: compute these too. They need Java; where one cannot be computed, its score is None, and
            after one line on stderr it is not tried again.
    """

    def __init__(self, examples: Sequence[Example], split: str, meteor: bool = True, spice: bool = False):
        self.examples, self.split = tuple(examples), split
        self._meteor, self._spice = meteor, spice
        self._references = References({example.id: example.captions for example in examples})

    def score(self, captions: Mapping[PictureId, str], **more: Any) -> Evaluation:
        """Score one caption for each picture.

        Args:
            captions: picture id -> caption.
            more: `beam`, `searches_per_second` and `captions_per_second`, None where there are none.

        Raises:
            ValueError: the pictures are not those of the corpus.
        """
        scores, sentences = score_both(captions, self._references, self._meteor, self._spice)
        self._meteor, self._spice = scores["meteor"] is not None, scores["spice"] is not None
        words = sum(len(tokenize(caption)) for caption in captions.values())
        row = {"split": self.split, "images": len(captions), "beam": more.get("beam"), **scores}
        row["mean_words"] = words / len(captions)
        for name in ("searches_per_second", "captions_per_second"):
            row[name] = more.get(name)
        return Evaluation(row, dict(captions), [], self.examples, sentences)
