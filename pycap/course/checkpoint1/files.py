"""Finding a set of pictures and their labels among IDX files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pycap.course.readers.idx import read_idx


def find_pair(path: Path, size: tuple[int, int], classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return pictures uint8 `(count, *size)` and labels int64 `(count,)`.

    Args:
        path: the file of pictures, with the labels beside it; or a folder. Of several sets in a folder the test set
            (`t10k-` or `test`) is taken.
        size: rows and columns that a picture must have.
        classes: labels must lie below.

    Raises:
        FileNotFoundError: nothing there.
        ValueError: no pair, or files that do not go together, naming them.
    """
    images_path = _find_images(path)
    labels_path = _find_labels(images_path)
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.dtype != np.uint8 or images.shape[1:] != size:
        raise ValueError(
            f"{images_path}: pictures must be uint8 {size[0]} x {size[1]}, got {images.dtype} {images.shape}; "
            "give the files of a data set like Fashion-MNIST"
        )
    if labels.shape != (len(images),) or not len(images):
        raise ValueError(
            f"{labels_path}: {len(images)} pictures need as many labels (and one at least), got {labels.shape}"
        )
    if not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(
            f"{labels_path}: labels must be 0 to {classes - 1}, got {labels.min()} to {labels.max()}"
        )
    return images, labels.astype(np.int64)


def _find_images(path: Path) -> Path:
    if not path.exists():
        raise FileNotFoundError(
            f"{path}: no such file or folder; give IDX files like t10k-images-idx3-ubyte.gz"
        )
    if path.is_file():
        return path
    found = sorted(file for file in path.iterdir() if file.is_file() and "images" in file.name)
    if not found:
        raise ValueError(f"{path}: holds no IDX file of pictures (its name contains 'images')")
    tests = [file for file in found if file.name.startswith(("t10k", "test"))]
    sets = {file.name.removesuffix(".gz") for file in tests or found}
    if len(sets) > 1:
        raise ValueError(f"{path}: holds several sets ({', '.join(sorted(sets))}); give the file of one")
    return (tests or found)[0]


def _find_labels(images: Path) -> Path:
    plain = images.name.removesuffix(".gz").replace("images", "labels").replace("idx3", "idx1")
    if "images" not in images.name:
        raise ValueError(f"{images}: give the file of pictures, whose name contains 'images'")
    for name in (plain + ".gz", plain) if images.suffix == ".gz" else (plain, plain + ".gz"):
        if (images.parent / name).is_file():
            return images.parent / name
    raise FileNotFoundError(f"{images.parent / plain}: no such file; the labels must lie beside the pictures")
