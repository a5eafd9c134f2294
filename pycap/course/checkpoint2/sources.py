"""Where the checkpoint's pictures come from: data sets, a single picture, or a folder to be scored on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pycap.course.lab import Lab
from pycap.course.readers.idx import FILES, find_idx, read_idx
from pycap.data.images import crop_box, read_image


def locate(lab: Lab, name: str) -> Path:
    """Return the folder of a data set; what the user gave as `--data` counts for the set that it looks like.

    Raises:
        ValueError, FileNotFoundError: it is not there.
    """
    if lab.given is not None and lab.given.is_dir() and is_idx(lab.given) != (name == "fashion-mnist"):
        from pycap.catalog import find

        return find(name, None)
    return lab.data(name)


def is_idx(path: Path) -> bool:
    """True for an IDX file of pictures and for a folder with one."""
    names = [each.name for each in path.iterdir()] if path.is_dir() else [path.name]
    return any("idx3-ubyte" in name for name in names)


def read_clothes(path: Path) -> tuple[np.ndarray, np.ndarray] | None:
    """Read pictures of clothes and their labels; None where there are no IDX files.

    Args:
        path: a folder with the test files of Fashion-MNIST (else its training files), or a file of pictures beside
            which lies that of their labels.

    Returns:
        uint8 `(pictures, 28, 28)` and int64 `(pictures,)`.

    Raises:
        ValueError: a file is missing or broken, or the two do not go together.
    """
    if not path.exists() or not is_idx(path):
        return None
    if path.is_dir():
        test = any(each.name.startswith(FILES["test_images"]) for each in path.iterdir())
        part = "test" if test else "train"
        images_path, labels_path = (find_idx(path, FILES[f"{part}_{kind}"]) for kind in ("images", "labels"))
    else:
        name = path.name.removesuffix(".gz").replace("images-idx3", "labels-idx1")
        images_path, labels_path = path, find_idx(path.parent, name)
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.shape[1:] != (28, 28) or images.dtype != np.uint8 or not len(images):
        raise ValueError(
            f"{images_path}: pictures must be uint8 (count, 28, 28), got {images.dtype} {images.shape}"
        )
    if labels.shape != (len(images),):
        raise ValueError(f"{labels_path}: {len(images)} pictures need as many labels, got {labels.shape}")
    return images, labels.astype(np.int64)


def read_garment(path: str) -> np.ndarray | None:
    """Read a picture without colour as Fashion-MNIST would show it; None where it has colours.

    Args:
        path: of the picture. One of another size than 28 x 28 is brought to it, and one on a light ground inverted.

    Returns:
        uint8 `(28, 28)`.

    Raises:
        ImageError: (a ValueError) it cannot be read.
    """
    image = read_image(path)
    small = np.asarray(image.resize((28, 28), box=crop_box(*image.size)), np.int16)
    if np.ptp(small, axis=2).max() > 12:
        return None
    grey = small.mean(axis=2)
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    return (255 - grey if np.median(border) > 127 else grey).astype(np.uint8)


def count_by_class(labels: np.ndarray, guesses: np.ndarray, names: list[str]) -> list[dict]:
    """Return a row a class: how many there are, how many of them were found, how many of the guesses were right."""
    rows = []
    for label, name in enumerate(names):
        of, said = labels == label, guesses == label
        hits = int((of & said).sum())
        rows.append(
            {
                "class": name,
                "pictures": int(of.sum()),
                "recall": hits / of.sum() if of.any() else None,
                "precision": hits / said.sum() if said.any() else None,
            }
        )
    return rows
