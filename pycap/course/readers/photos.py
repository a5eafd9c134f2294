"""Photos in one folder a class: their list, their pixels, and a split into training and held-out photos."""

from __future__ import annotations

import hashlib
import math
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from pycap.data.images import SUFFIXES, crop_box, read_image

_IGNORED = ("__MACOSX", "__pycache__")


class Photos(NamedTuple):
    """Photos and what they show; nothing is decoded yet.

    Attributes:
        paths: files, sorted by class, then by name.
        labels: int64 `(photos,)`, positions in `classes`.
        classes: names of the folders, sorted.
    """

    paths: list[Path]
    labels: np.ndarray
    classes: list[str]


def list_photos(folder: str | os.PathLike[str], classes: Sequence[str] | None = None) -> Photos:
    """List a folder that has one sub-folder of pictures for each class.

    Args:
        folder: the folder of the sub-folders.
        classes: names in the order that labels count in, when a trained model fixes them; a class may then have
            no photos. None: the sub-folders' names, sorted.

    Returns:
        All files that are named like pictures; hidden ones and other files are left out.

    Raises:
        ValueError: no such folder, no classes in it, a class that `classes` lacks, or one without pictures.
    """
    folder = Path(folder)
    if not folder.is_dir():
        what = "a file, not a folder" if folder.exists() else "no such folder"
        raise ValueError(f"{folder}: {what}; give a folder with one sub-folder of pictures a class")
    found = sorted(each.name for each in _list(folder) if each.is_dir() and each.name not in _IGNORED)
    if not found:
        raise ValueError(
            f"{folder}: no sub-folders in it; put the pictures of each class into one of its own"
        )
    order = list(found if classes is None else classes)
    if unknown := sorted(set(found) - set(order)):
        raise ValueError(
            f"{folder / unknown[0]}: not one of the classes {', '.join(order)}; rename or remove the folder"
        )
    paths: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(order):
        if name not in found:
            continue
        pictures = [each for each in _list(folder / name) if each.suffix.lower() in SUFFIXES]
        if not pictures:
            inner = any(each.is_dir() for each in _list(folder / name))
            remedy = f"give {folder / name} itself?" if inner else "add some or remove the folder"
            raise ValueError(f"{folder / name}: no pictures in it; {remedy}")
        paths += pictures
        labels += [label] * len(pictures)
    return Photos(paths, np.array(labels, np.int64), order)


def load_pixels(paths: Iterable[str | os.PathLike[str]], size: int) -> np.ndarray:
    """Decode pictures to one size: central square, turned upright, RGB, resampled with a bicubic filter.

    Args:
        paths: picture files; may be a progress bar around them.
        size: side of the result in pixels.

    Returns:
        uint8 `(pictures, size, size, 3)`.

    Raises:
        ImageError: (a ValueError) a picture is missing, damaged or none, naming the file.
        ValueError: size is not positive.
    """
    if size < 1:
        raise ValueError(f"size must be at least 1 pixel, got {size}")
    pixels = []
    for path in paths:
        image = read_image(path, at_least=2 * size)
        square = image.resize((size, size), Image.Resampling.BICUBIC, box=crop_box(*image.size))
        pixels.append(np.asarray(square))
    return np.stack(pixels) if pixels else np.zeros((0, size, size, 3), np.uint8)


def split(photos: Photos, held_out: float = 0.2, seed: int = 0) -> tuple[Photos, Photos]:
    """Cut photos into training and held-out ones, each class in the same proportion.

    Files with the same bytes stay together, even across classes: a photo that was trained on must not be
    scored on.

    Args:
        photos: at least two different photos in each class that has any.
        held_out: share to hold out, between 0 and 1.
        seed: of the draw.

    Returns:
        Training and held-out photos, each in the order of `photos` and with all of its classes.

    Raises:
        ValueError: the share is out of range, a class too small, or a file unreadable.
    """
    if not 0 < held_out < 1:
        raise ValueError(f"held_out must be between 0 and 1, got {held_out}")
    groups: dict[str, list[int]] = defaultdict(list)  # digest -> positions of photos with the same bytes
    for position, path in enumerate(photos.paths):
        groups[_digest(path)].append(position)
    of_class: dict[int, list[list[int]]] = defaultdict(list)
    for group in groups.values():
        of_class[int(photos.labels[group[0]])].append(group)
    generator = np.random.default_rng(seed)
    chosen: set[int] = set()
    for label, members in sorted(of_class.items()):
        if len(members) < 2:
            name = photos.classes[label]
            raise ValueError(f"class {name}: one photo cannot be split; add different photos to the folder")
        wanted = math.floor(held_out * sum(map(len, members)) + 0.5)
        taken = 0
        for number, place in enumerate(generator.permutation(len(members))):
            if number and (
                taken >= wanted or number == len(members) - 1
            ):  # one group at least on either side
                break
            chosen.update(members[place])
            taken += len(members[place])
    held = np.array([position in chosen for position in range(len(photos.paths))], bool)
    return _select(photos, ~held), _select(photos, held)


def _select(photos: Photos, mask: np.ndarray) -> Photos:
    paths = [path for path, keep in zip(photos.paths, mask, strict=True) if keep]
    return Photos(paths, photos.labels[mask], photos.classes)


def _list(folder: Path) -> list[Path]:
    """Return what is not hidden in a folder, sorted by name."""
    try:
        return sorted(each for each in folder.iterdir() if not each.name.startswith("."))
    except OSError as error:
        raise ValueError(f"{folder}: cannot be listed ({error.strerror}); check its permissions") from None


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror}); copy it again") from None
