"""What a data set's folder really holds: counts beside the published ones, and what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

POLARITY_COUNTS = ([5331, 5331], [5326, 5242])  # negative, positive: the authors' labels, readers' ratings
SST_COUNTS = {"stsa.binary.train": 6920, "stsa.binary.dev": 872, "stsa.binary.test": 1821}


def inspect(name: str, path: Path) -> tuple[list[str], list[str]]:
    """Read a data set and count what is in it.

    Args:
        name: as in the catalog.
        path: its folder, or a file where its reader takes one.

    Returns:
        Lines on what was found, and lines on what is wrong: file, defect, and what becomes of it or what to do.
    """
    try:
        return _INSPECTIONS[name](path)
    except ValueError as error:
        return [], [str(error)]


def _inspect_clothes(path: Path) -> tuple[list[str], list[str]]:
    from pycap.course.readers.idx import load_fashion_mnist

    data = load_fashion_mnist(path)
    wrong = []
    for part, count in (("train", 60_000), ("test", 10_000)):
        labels = getattr(data, f"{part}_labels")
        if len(labels) != count or set(np.bincount(labels, minlength=10)) != {count // 10}:
            wrong.append(f"{path}: {part} has {len(labels)} pictures, {count} in ten equal classes expected")
    return [f"{len(data.train_labels)} training and {len(data.test_labels)} test pictures"], wrong


def _inspect_flowers(path: Path) -> tuple[list[str], list[str]]:
    from pycap.course.readers.photos import list_photos
    from pycap.data.images import ImageError, read_image

    photos = list_photos(path)
    counts = np.bincount(photos.labels, minlength=len(photos.classes))
    found = [f"{len(photos.paths)} photos"]
    found += [f"{name}: {count}" for name, count in zip(photos.classes, counts, strict=True)]
    wrong = []
    for photo in photos.paths:
        try:
            read_image(photo, at_least=32)
        except ImageError as error:
            wrong.append(str(error))
    return found, wrong


def _inspect_captions(path: Path) -> tuple[list[str], list[str]]:
    from pycap.data import check_dataset, load_dataset
    from pycap.data.check import CONSEQUENCES

    if path.is_file():
        kind = "karpathy" if path.name.startswith("dataset") else "coco"
    elif any(path.glob("captions_*.json")) or any(path.glob("annotations/captions_*.json")):
        kind = "coco"
    else:
        kind = "flickr8k" if any(path.glob("**/Flickr8k.token.txt")) else "karpathy"
    report = check_dataset(load_dataset(path, kind))
    harmless = ("kept", "ignored", "used once")  # counted in the summary
    wrong = [each for each in report.problems if CONSEQUENCES.get(each.kind) not in harmless]
    return report.summary(), [f"{each} ({CONSEQUENCES.get(each.kind, 'see above')})" for each in wrong]


def _inspect_sst(path: Path) -> tuple[list[str], list[str]]:
    from pycap.course.readers.sentences import read_sst

    files = [path] if path.is_file() else [path / name for name in SST_COUNTS if (path / name).exists()]
    found, wrong = [], []
    for file in files:
        labels = read_sst(file).labels
        found.append(f"{file.name}: {len(labels)} sentences, {int(labels.sum())} positive")
        if len(labels) != SST_COUNTS.get(file.name, len(labels)):
            wrong.append(f"{file}: {len(labels)} sentences, {SST_COUNTS[file.name]} expected")
    missing = [name for name in list(SST_COUNTS)[:2] if path.is_dir() and not (path / name).exists()]
    return found, wrong + [f"{path / name}: no such file; pycap data get sst2 fetches it" for name in missing]


def _inspect_polarity(path: Path) -> tuple[list[str], list[str]]:
    from pycap.course.readers.sentences import read_polarity

    data = read_polarity(path)
    counts = np.bincount(data.labels, minlength=2).tolist()
    expected = f"5331 sentences of each label expected, got {counts}"
    wrong = [] if counts in POLARITY_COUNTS else [f"{path}: {expected}"]
    return [f"{counts[1]} positive and {counts[0]} negative sentences"], wrong


def _inspect_prices(path: Path) -> tuple[list[str], list[str]]:
    from pycap.course.readers.prices import list_prices, read_prices

    found, wrong = [], []
    for file in list_prices(path):
        try:
            prices = read_prices(file)
        except ValueError as error:
            wrong.append(str(error))
            continue
        found.append(f"{prices.name}: {len(prices.dates)} days, {prices.dates[0]} to {prices.dates[-1]}")
        if prices.dropped:
            rows = (
                "1 row lacks values and is"
                if prices.dropped == 1
                else f"{prices.dropped} rows lack values and are"
            )
            wrong.append(f"{file}: {rows} left out")
    return found, wrong


def _inspect_digits(path: Path) -> tuple[list[str], list[str]]:
    from pycap.course.readers.files import read_lines

    rows = read_lines(path / "digits.csv.gz" if path.is_dir() else path)
    wrong = (
        [] if len(rows) == 1797 else [f"{path}: {len(rows)} rows, 1797 expected; install scikit-learn again"]
    )
    return [f"{len(rows)} pictures"], wrong


_INSPECTIONS: dict[str, Callable[[Path], tuple[list[str], list[str]]]] = {
    "digits": _inspect_digits,
    "fashion-mnist": _inspect_clothes,
    "flowers": _inspect_flowers,
    "flickr8k": _inspect_captions,
    "coco": _inspect_captions,
    "sst2": _inspect_sst,
    "rt-polarity": _inspect_polarity,
    "stocks": _inspect_prices,
}
