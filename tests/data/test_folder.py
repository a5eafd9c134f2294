"""Your own pictures, described in CSV or JSON Lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pycap.data import DatasetError, load_dataset
from pycap.data.folder import assign_splits


@pytest.fixture
def write(tmp_path):
    def save(content, file="captions.csv"):
        (tmp_path / file).write_bytes(content.encode() if isinstance(content, str) else content)
        return tmp_path

    return save


def rows(dataset):
    return [(example.id, example.captions, example.split) for example in dataset]


@pytest.mark.parametrize(
    ("file", "content"),
    [
        (
            "captions.csv",
            'image,caption,split\na.jpg,"A dog, a cat",train\nb.jpg,B,val\na.jpg,"says ""hi""",train\n',
        ),
        (
            "captions.csv",
            '\ufeffSplit, Caption, Image\r\ntrain,"A dog, a cat",a.jpg\r\n\r\n'
            'dev,B,b.jpg\r\ntrain,"says ""hi""",a.jpg',
        ),
        (
            "captions.csv",
            'image;caption;split\na.jpg;A dog, a cat;train\nb.jpg;B;dev\na.jpg;"says ""hi""";train\n',
        ),
        (
            "captions.tsv",
            'image\tcaption\tsplit\na.jpg\tA dog, a cat\ttrain\nb.jpg\tB\tdev\na.jpg\t"says ""hi"""\ttrain\n',
        ),
        (
            "captions.jsonl",
            '{"image": "a.jpg", "caption": ["A dog, a cat", "says \\"hi\\""], "split": "train"}\n\n'
            '{"image": "b.jpg", "caption": "B", "split": "dev"}\n',
        ),
    ],
)
def test_every_way_to_write_it_gives_the_same(write, file, content):
    dataset = load_dataset(write(content, file), "folder")
    assert rows(dataset) == [("a.jpg", ("A dog, a cat", 'says "hi"'), "train"), ("b.jpg", ("B",), "dev")]


def test_pictures_are_found_beside_the_file_or_in_images(write, draw):
    folder = write("image,caption\na.jpg,A\nsub\\b.jpg,B\n")
    first, second = draw("images/a.jpg"), draw("images/sub/b.jpg")
    assert [example.image for example in load_dataset(folder, "folder")] == [first, second]


def test_caption_over_two_lines_is_one_caption(write):
    assert rows(load_dataset(write('image,caption,split\na.jpg,"A\ndog",train\n'), "folder"))[0][1] == (
        "A\ndog",
    )


def test_rows_without_split_beside_rows_with_one_are_in_no_split(write):
    dataset = load_dataset(write("image,caption,split\na.jpg,A,train\nb.jpg,B,\na.jpg,C,\n"), "folder")
    assert dataset.splits == {"train": 1, "": 1}
    assert dataset.problems == ()


def test_picture_in_two_splits_is_held_out(write):
    dataset = load_dataset(write("image,caption,split\na.jpg,A,dev\na.jpg,B,train\n"), "folder")
    assert rows(dataset) == [("a.jpg", ("A", "B"), "dev")]
    assert [str(p) for p in dataset.problems] == [
        "image in two splits: a.jpg: dev, and by line 3 of captions.csv train"
    ]


def test_without_splits_a_stable_tenth_is_held_out(write):
    names = [f"{number}.jpg" for number in range(1000)]
    dataset = load_dataset(write("image,caption\n" + "".join(f"{name},A dog\n" for name in names)), "folder")
    assert 70 < dataset.splits["dev"] < 130
    splits = {example.id: example.split for example in dataset}
    assert assign_splits(names[:500]) == {
        name: splits[name] for name in names[:500]
    }  # more pictures move none
    assert [name for name in names[:40] if splits[name] == "dev"] == ["26.jpg", "34.jpg", "36.jpg", "38.jpg"]


@given(st.lists(st.text(min_size=1), min_size=2, max_size=8, unique=True))
def test_two_pictures_suffice_for_both_splits(names):
    assert {"train", "dev"} == set(assign_splits(names).values())


def test_one_picture_is_trained_on():
    assert assign_splits(["a.jpg"]) == {"a.jpg": "train"}


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (
            "captions.csv",
            "",
            r"captions.csv line 1: no column 'image' \(found nothing\); begin the file with",
        ),
        ("captions.csv", "picture,caption\n", r"line 1: no column 'image' \(found picture, caption\)"),
        ("captions.csv", "image,text\na.jpg,A\n", "line 1: no column 'caption'"),
        (
            "captions.csv",
            "image,caption\na.jpg,A dog, a cat\n",
            "line 2: expected 2 columns, got 3; put captions",
        ),
        ("captions.csv", "image,caption\na.jpg\n", "line 2: expected 2 columns, got 1"),
        (
            "captions.csv",
            'image,caption\na.jpg,"A dog\nb.jpg,B\n',
            "captions.csv line 3: .*; check the quotes",
        ),
        ("captions.csv", "image,caption\n,A dog\n", "line 2: no image name"),
        ("captions.csv", "image,caption\n", "describes no picture; add rows"),
        (
            "captions.csv",
            "image,caption,split\na.jpg,A,tset\n",
            "line 2: split must be train, dev or test, got 'tset'",
        ),
        ("captions.csv", b"image,caption\na.jpg,A\nb.jpg,caf\xe9\n", "captions.csv line 3: not UTF-8 text"),
        ("captions.jsonl", '{"image": "a.jpg"}\n', "captions.jsonl: line 1 lacks 'caption'"),
        (
            "captions.jsonl",
            '{"image": "a", "caption": "A"}\n{"image',
            "captions.jsonl line 2: not a JSON object",
        ),
        (
            "captions.jsonl",
            '{"image": "a", "caption": [1]}\n',
            "line 1: caption must be text or a list of texts",
        ),
        ("captions.jsonl", '{"image": 3, "caption": "A"}\n', "'image' of line 1 must be str, got int"),
    ],
)
def test_errors_name_file_line_and_remedy(write, file, content, message):
    with pytest.raises(DatasetError, match=message):
        load_dataset(write(content, file), "folder")


def test_two_caption_files_need_a_choice(write):
    write("image,caption\na.jpg,A\n")
    folder = write('{"image": "a.jpg", "caption": "B"}\n', "captions.jsonl")
    with pytest.raises(DatasetError, match=r"captions.csv and captions.jsonl are both in it; keep one"):
        load_dataset(folder, "folder")
    assert load_dataset(folder / "captions.jsonl", "folder").examples[0].captions == ("B",)
