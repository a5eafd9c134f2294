"""Captions of any system in a file: COCO's results format, `[{"image_id": ..., "caption": ...}]`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pycap.data import CaptionDataset
from pycap.data.dataset import Example
from pycap.data.images import SUFFIXES

AMBIGUOUS = object()


def format_results(captions: Mapping[str | int, str]) -> str:
    """Return captions by picture id as COCO results JSON."""
    rows = [{"image_id": image, "caption": text} for image, text in captions.items()]
    return json.dumps(rows, indent=1) + "\n"


def read_results(
    path: str | Path, dataset: CaptionDataset, split: str, examples: Sequence[Example]
) -> dict[str | int, str]:
    """Read one caption for each picture of a split.

    A picture goes by its id in the data set, as number or text, or by its file name with or without the suffix.

    Args:
        path: the JSON file.
        dataset: all pictures, to tell a wrong id from one of another split.
        split: the split that is scored.
        examples: its pictures that are scored; captions of others of the split are left out.

    Returns:
        id in the data set -> caption, in the order of `examples`.

    Raises:
        ValueError: one line: the file cannot be read, is not JSON or of another structure, or ids are
            unknown, given twice or missing.
    """
    rows = _read_rows(Path(path))
    pictures = dataset.split(split)
    names = name_pictures(pictures.examples)
    captions: dict[str | int, str] = {}
    unknown, several, twice = [], [], []
    for row in rows:
        image = names.get(str(row["image_id"]))
        if image is None:
            unknown.append(row["image_id"])
        elif image is AMBIGUOUS:
            several.append(row["image_id"])
        elif image in captions:
            twice.append(row["image_id"])
        else:
            captions[image] = row["caption"]
    if unknown:
        places = {example.id: example.split or "none" for example in dataset}
        place = places.get(name_pictures(dataset.examples).get(str(unknown[0])))
        hint = f", which is in split {place!r}" if place else ""
        raise ValueError(
            f"{path}: {len(unknown)} of {len(rows)} image ids are no pictures of {pictures.name} "
            f"(first: {unknown[0]!r}{hint})"
        )
    if several:
        raise ValueError(
            f"{path}: {len(several)} image ids are names of more than one picture of {pictures.name} "
            f"(first: {several[0]!r}); give the whole file names"
        )
    if twice:
        raise ValueError(
            f"{path}: {len(twice)} captions too many, there must be one for each picture (first: {twice[0]!r})"
        )
    missing = [example.id for example in examples if example.id not in captions]
    if missing:
        raise ValueError(
            f"{path}: {len(missing)} of {len(examples)} pictures of {pictures.name} have no caption "
            f"(first: {missing[0]!r})"
        )
    return {example.id: captions[example.id] for example in examples}


def name_pictures(examples: Sequence[Example]) -> dict[str, Any]:
    """Return id by name for all the names that pictures go by; a name of two pictures gives `AMBIGUOUS`.

    An id itself always wins: the picture "1" is found even if another is called "1.jpg".
    """
    names: dict[str, Any] = {}
    for example in examples:
        text = str(example.id)
        stem = text[: -len(Path(text).suffix)] if Path(text).suffix.lower() in SUFFIXES else text
        for name in {stem, example.image.name, example.image.stem}:
            names[name] = example.id if names.get(name, example.id) == example.id else AMBIGUOUS
    return names | {str(example.id): example.id for example in examples}


def _read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the entries of a results file, every one checked."""
    try:
        rows = json.loads(path.read_bytes())
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    except (ValueError, RecursionError) as error:
        place = f" (line {error.lineno}: {error.msg})" if isinstance(error, json.JSONDecodeError) else ""
        raise ValueError(
            f'{path}: not JSON{place}; expected [{{"image_id": ..., "caption": ...}}, ...]'
        ) from None
    if not isinstance(rows, list):
        raise ValueError(
            f'{path}: expected a list of {{"image_id": ..., "caption": ...}}, got {_describe(rows)}'
        )
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict) or not {"image_id", "caption"} <= row.keys():
            raise ValueError(f"{path}: entry {number} must have image_id and caption, got {_describe(row)}")
        if isinstance(row["image_id"], bool) or not isinstance(row["image_id"], (int, str)):
            raise ValueError(
                f"{path}: image_id of entry {number} must be a whole number or text, got {row['image_id']!r:.60}"
            )
        if not isinstance(row["caption"], str):
            raise ValueError(f"{path}: caption of entry {number} must be text, got {row['caption']!r:.60}")
    return rows


def _describe(value: Any) -> str:
    if isinstance(value, dict):
        return "an object with " + (", ".join(map(repr, list(value)[:4])) or "nothing in it")
    return f"{value!r:.60}"
