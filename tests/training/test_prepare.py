"""Which pictures train and which validate."""

from __future__ import annotations

from pathlib import Path

import pytest

from pycap.data import CaptionDataset, Example
from pycap.training.prepare import split_train_dev


def dataset(**splits: int) -> CaptionDataset:
    names = [(split, f"{split}{number}.jpg") for split, count in splits.items() for number in range(count)]
    return CaptionDataset(
        "mine", tuple(Example(Path(name), ("a dog",), split, name) for split, name in names)
    )


def test_splits_of_the_data_set_are_kept():
    train, dev, note = split_train_dev(dataset(train=5, dev=2, test=3))
    assert {example.split for example in train} == {"train"}
    assert (len(train), len(dev), note) == (5, 2, "")


@pytest.mark.parametrize("count", [2, 3, 30, 300])
def test_without_dev_some_of_train_is_held_out(count):
    train, dev, note = split_train_dev(dataset(train=count))
    assert len(train) + len(dev) == count
    assert min(len(train), len(dev)) >= 1
    assert not {example.id for example in train} & {example.id for example in dev}
    assert f"{len(dev)} of {count}" in note


def test_pictures_added_later_move_no_other_one():
    before = {example.id for example in split_train_dev(dataset(train=200))[1]}
    after = {example.id for example in split_train_dev(dataset(train=400))[1]}
    assert len(before - after) <= 1  # at most the one that keeps a split from being empty


def test_one_picture_is_not_enough():
    with pytest.raises(ValueError, match="one picture is not enough"):
        split_train_dev(dataset(train=1))


def test_nothing_to_train_on_is_said():
    with pytest.raises(ValueError, match="no usable picture in the train split"):
        split_train_dev(dataset(dev=3))
