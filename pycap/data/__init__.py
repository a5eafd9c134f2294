"""Pictures with captions: load a data set in any of four formats, check it, read its pictures.

Names are imported when they are first used: whoever reads pictures alone waits for nothing else. Only `batches`
imports torch.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pycap.config import DATA_FORMATS

if TYPE_CHECKING:
    from pycap.data.check import Report, check_dataset
    from pycap.data.dataset import CaptionDataset, DatasetError, Example, Problem
    from pycap.data.images import ImageError, crop_box, preprocess, read_image

__all__ = [
    "CaptionDataset",
    "DatasetError",
    "Example",
    "ImageError",
    "Problem",
    "Report",
    "check_dataset",
    "crop_box",
    "load_dataset",
    "preprocess",
    "read_image",
]

_HOMES = {
    **dict.fromkeys(("Report", "check_dataset"), "check"),
    **dict.fromkeys(("CaptionDataset", "DatasetError", "Example", "Problem"), "dataset"),
    **dict.fromkeys(("ImageError", "crop_box", "preprocess", "read_image"), "images"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'pycap.data' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"pycap.data.{_HOMES[name]}"), name)
    return value


def load_dataset(path: str | Path, format: str) -> CaptionDataset:
    """Load a captioned data set.

    Args:
        path: its folder (for karpathy, coco and folder also its JSON, CSV or JSONL file).
        format: one of `pycap.config.DATA_FORMATS`.

    Returns:
        All pictures and captions as listed; nothing is decoded yet (see `check_dataset`).

    Raises:
        ValueError: unknown format.
        DatasetError: the path does not hold such a data set; the line names file and place.
    """
    from pycap.data.dataset import DatasetError

    if format not in DATA_FORMATS:
        raise ValueError(f"format must be one of {', '.join(DATA_FORMATS)}, got {format!r}")
    path = Path(path)
    if not path.exists():
        raise DatasetError(f"{path}: no such file or folder; check the path")
    return getattr(import_module(f"pycap.data.{format}"), f"load_{format}")(path)
