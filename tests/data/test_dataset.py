"""What every loader returns, and the door to the loaders."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pycap.config import DATA_FORMATS
from pycap.data import CaptionDataset, DatasetError, Example, Problem, load_dataset


def make_dataset() -> CaptionDataset:
    splits = ("train", "dev", "train", "")
    examples = tuple(Example(Path(f"{n}.jpg"), ("a dog",), split, n) for n, split in enumerate(splits))
    return CaptionDataset("pets", examples, (Problem("listed twice", "0.jpg"),))


def test_split_keeps_order_and_problems():
    train = make_dataset().split("train")
    assert [example.id for example in train] == [0, 2]
    assert (train.name, len(train), train.problems) == ("pets train", 2, make_dataset().problems)
    assert make_dataset().splits == {"train": 2, "dev": 1, "": 1}


@pytest.mark.parametrize("name", ["dev", "val", "Validation", " valid "])
def test_every_spelling_of_dev_selects_it(name):
    assert [example.id for example in make_dataset().split(name)] == [1]


def test_pictures_in_no_split_can_be_selected():
    assert [example.id for example in make_dataset().split("")] == [3]


def test_absent_split_says_which_splits_there_are():
    with pytest.raises(
        ValueError, match=r"pets has no pictures in split 'test'; it has train \(2\), dev \(1\), no split"
    ):
        make_dataset().split("test")
    with pytest.raises(ValueError, match="split must be one of train, dev, test, got 'trian'"):
        make_dataset().split("trian")


@pytest.mark.parametrize("format", DATA_FORMATS)
def test_every_announced_format_has_a_loader(format, tmp_path):
    with pytest.raises(DatasetError, match=f"^{tmp_path}: no"):
        load_dataset(tmp_path, format)


def test_unknown_format_and_missing_folder_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"format must be one of flickr8k, .*, got 'coca'"):
        load_dataset(tmp_path, "coca")
    with pytest.raises(DatasetError, match="absent: no such file or folder; check the path"):
        load_dataset(tmp_path / "absent", "coco")


def test_reading_data_does_not_import_torch():
    code = "import sys, pycap.data, pycap.text; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
