"""Your own pictures: a folder with `captions.csv` or `captions.jsonl`."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pycap.data.dataset import CaptionDataset, DatasetError, Example, Problem, parse_split, stricter_split
from pycap.data.files import find_image_folder, get_field, read_lines, read_text

FILES = ("captions.csv", "captions.tsv", "captions.jsonl")
IMAGE_FOLDERS = (".", "images", "Images")
DEV_SHARE = 0.1  # of the pictures, when the file says nothing about splits


@dataclass
class _Entry:
    captions: list[str] = field(default_factory=list)
    split: str | None = None  # None: the file has no split for it


def load_folder(path: str | Path) -> CaptionDataset:
    """Read a folder of pictures described in a CSV or JSON Lines file.

    Args:
        path: the folder with one of `FILES`, or the file. The CSV has a header with the columns `image` and
            `caption` and optionally `split`; each JSON line is an object with the same keys, where `caption`
            may be a list. Several rows may describe one picture. Names are relative to the folder or to its
            `images`.

    Returns:
        Pictures in the order of their first row. Without splits in the file, about a tenth of the pictures,
        chosen by a hash of their names and at least one of two, is "dev" and the rest "train".

    Raises:
        DatasetError: no or several caption files, or a row of the wrong form (naming its line).
    """
    source = _find_captions(Path(path))
    rows = _read_json_lines(source) if source.suffix == ".jsonl" else _read_table(source)
    entries: dict[str, _Entry] = {}
    problems: list[Problem] = []
    for line, name, captions, spelled in rows:
        name = name.strip().replace("\\", "/")  # a file written on Windows
        if not name:
            raise DatasetError(f"{source} line {line}: no image name; fill in the column image")
        entry = entries.setdefault(name, _Entry())
        entry.captions.extend(caption.strip() for caption in captions)
        if spelled is None:
            continue
        split = parse_split(spelled)
        if split is None:
            raise DatasetError(
                f"{source} line {line}: split must be train, dev or test, got {spelled!r}; correct it"
            )
        if split and entry.split and entry.split != split:
            detail = f"{entry.split}, and by line {line} of {source.name} {split}"
            problems.append(Problem("image in two splits", name, detail))
        entry.split = stricter_split(entry.split or "", split)
    if not entries:
        raise DatasetError(f"{source}: describes no picture; add rows with image and caption")
    if all(entry.split is None for entry in entries.values()):
        for name, split in assign_splits(list(entries)).items():
            entries[name].split = split
    folder = find_image_folder([source.parent / name for name in IMAGE_FOLDERS], list(entries))
    examples = tuple(
        Example(folder / name, tuple(entry.captions), entry.split or "", name)
        for name, entry in entries.items()
    )
    return CaptionDataset(source.parent.resolve().name, examples, tuple(problems))


def assign_splits(names: list[str]) -> dict[str, str]:
    """Put about a tenth of the names into "dev" by their hash: pictures added later move no other one.

    Args:
        names: picture names.

    Returns:
        name -> "train" or "dev"; of two or more names at least one is in each (then the extreme hash moves).
    """
    shares = {name: int(hashlib.sha256(name.encode()).hexdigest()[:13], 16) / 16**13 for name in names}
    splits = {name: "dev" if share < DEV_SHARE else "train" for name, share in shares.items()}
    ranked = sorted(names, key=shares.__getitem__)
    if len(ranked) > 1:
        splits[ranked[0]] = "dev"
    if ranked:
        splits[ranked[-1]] = "train"
    return splits


def _find_captions(path: Path) -> Path:
    if path.is_file():
        return path
    found = [path / name for name in FILES if (path / name).is_file()]
    if not found:
        raise DatasetError(
            f"{path}: none of {', '.join(FILES)} in it; write one with the columns image and caption"
        )
    if len(found) > 1:
        names = " and ".join(file.name for file in found)
        raise DatasetError(
            f"{path}: {names} are both in it; keep one, or give the file instead of the folder"
        )
    return found[0]


def _read_table(source: Path) -> Iterator[tuple[int, str, list[str], str | None]]:
    """Yield line, image, captions and split of each row of a CSV file (the last line of a row of several)."""
    text = read_text(source)
    header_line = text.partition("\n")[0]
    delimiter = next((mark for mark in "\t;" if mark in header_line and "," not in header_line), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        missing = [name for name in ("image", "caption") if name not in header]
        if missing:
            raise DatasetError(
                f"{source} line 1: no column {missing[0]!r} (found {', '.join(header) or 'nothing'}); "
                "begin the file with the line image,caption or image,caption,split"
            )
        image, caption = header.index("image"), header.index("caption")
        split = header.index("split") if "split" in header else None
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            if len(row) != len(header):
                raise DatasetError(
                    f"{source} line {reader.line_num}: expected {len(header)} columns, got {len(row)}; "
                    f"put captions that hold {delimiter!r} in double quotes"
                )
            yield reader.line_num, row[image], [row[caption]], None if split is None else row[split]
    except csv.Error as error:
        raise DatasetError(f"{source} line {reader.line_num}: {error}; check the quotes") from None


def _read_json_lines(source: Path) -> Iterator[tuple[int, str, list[str], str | None]]:
    """Yield line, image, captions and split of each line of a JSON Lines file."""
    for number, line in enumerate(read_lines(source), 1):
        if not line.strip():
            continue
        try:
            entry: Any = json.loads(line)
        except (json.JSONDecodeError, RecursionError):
            raise DatasetError(
                f"{source} line {number}: not a JSON object; write one object a line"
            ) from None
        where = f"line {number}"
        name = get_field(entry, "image", str, source, where)
        caption = get_field(entry, "caption", (str, list), source, where)
        captions = caption if isinstance(caption, list) else [caption]
        if not all(isinstance(text, str) for text in captions):
            raise DatasetError(f"{source} line {number}: caption must be text or a list of texts; correct it")
        split = None if entry.get("split") is None else get_field(entry, "split", str, source, where)
        yield number, name, captions, split
