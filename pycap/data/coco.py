"""COCO captions as their authors give them (Chen et al. 2015): one JSON file a split, folders of pictures."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pycap.data.dataset import CaptionDataset, DatasetError, Example, Problem, parse_split, stricter_split
from pycap.data.files import find_image_folder, get_field, read_json

_NAME = re.compile(r"captions_([a-z]+)(\d*)")  # captions_train2017.json: split, year


def load_coco(path: str | Path) -> CaptionDataset:
    """Read one or several COCO caption files and find their pictures.

    Args:
        path: the folder with `annotations/captions_*.json` or `captions_*.json`, or one such file. Pictures
            lie in `train2017/` (the name of the file), `images/train2017/`, `images/`, or beside the file.

    Returns:
        Pictures in file order, id = COCO's image id; "val" files are "dev". Pictures nobody described have no
        captions; captions of an unknown picture are problems. Of files from several years only the newest
        count, for the 2014 and 2017 splits overlap.

    Raises:
        DatasetError: no such file, or content of the wrong form.
    """
    path = Path(path)
    sources, problems = _find_sources(path)
    examples: dict[int, Example] = {}
    for source, split in sources:
        for example in _read_source(source, split, problems):
            earlier = examples.get(example.id)
            if earlier is None:
                examples[example.id] = example
                continue
            captions = tuple(dict.fromkeys([*earlier.captions, *example.captions]))
            held = stricter_split(earlier.split, split)
            detail = f"in {earlier.split or 'no split'} and, by {source.name}, in {split or 'no split'}"
            kind = "image in two splits" if earlier.split != split else "listed twice"
            problems.append(Problem(kind, example.image.name, detail))
            examples[example.id] = Example(earlier.image, captions, held, example.id)
    return CaptionDataset("coco", tuple(examples.values()), tuple(problems))


def _find_sources(path: Path) -> tuple[list[tuple[Path, str]], list[Problem]]:
    """Return the files to read with their splits, and a problem for each of another year."""
    if path.is_file():
        return [(path, _parse_name(path)[0])], []
    found = sorted(path.glob("annotations/captions_*.json")) or sorted(path.glob("captions_*.json"))
    if not found:
        raise DatasetError(
            f"{path}: no captions_*.json and no annotations/captions_*.json in it; "
            "give the folder of COCO's annotations, or one caption file"
        )
    newest = max(_parse_name(file)[1] for file in found)
    ignored = [file for file in found if _parse_name(file)[1] != newest]
    detail = f"its year overlaps with {newest}; give the file itself to use it"
    kept = [(file, _parse_name(file)[0]) for file in found if file not in ignored]
    return kept, [Problem("ignored file", str(file), detail) for file in ignored]


def _parse_name(path: Path) -> tuple[str, str]:
    """Return split and year of a caption file; both "" when its name does not say."""
    match = _NAME.match(path.name)
    return (parse_split(match[1]) or "", match[2]) if match else ("", "")


def _read_source(source: Path, split: str, problems: list[Problem]) -> list[Example]:
    content = read_json(source)
    images = get_field(content, "images", list, source, "the file")
    annotations = get_field(content, "annotations", list, source, "the file")
    names: dict[int, str] = {}
    for number, image in enumerate(images):
        key = get_field(image, "id", int, source, f"images[{number}]")
        name = get_field(image, "file_name", str, source, f"images[{number}]")
        if key in names:
            problems.append(
                Problem("listed twice", name, f"images[{number}] of {source.name} repeats id {key}")
            )
        names.setdefault(key, name)
    captions: dict[int, list[str]] = {key: [] for key in names}
    for number, annotation in enumerate(annotations):
        key, caption = _read_annotation(annotation, number, source)
        if key in captions:
            captions[key].append(caption)
        else:
            detail = f"annotations[{number}] of {source.name}: {caption!r}"
            problems.append(Problem("caption without image", f"image id {key}", detail))
    folder = _find_pictures(source, list(names.values()))
    return [Example(folder / name, tuple(captions[key]), split, key) for key, name in names.items()]


def _read_annotation(annotation: Any, number: int, source: Path) -> tuple[int, str]:
    where = f"annotations[{number}]"
    key = get_field(annotation, "image_id", int, source, where)
    return key, get_field(annotation, "caption", str, source, where).strip()


def _find_pictures(source: Path, names: list[str]) -> Path:
    own = source.stem.removeprefix("captions_")  # train2017
    root = source.parent.parent if source.parent.name == "annotations" else source.parent
    return find_image_folder([root / own, root / "images" / own, root / "images", root, source.parent], names)
