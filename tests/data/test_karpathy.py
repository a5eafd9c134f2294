"""Karpathy's JSON: one file that describes Flickr8k, Flickr30k or COCO."""

from __future__ import annotations

import json

import pytest

from pycap.data import DatasetError, load_dataset


def describe(name, split, *captions, **more):
    return {"filename": name, "split": split, "sentences": [{"raw": text} for text in captions], **more}


@pytest.fixture
def write(tmp_path):
    def save(*images, file="dataset_coco.json", **more):
        (tmp_path / file).write_text(json.dumps({"images": images, **more}))
        return tmp_path

    return save


def test_splits_get_our_names_and_order_is_kept(write):
    names = ["train", "restval", "val", "test"]
    folder = write(
        *(describe(f"{name}.jpg", name, "A dog .", " Two dogs") for name in names), dataset="flickr30k"
    )
    dataset = load_dataset(folder, "karpathy")
    assert dataset.name == "flickr30k"
    assert [(e.id, e.split) for e in dataset] == [
        ("train.jpg", "train"),
        ("restval.jpg", "train"),
        ("val.jpg", "dev"),
        ("test.jpg", "test"),
    ]
    assert dataset.examples[0].captions == ("A dog .", "Two dogs")


def test_coco_entries_are_found_by_folder_and_id(write, draw):
    picture = draw("val2014/COCO_val2014_000000000042.jpg")
    folder = write(describe(picture.name, "val", "A dog", filepath="val2014", cocoid=42))
    example = load_dataset(folder / "dataset_coco.json", "karpathy").examples[0]
    assert (example.id, example.image) == (42, picture)


@pytest.mark.parametrize("place", ["Images", "Flicker8k_Dataset", "flickr30k-images", "."])
def test_pictures_are_found_in_the_usual_folders(write, draw, place):
    picture = draw(f"{place}/a.jpg")
    assert load_dataset(write(describe("a.jpg", "train", "A dog")), "karpathy").examples[0].image == picture


def test_entry_listed_twice_is_used_once_and_reported(write):
    dataset = load_dataset(write(describe("a.jpg", "train", "A"), describe("a.jpg", "val", "B")), "karpathy")
    assert [e.captions for e in dataset] == [("A",)]
    assert [(p.kind, p.subject) for p in dataset.problems] == [("listed twice", "a.jpg")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"images": [\n{"filename"', r"dataset.json line 2: not JSON \(.*may be cut off"),
        ("[" * 100_000, r"dataset.json: not JSON \(nested too deeply\)"),
        ("[]", "the file lacks 'images'"),
        ('{"images": {}}', "'images' of the file must be list, got dict"),
        ('{"images": [{}]}', r"images\[0\] lacks 'filename'"),
        ('{"images": [3]}', r"images\[0\] lacks 'filename'"),
        (
            '{"images": [{"filename": "a", "split": "tr", "sentences": []}]}',
            r"split of images\[0\] must be .* got 'tr'",
        ),
        (
            '{"images": [{"filename": "a", "split": "val", "sentences": [{}]}]}',
            r"images\[0\] sentence 0 lacks 'raw'",
        ),
        (
            '{"images": [{"filename": "a", "split": 1, "sentences": []}]}',
            "'split' of .* must be str, got int",
        ),
    ],
)
def test_errors_name_file_and_entry(tmp_path, content, message):
    (tmp_path / "dataset.json").write_text(content)
    with pytest.raises(DatasetError, match=message):
        load_dataset(tmp_path, "karpathy")


def test_two_files_in_one_folder_need_a_choice(write):
    write(describe("a.jpg", "train", "A"))
    folder = write(describe("a.jpg", "train", "A"), file="dataset_flickr8k.json")
    with pytest.raises(
        DatasetError, match=r"dataset_flickr8k.json and dataset_coco.json are both in it; give one"
    ):
        load_dataset(folder, "karpathy")


def test_real_file_agrees_with_the_official_files(shared_data):
    ours = {e.id: e for e in load_dataset(shared_data / "flickr8k", "karpathy")}
    assert ours == {e.id: e for e in load_dataset(shared_data / "flickr8k", "flickr8k")}
