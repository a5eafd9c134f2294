"""Flickr8k's official files, whole and with the defects that the real ones have."""

from __future__ import annotations

import pytest

from pycap.data import DatasetError, load_dataset
from pycap.metrics import ptb
from pycap.text import tokenize

TOKENS = 'b.jpg#0\tA dog .\nb.jpg#1\tOne dog\nc.jpg.1#0\tA cat\na.jpg#0\tA "man" \'s # dog .\n'


@pytest.fixture
def folder(tmp_path, draw):
    for name in ("a.jpg", "b.jpg"):
        draw(f"Flicker8k_Dataset/{name}")
    (tmp_path / "Flickr8k.token.txt").write_text(TOKENS)
    (tmp_path / "Flickr_8k.trainImages.txt").write_text("a.jpg\nb.jpg\n")
    (tmp_path / "Flickr_8k.devImages.txt").write_text("z.jpg\n")
    return tmp_path


def test_captions_splits_and_pictures_come_together(folder):
    dataset = load_dataset(folder, "flickr8k")
    assert [(e.id, e.captions, e.split) for e in dataset] == [
        ("b.jpg", ("A dog .", "One dog"), "train"),
        ("c.jpg.1", ("A cat",), ""),
        ("a.jpg", ('A "man" \'s # dog .',), "train"),
        ("z.jpg", (), "dev"),
    ]
    assert dataset.examples[0].image == folder / "Flicker8k_Dataset" / "b.jpg"
    assert dataset.problems == ()


def test_picture_folder_is_found_under_its_other_names(folder):
    (folder / "Flicker8k_Dataset").rename(folder / "Images")
    (folder / "Flickr8k_Dataset").mkdir()  # there, but empty
    assert load_dataset(folder, "flickr8k").examples[0].image.is_file()


def test_text_files_may_lie_in_their_own_folder(folder):
    (folder / "Flickr8k_text").mkdir()
    for path in folder.glob("*.txt"):
        path.rename(folder / "Flickr8k_text" / path.name)
    assert load_dataset(folder, "flickr8k").splits == {"train": 2, "dev": 1, "": 1}


def test_picture_in_two_lists_is_held_out(folder):
    (folder / "Flickr_8k.testImages.txt").write_text("b.jpg\n")
    dataset = load_dataset(folder, "flickr8k")
    assert dataset.split("test").examples[0].id == "b.jpg"
    assert [(p.kind, p.subject) for p in dataset.problems] == [("image in two splits", "b.jpg")]


def test_windows_line_ends_and_byte_order_mark_do_no_harm(folder):
    (folder / "Flickr8k.token.txt").write_bytes(b"\xef\xbb\xbf" + TOKENS.replace("\n", "\r\n").encode())
    (folder / "Flickr_8k.trainImages.txt").write_bytes(b"a.jpg\r\nb.jpg\r\n\r\n")
    assert load_dataset(folder, "flickr8k").examples[0].captions == ("A dog .", "One dog")
    assert load_dataset(folder, "flickr8k").splits["train"] == 2


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (
            "Flickr8k.token.txt",
            b"a.jpg#0\tA\nb.jpg A dog\n",
            r"token.txt line 2: expected NAME#NUMBER<TAB>CAPTION, got 'b",
        ),
        ("Flickr8k.token.txt", b"a.jpg\tA dog\n", "line 1: expected NAME#NUMBER"),
        ("Flickr8k.token.txt", b"a.jpg#0\tA\na.jpg#1\tcaf\xe9\n", "token.txt line 2: not UTF-8 text; save"),
        ("Flickr8k.token.txt", None, "no Flickr8k.token.txt in it; give the folder"),
        ("Flickr_8k.trainImages.txt", None, "no Flickr_8k.trainImages.txt, .* put the official lists there"),
    ],
)
def test_errors_name_file_line_and_remedy(folder, file, content, message):
    (folder / "Flickr_8k.devImages.txt").unlink()
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        load_dataset(folder, "flickr8k")


def test_real_files_hold_the_official_splits(shared_data):
    dataset = load_dataset(shared_data / "flickr8k", "flickr8k")
    assert dataset.splits == {"train": 6000, "dev": 1000}
    assert all(len(example.captions) == 5 for example in dataset)
    assert all(example.image.is_file() for example in dataset)


def test_real_captions_split_into_the_words_that_the_scores_count(shared_data):
    captions = [c for example in load_dataset(shared_data / "flickr8k", "flickr8k") for c in example.captions]
    other = [caption for caption in captions if tokenize(caption) != ptb.tokenize(caption).split()]
    assert len(other) < len(captions) / 500
    assert all(set("#&()=.'") & set(caption) for caption in other)  # symbols, which models need not say
