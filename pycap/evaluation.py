"""Score a captioner the way a user runs it: from picture files, through the same code path as `pycap caption`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

from pycap.captioner import Caption, Captioner
from pycap.data import CaptionDataset
from pycap.metrics import References, score
from pycap.text import tokenize


@dataclass(frozen=True)
class Evaluation:
    """Scores and what they were made from.

    Attributes:
        scores: `split, images, bleu_1..bleu_4, rouge_l, cider, meteor, captions_per_second`, scale 0-1.
        captions: the caption of each scored picture, by picture id.
        failures: one line per picture that could not be read; it is not scored.
    """

    scores: dict[str, Any]
    captions: dict[str | int, str]
    failures: list[str]


def evaluate(
    captioner: Captioner,
    dataset: CaptionDataset,
    split: str,
    meteor: bool = True,
    progress: Callable[[int], None] = lambda count: None,
    **options: Any,
) -> Evaluation:
    """Caption every picture of a split once and score the corpus.

    Args:
        captioner: the model.
        dataset: pictures with references.
        split: "train", "dev" or "test".
        meteor: also METEOR, which needs Java (None in the scores without it).
        progress: told how many pictures are done.
        options: passed on to `Captioner.caption_each` (`beam`, `max_length`, `length_penalty`, `batch_size`).

    Raises:
        ValueError: the split has no picture with references, or none can be read.
    """
    examples = []
    for example in dataset.split(split):
        captions = tuple(caption for caption in example.captions if tokenize(caption))  # as training has it
        if captions:
            examples.append(replace(example, captions=captions))
    if not examples:
        raise ValueError(f"{dataset.name}: no captioned picture in split {split!r}")
    captions, failures = {}, []
    began = perf_counter()
    results = captioner.caption_each([example.image for example in examples], **options)
    for example, result in zip(examples, results, strict=True):
        if isinstance(result, Caption):
            captions[example.id] = result.text
        else:
            failures.append(str(result))
        progress(1)
    seconds = perf_counter() - began
    if not captions:
        raise ValueError(f"{dataset.name}: no picture of split {split!r} could be read; first: {failures[0]}")
    references = References({e.id: e.captions for e in examples if e.id in captions})
    scores = {"split": split, "images": len(captions), **score(captions, references, meteor=meteor)}
    return Evaluation({**scores, "captions_per_second": len(captions) / seconds}, captions, failures)
