"""Flickr8k as its authors give it (Hodosh et al. 2013): captions, three split lists, a folder of pictures."""

from __future__ import annotations

from pathlib import Path

from pycap.data.dataset import SPLITS, CaptionDataset, DatasetError, Example, Problem, stricter_split
from pycap.data.files import find_file, find_image_folder, read_lines

CAPTION_FILES = ("Flickr8k.token.txt",)
TEXT_FOLDERS = (".", "Flickr8k_text", "text")
IMAGE_FOLDERS = (
    "Flicker8k_Dataset",  # the official archive is spelled like this
    "Flickr8k_Dataset",
    "Flickr8k_Dataset/Flicker8k_Dataset",
    "Images",
    "images",
    ".",
)


def load_flickr8k(path: str | Path) -> CaptionDataset:
    """Read the official Flickr8k files.

    Args:
        path: folder with `Flickr8k.token.txt` (`name#number<TAB>caption` a line), at least one of
            `Flickr_8k.{train,dev,test}Images.txt` (a name a line), and the pictures.

    Returns:
        Pictures in the order of the caption file, then listed ones without captions. A picture that no list
        names has split "". A picture in two lists stays out of training, and is a problem of the result.

    Raises:
        DatasetError: a file is missing or a line has the wrong form.
    """
    root = Path(path)
    folders = [root / name for name in TEXT_FOLDERS]
    tokens = find_file(folders, CAPTION_FILES)
    if tokens is None:
        raise DatasetError(
            f"{root}: no {CAPTION_FILES[0]} in it; give the folder with the official Flickr8k files"
        )
    captions = _read_captions(tokens)
    splits, problems = _read_splits([tokens.parent, *folders], root)
    names = list(dict.fromkeys([*captions, *splits]))
    images = find_image_folder([root / name for name in IMAGE_FOLDERS], names)
    examples = [
        Example(images / name, tuple(captions.get(name, ())), splits.get(name, ""), name) for name in names
    ]
    return CaptionDataset("flickr8k", tuple(examples), tuple(problems))


def _read_captions(path: Path) -> dict[str, list[str]]:
    captions: dict[str, list[str]] = {}
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        key, tab, caption = line.partition("\t")
        name, mark, _ = key.rpartition("#")
        if not tab or not mark or not name:
            raise DatasetError(
                f"{path} line {number}: expected NAME#NUMBER<TAB>CAPTION, got {line[:60]!r}; correct the line"
            )
        captions.setdefault(name, []).append(caption.strip())
    return captions


def _read_splits(folders: list[Path], root: Path) -> tuple[dict[str, str], list[Problem]]:
    splits: dict[str, str] = {}
    problems: list[Problem] = []
    found = False
    for split in SPLITS:
        path = find_file(folders, [f"Flickr_8k.{split}Images.txt"])
        if path is None:
            continue
        found = True
        for number, line in enumerate(read_lines(path), 1):
            name = line.strip()
            if not name:
                continue
            if splits.get(name, split) != split:
                detail = f"{path.name} line {number} puts it into {split}, another list into {splits[name]}"
                problems.append(Problem("image in two splits", name, detail))
            splits[name] = stricter_split(splits.get(name, ""), split)
    if not found:
        raise DatasetError(
            f"{root}: no Flickr_8k.trainImages.txt, devImages or testImages list in it; "
            "put the official lists there, or describe the pictures in a captions.csv (format folder)"
        )
    return splits, problems
