"""The JSON of Karpathy and Fei-Fei (2015) for Flickr8k, Flickr30k and COCO, which holds everything in one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pycap.data.dataset import CaptionDataset, DatasetError, Example, Problem, parse_split
from pycap.data.files import find_image_folder, get_field, read_json

FILES = ("dataset.json", "dataset_flickr8k.json", "dataset_flickr30k.json", "dataset_coco.json")
IMAGE_FOLDERS = (
    ".",
    "images",
    "Images",
    "Flicker8k_Dataset",
    "Flickr8k_Dataset",
    "Flickr8k_Dataset/Flicker8k_Dataset",
    "flickr30k-images",
    "flickr30k_images",
    "flickr30k_images/flickr30k_images",
)


def load_karpathy(path: str | Path) -> CaptionDataset:
    """Read a Karpathy JSON file and find its pictures next to it.

    Args:
        path: the JSON file, or the folder with one of `FILES`. Pictures lie beside it, or in the folder its
            `filepath` entries name (COCO), or in one of the usual folders.

    Returns:
        Pictures in file order; "val" is "dev", "restval" is "train". The id is `cocoid`, else the file name.

    Raises:
        DatasetError: no such file, several of them, or an entry of the wrong form.
    """
    source = _find_json(Path(path))
    content = read_json(source)
    entries = get_field(content, "images", list, source, "the file")
    rows = [_read_entry(entry, number, source) for number, entry in enumerate(entries)]
    folder = find_image_folder([source.parent / name for name in IMAGE_FOLDERS], [name for name, *_ in rows])
    examples: dict[str | int, Example] = {}
    problems: list[Problem] = []
    for number, (name, captions, split, key) in enumerate(rows):
        if key in examples:
            problems.append(
                Problem("listed twice", name, f"images[{number}] of {source.name}; the first is used")
            )
            continue
        examples[key] = Example(folder / name, captions, split, key)
    label = content.get("dataset")
    label = label if isinstance(label, str) and label else source.stem
    return CaptionDataset(label, tuple(examples.values()), tuple(problems))


def _find_json(path: Path) -> Path:
    if path.is_file():
        return path
    found = [path / name for name in FILES if (path / name).is_file()]
    if not found:
        raise DatasetError(f"{path}: none of {', '.join(FILES)} in it; give the Karpathy JSON file itself")
    if len(found) > 1:
        names = " and ".join(file.name for file in found)
        raise DatasetError(f"{path}: {names} are both in it; give one of the files instead of the folder")
    return found[0]


def _read_entry(entry: Any, number: int, source: Path) -> tuple[str, tuple[str, ...], str, str | int]:
    where = f"images[{number}]"
    name = get_field(entry, "filename", str, source, where)
    if entry.get("filepath"):
        name = f"{get_field(entry, 'filepath', str, source, where)}/{name}"
    spelled = get_field(entry, "split", str, source, where)
    split = parse_split(spelled)
    if split is None:
        expected = "train, restval, val or test"
        raise DatasetError(f"{source}: split of {where} must be {expected}, got {spelled!r}; correct it")
    sentences = get_field(entry, "sentences", list, source, where)
    captions = tuple(
        get_field(sentence, "raw", str, source, f"{where} sentence {position}").strip()
        for position, sentence in enumerate(sentences)
    )
    key = get_field(entry, "cocoid", int, source, where) if "cocoid" in entry else name
    return name, captions, split, key
