"""Pictures with captions: load a data set in any of four formats, check it, read its pictures.

Nothing here imports torch.
"""

from __future__ import annotations

from pathlib import Path

from pycap.data.check import Report, check_dataset
from pycap.data.coco import load_coco
from pycap.data.dataset import CaptionDataset, DatasetError, Example, Problem
from pycap.data.flickr8k import load_flickr8k
from pycap.data.folder import load_folder
from pycap.data.images import ImageError, crop_box, preprocess, read_image
from pycap.data.karpathy import load_karpathy

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

_LOADERS = {"flickr8k": load_flickr8k, "karpathy": load_karpathy, "coco": load_coco, "folder": load_folder}


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
    if format not in _LOADERS:
        raise ValueError(f"format must be one of {', '.join(_LOADERS)}, got {format!r}")
    path = Path(path)
    if not path.exists():
        raise DatasetError(f"{path}: no such file or folder; check the path")
    return _LOADERS[format](path)
