"""IDX, the format of MNIST and its successors: a header of big-endian numbers, then the values.

Source: http://yann.lecun.com/exdb/mnist (the format); Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747 (the clothes).
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pycap.course.readers.files import read_bytes

CLASSES = (
    "T-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
FILES = {  # field of `FashionMNIST` -> file name, with or without .gz
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}
_TYPES = {
    0x08: ">u1",
    0x09: ">i1",
    0x0B: ">i2",
    0x0C: ">i4",
    0x0D: ">f4",
    0x0E: ">f8",
}  # third byte -> values
_AGAIN = "copy or download the file again"


class FashionMNIST(NamedTuple):
    """Pictures of clothes, 28 x 28 grey values from 0 (background) to 255, and what they show.

    Attributes:
        train_images: uint8 `(60000, 28, 28)`.
        train_labels: int64 `(60000,)`, positions in `CLASSES`.
        test_images: uint8 `(10000, 28, 28)`.
        test_labels: int64 `(10000,)`.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


def read_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """Read one IDX file, gzip or plain.

    Returns:
        The array it describes, in the machine's byte order, writable.

    Raises:
        ValueError: missing, no IDX file, or of another length than its header says, naming the file.
    """
    raw = read_bytes(path)
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] not in _TYPES or not raw[3]:
        raise ValueError(f"{path}: not an IDX file (starts with {raw[:4].hex(' ')}); {_AGAIN}")
    kind, dimensions = np.dtype(_TYPES[raw[2]]), raw[3]
    start = 4 + 4 * dimensions
    if len(raw) < start:
        raise ValueError(f"{path}: cut off within its header ({len(raw)} bytes); {_AGAIN}")
    shape = [int.from_bytes(raw[at : at + 4], "big") for at in range(4, start, 4)]
    expected = start + math.prod(shape) * kind.itemsize
    if len(raw) != expected:
        size = " x ".join(map(str, shape))
        raise ValueError(f"{path}: {size} values take {expected} bytes, got {len(raw)}; {_AGAIN}")
    return np.frombuffer(raw, kind, offset=start).reshape(shape).astype(kind.newbyteorder("="))


def load_fashion_mnist(folder: str | os.PathLike[str]) -> FashionMNIST:
    """Read the four files of Fashion-MNIST (or of any other MNIST with ten classes).

    Args:
        folder: holds `FILES`, each with or without `.gz`.

    Returns:
        Training and test pictures with their labels.

    Raises:
        ValueError: a file is missing or broken, or pictures and labels do not go together, naming the file.
    """
    folder = Path(folder)
    paths = {field: find_idx(folder, name) for field, name in FILES.items()}
    arrays = {field: read_idx(path) for field, path in paths.items()}
    for part in ("train", "test"):
        images, labels = arrays[f"{part}_images"], arrays[f"{part}_labels"]
        if images.ndim != 3 or images.shape[1:] != (28, 28) or images.dtype != np.uint8:
            got = f"{images.dtype} {images.shape}"
            raise ValueError(
                f"{paths[f'{part}_images']}: pictures must be uint8 (count, 28, 28), got {got}; is it the right file?"
            )
        if labels.shape != (len(images),):
            raise ValueError(
                f"{paths[f'{part}_labels']}: {len(images)} pictures need as many labels, got {labels.shape}; "
                "are both files of one data set?"
            )
        if labels.size and not 0 <= labels.min() <= labels.max() < len(CLASSES):
            raise ValueError(
                f"{paths[f'{part}_labels']}: labels must be 0 to 9, got {labels.min()} to {labels.max()}; "
                "is it the right file?"
            )
        arrays[f"{part}_labels"] = labels.astype(np.int64)
    return FashionMNIST(**arrays)


def find_idx(folder: Path, name: str) -> Path:
    """Return the plain or gzip file of this name in a folder.

    Raises:
        ValueError: neither is there.
    """
    for path in (folder / f"{name}.gz", folder / name):
        if path.is_file():
            return path
    wrong = "not in this folder" if folder.is_dir() else "no such folder"
    raise ValueError(f"{folder / name}.gz: {wrong}; pycap data get fashion-mnist fetches it")
