"""COCO's caption files."""

from __future__ import annotations

import json

import pytest

from pycap.data import DatasetError, load_dataset


@pytest.fixture
def write(tmp_path):
    """Save a caption file: images as id -> name, annotations as (id, caption)."""

    def save(file, images, annotations):
        content = {
            "images": [{"id": key, "file_name": name} for key, name in images.items()],
            "annotations": [{"image_id": key, "caption": caption} for key, caption in annotations],
        }
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(json.dumps(content))
        return tmp_path

    return save


@pytest.mark.parametrize("annotations", ["annotations/", ""])
@pytest.mark.parametrize("pictures", ["", "images/"])
def test_train_and_val_files_and_their_folders_are_found(write, draw, annotations, pictures):
    first, second = draw(f"{pictures}train2017/1.jpg"), draw(f"{pictures}val2017/2.jpg")
    write(f"{annotations}captions_train2017.json", {1: "1.jpg"}, [(1, "A dog. "), (1, "Two dogs\n")])
    dataset = load_dataset(write(f"{annotations}captions_val2017.json", {2: "2.jpg"}, [(2, "A cat")]), "coco")
    assert [(e.image, e.captions, e.split, e.id) for e in dataset] == [
        (first, ("A dog.", "Two dogs"), "train", 1),
        (second, ("A cat",), "dev", 2),
    ]


def test_pictures_nobody_described_are_kept_without_captions(write):
    dataset = load_dataset(write("captions_train2017.json", {1: "1.jpg", 2: "2.jpg"}, [(2, "A cat")]), "coco")
    assert [(e.id, e.captions) for e in dataset] == [(1, ()), (2, ("A cat",))]


def test_captions_of_unknown_pictures_are_problems(write):
    dataset = load_dataset(
        write("captions_train2017.json", {1: "1.jpg"}, [(1, "A dog"), (7, "A cat")]), "coco"
    )
    assert [str(p) for p in dataset.problems] == [
        "caption without image: image id 7: annotations[1] of captions_train2017.json: 'A cat'"
    ]


def test_only_the_newest_year_counts_because_splits_overlap(write):
    write("captions_val2014.json", {1: "1.jpg"}, [(1, "A dog")])
    folder = write("captions_train2017.json", {1: "1.jpg"}, [(1, "A dog")])
    dataset = load_dataset(folder, "coco")
    assert dataset.splits == {"train": 1}
    assert [p.kind for p in dataset.problems] == ["ignored file"]
    assert load_dataset(folder / "captions_val2014.json", "coco").splits == {"dev": 1}


def test_picture_in_both_files_is_held_out(write):
    write("captions_train2017.json", {1: "1.jpg"}, [(1, "A dog")])
    dataset = load_dataset(write("captions_val2017.json", {1: "1.jpg"}, [(1, "A cat"), (1, "A dog")]), "coco")
    assert [(e.split, e.captions) for e in dataset] == [("dev", ("A dog", "A cat"))]
    assert [p.kind for p in dataset.problems] == ["image in two splits"]


def test_repeated_image_entry_is_reported(tmp_path):
    images = [{"id": 1, "file_name": "1.jpg"}, {"id": 1, "file_name": "1.jpg"}]
    (tmp_path / "captions_train.json").write_text(json.dumps({"images": images, "annotations": []}))
    assert [p.kind for p in load_dataset(tmp_path, "coco").problems] == ["listed twice"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[{"image_id": 1, "caption": "a"}]', "captions_val2017.json: the file lacks 'images'"),
        ('{"images": []}', "the file lacks 'annotations'"),
        ('{"images": [{"id": "x", "file_name": "a"}], "annotations": []}', "'id' of .* must be int, got str"),
        (
            '{"images": [{"id": true, "file_name": "a"}], "annotations": []}',
            "'id' of .* must be int, got bool",
        ),
        ('{"images": [], "annotations": [{"image_id": 1}]}', r"annotations\[0\] lacks 'caption'"),
        ("", r"captions_val2017.json line 1: not JSON"),
    ],
)
def test_errors_name_file_and_entry(tmp_path, content, message):
    (tmp_path / "captions_val2017.json").write_text(content)
    with pytest.raises(DatasetError, match=message):
        load_dataset(tmp_path, "coco")


def test_real_file_loads(shared_data):
    dataset = load_dataset(shared_data / "coco", "coco")
    assert dataset.splits == {"train": 80}
    assert sum(len(example.captions) for example in dataset) == 400
    assert all(example.image.is_file() for example in dataset)
