"""Look at every picture and caption of a data set, report what is wrong, and keep what can be used."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from pycap.data.dataset import CaptionDataset, Example, Problem, stricter_split
from pycap.data.features import content_key
from pycap.data.images import SUFFIXES, ImageError, read_image
from pycap.text import tokenize

CONSEQUENCES = {  # kind of problem -> what becomes of its subject
    "missing image": "left out",
    "corrupt image": "left out",
    "image without captions": "left out",
    "image leak": "left out of training",
    "image in two splits": "kept in the held-out one",
    "image in no split": "not trained on",
    "duplicate image": "kept",
    "listed twice": "used once",
    "unused image": "ignored",
    "ignored file": "ignored",
    "caption without image": "ignored",
    "empty caption": "left out",
    "placeholder caption": "left out of training",
    "one-word caption": "left out of training",
    "duplicate caption": "kept",
}

_PICTURE = r"(?:image|picture|photo|photograph|pic|img)s?"
_PLACEHOLDER = re.compile(  # matched against the words of a whole caption, joined by blanks
    rf"""
    (?:an?\s|the\s|this\s(?:is\san?\s)?)?(?:broken|missing|invalid|corrupt|corrupted|unavailable|no)
        \s{_PICTURE}
        (?:\s(?:link|icon|file|here|found|available|provided|shown|to\ssee|to\sdescribe|is\savailable))?
    | (?:the\s|this\s)?{_PICTURE}\s(?:is\s|are\s|was\s)?(?:broken|missing|unavailable|blank|corrupt|corrupted
        |not\s(?:found|available|shown|visible|loading|loaded|displayed|there|here)
        |(?:did|does|will|would|wo|ca)\s(?:n't|not)\s(?:load|show|display|open))
    | there\s(?:is|was|are)\sno\s{_PICTURE}(?:\s(?:here|available|provided|shown|to|for|in\sthis|on\sthis).*)?
    | (?:(?:i|we)\s(?:am\s|are\s|'m\s|'re\s)?)?(?:unable\sto|not\sable\sto|ca\sn't|can\snot|could\sn't)
        \s(?:see|view|load|open)\s(?:the\s|this\s|any\s|an\s)?{_PICTURE}(?:\s.*)?
    | n/a | n\sa | null | none | nan | todo | tbd | undefined | untitled
    | captions? | no\s(?:captions?|description)
    | error | 404
    """,
    re.VERBOSE,
)


@dataclass(frozen=True)
class Report:
    """What `check_dataset` found.

    Attributes:
        dataset: the data set as loaded.
        problems: everything wrong, the loader's findings first.
        usable: the data set without what cannot be used, order kept.
    """

    dataset: CaptionDataset
    problems: tuple[Problem, ...]
    usable: CaptionDataset

    @property
    def counts(self) -> dict[str, int]:
        """Problems by kind, in the order of `CONSEQUENCES`."""
        counts = Counter(problem.kind for problem in self.problems)
        known = [kind for kind in CONSEQUENCES if kind in counts]
        return {
            kind: counts[kind] for kind in [*known, *(kind for kind in counts if kind not in CONSEQUENCES)]
        }

    def summary(self, most: int = 3) -> list[str]:
        """Return lines for people: sizes, a line for each kind of problem, what is usable.

        Args:
            most: subjects shown of each kind.
        """
        lines = [f"{self.dataset.name}: {_describe_size(self.dataset)}"]
        for kind, count in self.counts.items():
            of_kind = [problem for problem in self.problems if problem.kind == kind]
            shown = [f"{p.subject} ({p.detail})" if p.detail else p.subject for p in of_kind[:most]]
            more = f", and {count - most} more" if count > most else ""
            lines.append(f"{kind} ({CONSEQUENCES.get(kind, 'kept')}): {count}: {', '.join(shown)}{more}")
        lines.append(f"usable: {_describe_size(self.usable)}" if self.problems else "nothing wrong")
        return lines


def check_dataset(
    dataset: CaptionDataset,
    *,
    decode: bool = True,
    workers: int = 2,
    progress: Callable[[int], None] = lambda count: None,
) -> Report:
    """Find missing, corrupt and duplicate pictures and useless captions.

    Captions of held-out pictures stay as they are unless they hold no word, so that scores can be compared
    with those of others. A training picture with the same bytes as a held-out one is left out.

    Args:
        dataset: what `load_dataset` returned.
        decode: really decode every picture and compare their bytes; False only looks whether they are there.
        workers: threads that decode.
        progress: called with 1 after each picture.

    Returns:
        The report; `report.usable` is what to train on.
    """
    problems = list(dataset.problems)
    problems += _find_unused(dataset)
    digests: dict[Path, str] = {}
    kept: list[Example] = []
    with ThreadPoolExecutor(max(1, workers)) as pool:
        for example, (problem, digest) in zip(
            dataset, pool.map(lambda each: _check_image(each, decode), dataset), strict=True
        ):
            progress(1)
            checked, found = _check_captions(example)
            problems += [problem, *found] if problem else found
            if digest:
                digests[example.image] = digest
            if not problem and checked.captions:
                kept.append(checked)
    duplicates, leaked = _find_duplicates(kept, digests)
    usable = tuple(example for example in kept if example.id not in leaked)
    return Report(dataset, (*problems, *duplicates), replace(dataset, examples=usable, problems=()))


def _check_image(example: Example, decode: bool) -> tuple[Problem | None, str]:
    """Return what is wrong with a picture and, if nothing is, the digest of its bytes."""
    if not example.image.exists():
        return Problem("missing image", str(example.id), f"no file {example.image}"), ""
    if not decode:
        return None, ""
    try:
        read_image(example.image, at_least=32)  # small JPEGs decode faster; every byte is still read
        return None, content_key(example.image)
    except (ImageError, OSError) as error:
        return Problem(
            "corrupt image", str(example.id), error.reason if isinstance(error, ImageError) else str(error)
        ), ""


def _check_captions(example: Example) -> tuple[Example, list[Problem]]:
    """Return the example with its usable captions and what is wrong with the others."""
    name = str(example.id)
    problems = [] if example.split else [Problem("image in no split", name)]
    if not example.captions:
        return example, [*problems, Problem("image without captions", name)]
    kept: list[str] = []
    seen: set[tuple[str, ...]] = set()
    for caption in example.captions:
        words = tuple(tokenize(caption))
        kind = ""
        if not words:
            kind = "empty caption"
        elif is_placeholder(caption):
            kind = "placeholder caption"
        elif len(words) == 1:
            kind = "one-word caption"
        elif words in seen:
            kind = "duplicate caption"
        seen.add(words)
        if kind:
            problems.append(Problem(kind, name, repr(caption)))
        out = CONSEQUENCES.get(kind, "kept")
        if out == "kept" or (out == "left out of training" and example.split != "train"):
            kept.append(caption)
    if not kept:
        problems.append(Problem("image without captions", name, "none of its captions can be used"))
    return replace(example, captions=tuple(kept)), problems


def is_placeholder(caption: str) -> bool:
    """Return whether a caption describes no picture but its absence ("broken image", "n/a")."""
    return _PLACEHOLDER.fullmatch(" ".join(tokenize(caption))) is not None


def _find_duplicates(
    examples: list[Example], digests: dict[Path, str]
) -> tuple[list[Problem], set[str | int]]:
    """Return problems for pictures with equal bytes, and the ids of training pictures also held out."""
    groups: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        if example.image in digests:
            groups[digests[example.image]].append(example)
    problems: list[Problem] = []
    leaked: set[str | int] = set()
    for group in groups.values():
        first = group[0]
        strictest = first
        for example in group[1:]:
            if stricter_split(strictest.split, example.split) != strictest.split:
                strictest = example
        for example in group:
            if example.split == "train" and strictest.split != "train":
                leaked.add(example.id)
                detail = f"same bytes as {strictest.id} in {strictest.split}"
                problems.append(Problem("image leak", str(example.id), detail))
            elif example is not first:
                problems.append(Problem("duplicate image", str(example.id), f"same bytes as {first.id}"))
    return problems, leaked


def _find_unused(dataset: CaptionDataset) -> list[Problem]:
    """Return a problem for each picture file that lies among the data set's pictures but is not listed."""
    listed: dict[Path, set[str]] = defaultdict(set)
    for example in dataset:
        listed[example.image.parent].add(example.image.name)
    problems = []
    for folder, names in listed.items():
        if folder.is_dir():
            extra = sorted(set(os.listdir(folder)) - names)
            found = [name for name in extra if os.path.splitext(name)[1].lower() in SUFFIXES]
            problems += [Problem("unused image", name, f"in {folder}, not listed") for name in found]
    return problems


def _describe_size(dataset: CaptionDataset) -> str:
    captions = sum(len(example.captions) for example in dataset)
    splits = ", ".join(f"{name or 'no split'} {count}" for name, count in dataset.splits.items())
    size = f"{_count(len(dataset), 'picture')}, {_count(captions, 'caption')}"
    return f"{size} ({splits})" if splits else size


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
