"""What every loader returns: examples (a picture and its captions), split by name, with the problems met."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

SPLITS = ("train", "dev", "test")
SPLIT_NAMES = {
    "train": "train",
    "restval": "train",  # Karpathy's 30,504 COCO validation pictures moved to training
    "val": "dev",
    "valid": "dev",
    "validation": "dev",
    "dev": "dev",
    "test": "test",
    "": "",
}


class DatasetError(ValueError):
    """A data set that cannot be used: one line naming the file, what is wrong and what to do."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a data set.

    Attributes:
        kind: a fixed phrase that groups problems ("missing image", "duplicate caption", ...).
        subject: the file, picture or line it is about.
        detail: what was found.
    """

    kind: str
    subject: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.kind}: {self.subject}" + (f": {self.detail}" if self.detail else "")


@dataclass(frozen=True)
class Example:
    """One picture with its human captions.

    Attributes:
        image: path of the picture; it may be missing until `check_dataset` has looked.
        captions: raw captions in file order; empty when nobody described the picture.
        split: "train", "dev", "test", or "" for a picture in no split.
        id: unique in its data set: the file name, or COCO's image id.
    """

    image: Path
    captions: tuple[str, ...]
    split: str
    id: str | int


@dataclass(frozen=True)
class CaptionDataset:
    """Pictures with captions, in file order.

    Attributes:
        name: what the data set is called in messages.
        examples: one entry a picture.
        problems: what the loader met and survived.
    """

    name: str
    examples: tuple[Example, ...]
    problems: tuple[Problem, ...] = ()

    def __len__(self) -> int:
        return len(self.examples)

    def __iter__(self) -> Iterator[Example]:
        return iter(self.examples)

    @property
    def splits(self) -> dict[str, int]:
        """Pictures in each split that has any, in the order train, dev, test, then "" (no split)."""
        counts = Counter(example.split for example in self.examples)
        return {name: counts[name] for name in (*SPLITS, "") if counts[name]}

    def split(self, name: str) -> CaptionDataset:
        """Return the pictures of one split ("val" means "dev"; "" selects pictures in no split).

        Raises:
            ValueError: no such split name, or no picture in that split.
        """
        wanted = parse_split(name)
        if wanted is None:
            raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {name!r}")
        chosen = tuple(example for example in self.examples if example.split == wanted)
        if not chosen:
            there = (
                ", ".join(f"{split or 'no split'} ({count})" for split, count in self.splits.items())
                or "no pictures"
            )
            raise ValueError(f"{self.name} has no pictures in split {name!r}; it has {there}")
        label = f"{self.name} {wanted}" if wanted else f"{self.name} (no split)"
        return replace(self, name=label, examples=chosen)


def parse_split(name: str) -> str | None:
    """Return "train", "dev", "test" or "" for any usual spelling of a split, None for an unknown one."""
    return SPLIT_NAMES.get(name.strip().lower())


def stricter_split(first: str, second: str) -> str:
    """Return the split for a picture that two places put differently: held out beats training."""
    order = ("", *SPLITS)
    return max(first, second, key=order.index)
