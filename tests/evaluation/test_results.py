"""Captions of other systems: every name a picture goes by is known, every mistake is one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pycap.data.dataset import CaptionDataset, Example
from pycap.evaluation import format_results, read_results, select_examples

DATASET = CaptionDataset(
    "photos",
    (
        Example(Path("photos/a.v2.jpg"), ("a dog",), "dev", "a.v2.jpg"),
        Example(Path("photos/b.jpg"), ("a cat",), "dev", "b.jpg"),
        Example(Path("photos/c.png"), ("...",), "dev", "c.png"),  # no reference with words: not scored
        Example(Path("photos/t.jpg"), ("a bird",), "train", "t.jpg"),
    ),
)
COCO = CaptionDataset("coco", (Example(Path("val/COCO_val_0000042.jpg"), ("a dog",), "dev", 42),))


def read(path: Path, rows: object, dataset: CaptionDataset = DATASET) -> dict:
    path.write_text(rows if isinstance(rows, str) else json.dumps(rows))
    return read_results(path, dataset, "dev", select_examples(dataset, "dev"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results.json"


@pytest.mark.parametrize("names", [("a.v2.jpg", "b.jpg"), ("a.v2", "b"), ("a.v2.jpg", "b")])
def test_pictures_go_by_file_name_with_or_without_suffix(path, names):
    rows = [{"image_id": name, "caption": f"this is {name[0]}", "id": 3} for name in reversed(names)]
    captions = read(path, rows)
    assert list(captions.items()) == [("a.v2.jpg", "this is a"), ("b.jpg", "this is b")]


@pytest.mark.parametrize("name", [42, "42", "COCO_val_0000042.jpg", "COCO_val_0000042"])
def test_numbers_may_be_text_and_pictures_of_numbers_may_go_by_file(path, name):
    assert read(path, [{"image_id": name, "caption": "x"}], COCO) == {42: "x"}


def test_what_is_written_is_read_again(path):
    captions = {"a.v2.jpg": 'a "dog" \u2028 größe', "b.jpg": ""}
    assert read(path, format_results(captions)) == captions


def test_captions_of_pictures_that_cannot_be_scored_are_left_out(path):
    rows = [{"image_id": name, "caption": "x"} for name in ("a.v2", "b", "c")]
    assert set(read(path, rows)) == {"a.v2.jpg", "b.jpg"}


def test_a_name_without_suffix_that_two_pictures_share_is_not_guessed(path):
    twins = CaptionDataset(
        "twins", tuple(Example(Path(name), ("a",), "dev", name) for name in ("a.jpg", "a.png"))
    )
    assert len(read(path, [{"image_id": name, "caption": ""} for name in ("a.jpg", "a.png")], twins)) == 2
    with pytest.raises(
        ValueError, match=r"1 image ids are names of more than one picture of twins dev \(first: 'a'\)"
    ):
        read(path, [{"image_id": name, "caption": ""} for name in ("a.jpg", "a")], twins)


def row(image: object, caption: object = "x") -> dict:
    return {"image_id": image, "caption": caption}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("", r'not JSON \(line 1: .*\); expected \[{"image_id": \.\.\., "caption"'),
        ("\x00", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ({"a.jpg": "a dog"}, r"expected a list of .*, got an object with 'a\.jpg'"),
        ("3", "expected a list of .*, got 3"),
        (["a"], "entry 1 must have image_id and caption, got 'a'"),
        ([row("b"), {"image": "a"}], "entry 2 must have image_id and caption, got an object with 'image'"),
        ([row(True)], "image_id of entry 1 must be a whole number or text, got True"),
        ([row(1.5)], "image_id of entry 1 must be a whole number or text, got 1.5"),
        ([row("b"), row("a.v2", ["x"])], r"caption of entry 2 must be text, got \['x'\]"),
        ([row("b"), row("q"), row("r")], r"2 of 3 image ids are no pictures of photos dev \(first: 'q'\)"),
        ([row("t")], r"1 of 1 image ids are no .* \(first: 't', which is in split 'train'\)"),
        ([row("b"), row("b.jpg")], r"1 captions too many, .* one for each picture \(first: 'b\.jpg'\)"),
        ([row("b")], r"1 of 2 pictures of photos dev have no caption \(first: 'a\.v2\.jpg'\)"),
        ([], r"2 of 2 pictures of photos dev have no caption"),
    ],
)
def test_mistakes_are_one_line_that_names_the_file(path, rows, message):
    with pytest.raises(ValueError, match=message) as raised:
        read(path, rows)
    assert str(raised.value).startswith(f"{path}: ")
    assert "\n" not in str(raised.value)


def test_a_missing_file_is_one_line(path):
    with pytest.raises(
        ValueError, match=r"results\.json: cannot be read \(No such file .*\); check the path"
    ):
        read_results(path, DATASET, "dev", select_examples(DATASET, "dev"))
