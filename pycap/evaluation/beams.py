"""Score a captioner the way a user runs it: from picture files, through the same code as `pycap caption`.

A sweep tries several beams. Every picture is read and encoded once, then searched with each beam.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np

from pycap.captioner import BATCH_SIZE, Caption, Captioner
from pycap.data import CaptionDataset
from pycap.evaluation.corpus import Corpus, Evaluation, select_examples


def evaluate(
    captioner: Captioner,
    dataset: CaptionDataset,
    split: str,
    meteor: bool = True,
    progress: Callable[[int], None] = lambda count: None,
    *,
    spice: bool = False,
    keep: bool = False,
    beam: int | None = None,
    **options: Any,
) -> Evaluation:
    """Caption every picture of a split once and score the corpus; arguments and errors as for `sweep`.

    Reading goes on while the network works, as in `pycap caption`, and `captions_per_second` is of all that.
    """
    chosen = {"meteor": meteor, "spice": spice, "keep": keep, **options}
    return _run(captioner, dataset, split, (beam,), 1, progress, **chosen)[0]


def sweep(
    captioner: Captioner,
    dataset: CaptionDataset,
    split: str,
    beams: Sequence[int],
    meteor: bool = True,
    progress: Callable[[int], None] = lambda count: None,
    *,
    spice: bool = False,
    keep: bool = False,
    **options: Any,
) -> list[Evaluation]:
    """Caption every picture of a split with several beams and score each.

    So that a beam's time is its own, nothing is read ahead, and everything has run once before the clock starts.
    `searches_per_second` is of the search alone, `captions_per_second` of reading, CNN, encoder and this search,
    one after the other.

    Args:
        captioner: the model.
        dataset: pictures with references.
        split: "train", "dev" or "test".
        beams: different widths of the search.
        meteor, spice: also these, which need Java (None in the scores without it).
        progress: told how many pictures are done.
        keep: keep what the model returned, attention included: about 35 kB a picture.
        options: `max_length`, `length_penalty`, `phrase_weight` (see `Captioner.search_batch`) and `batch_size`.

    Returns:
        an Evaluation for each beam, in the order of `beams`.

    Raises:
        ValueError: the split has no picture with references, none can be read, or a setting is out of range.
    """
    if not beams or len(set(beams)) < len(beams):
        raise ValueError(f"beams must be different numbers, at least one, got {list(beams)}")
    blank = np.zeros((8, 8, 3), np.uint8)
    for beam in beams:  # load, pack and allocate before the clock starts
        captioner(blank, beam=beam)
    chosen = {"meteor": meteor, "spice": spice, "keep": keep, **options}
    return _run(captioner, dataset, split, beams, 0, progress, **chosen)


def _run(
    captioner: Captioner,
    dataset: CaptionDataset,
    split: str,
    beams: Sequence[int | None],
    ahead: int,
    progress: Callable[[int], None],
    *,
    meteor: bool,
    spice: bool,
    keep: bool,
    batch_size: int = BATCH_SIZE,
    **options: Any,
) -> list[Evaluation]:
    examples = select_examples(dataset, split)
    results: list[list[Any]] = [
        [] for _ in beams
    ]  # of each beam, a Caption or an ImageError for each picture
    seconds = [0.0] * len(beams)  # of each beam's searches
    began = perf_counter()
    images = [example.image for example in examples]
    for encoded in captioner.encode_each(images, batch_size=batch_size, ahead=ahead):
        for number, beam in enumerate(beams):
            start = perf_counter()
            found = captioner.search_batch(encoded, beam=beam, **options)
            seconds[number] += perf_counter() - start
            results[number] += found if keep else [_forget_attention(result) for result in found]
        progress(len(encoded.problems))
    encoding = perf_counter() - began - sum(seconds)
    read = [isinstance(result, Caption) for result in results[0]]
    failures = [str(result) for result, good in zip(results[0], read, strict=True) if not good]
    if not any(read):
        raise ValueError(f"{dataset.name}: no picture of split {split!r} could be read; first: {failures[0]}")
    scored = [example for example, good in zip(examples, read, strict=True) if good]
    corpus = Corpus(scored, split, meteor, spice)
    evaluations = []
    for beam, found, searching in zip(beams, results, seconds, strict=True):
        captions = [result for result in found if isinstance(result, Caption)]
        evaluation = corpus.score(
            {example.id: caption.text for example, caption in zip(scored, captions, strict=True)},
            beam=beam or captioner.search.beam,
            searches_per_second=len(scored) / searching,
            captions_per_second=len(scored) / (encoding + searching),
        )
        kept = {example.id: caption for example, caption in zip(scored, captions, strict=True) if keep}
        evaluations.append(replace(evaluation, failures=failures, found=kept))
    return evaluations


def _forget_attention(result: Any) -> Any:
    """Return a Caption without its maps, anything else as it is."""
    if not isinstance(result, Caption):
        return result
    return replace(result, attention=result.attention[:0], encoder_attention=None)
