"""Where data sets are looked for, in which order, and what is said when they are nowhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pycap.catalog import DATASETS, find, find_any, locate
from pycap.catalog.places import user_folder

NAMES = ["digits", "fashion-mnist", "flowers", "flickr8k", "coco", "sst2", "rt-polarity", "stocks"]


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No data set is anywhere but in packages."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYCAP_DATA", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    return tmp_path


def put(folder: Path, name: str = "stsa.binary.train") -> Path:
    """Make a folder with a file in it."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("1 fine\n")
    return folder


def test_every_entry_says_what_it_is():
    assert list(DATASETS) == NAMES
    for name, dataset in DATASETS.items():
        assert dataset.name == name
        assert dataset.terms
        assert dataset.citation
        assert dataset.marks
        assert dataset.downloads or dataset.package
        assert all(len(digest) == 64 for _, digests in dataset.checksums for digest in digests)
        assert all(each.url.startswith(("http://", "https://")) and each.size for each in dataset.downloads)


def test_places_are_searched_in_order(nowhere: Path, monkeypatch: pytest.MonkeyPatch):
    places = [nowhere / "xdg" / "pycap" / "data" / "sst2", Path("data") / "sst2", nowhere / "env" / "sst2"]
    monkeypatch.setenv("PYCAP_DATA", str(nowhere / "env"))
    for place in places:  # each later one comes before those made so far
        put(place)
        assert find("sst2") == place
    assert find("sst2", put(nowhere / "mine")) == nowhere / "mine"


def test_user_folder_follows_xdg(nowhere: Path, monkeypatch: pytest.MonkeyPatch):
    assert user_folder() == nowhere / "xdg" / "pycap" / "data"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert user_folder() == Path("/home/somebody/.local/share/pycap/data")


@pytest.mark.parametrize(
    ("name", "folder", "file"),
    [
        ("flowers", "flowers/train", "daisy/1.jpg"),
        ("flowers", "flowers/flower_photos", "daisy/1.jpg"),
        ("sst2", "sentiment/sst2", "stsa.binary.train"),
        ("rt-polarity", "sentiment/rt-polarity", "rt-polarity.pos"),
        ("rt-polarity", "rt-polarity/rt-polaritydata", "rt-polarity.pos"),
        ("stocks", "stocks", "AAPL.csv"),
        ("flickr8k", "flickr8k", "Flickr8k_text/Flickr8k.token.txt"),
        ("coco", "coco", "annotations/captions_train2017.json"),
        ("fashion-mnist", "fashion-mnist/FashionMNIST/raw", "train-images-idx3-ubyte"),
    ],
)
def test_usual_layouts_are_known(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch, name: str, folder: str, file: str
):
    put(nowhere / "all" / folder, file)
    monkeypatch.setenv("PYCAP_DATA", str(nowhere / "all"))
    assert find(name) == nowhere / "all" / folder
    assert find(name, nowhere / "all") == nowhere / "all" / folder


def test_files_of_other_data_sets_are_not_mistaken(nowhere: Path, monkeypatch: pytest.MonkeyPatch):
    put(nowhere / "all", "notes.csv")
    put(nowhere / "all" / "flickr8k" / "Flicker8k_Dataset", "1.jpg")
    monkeypatch.setenv("PYCAP_DATA", str(nowhere / "all"))
    assert locate(replace(DATASETS["stocks"], package="")) is None
    assert locate(DATASETS["flowers"]) is None


def test_what_a_package_ships_is_the_last_resort(nowhere: Path):
    folder = find("digits")
    assert (folder / "digits.csv.gz").is_file()
    put(nowhere / "data" / "digits", "digits.csv.gz")
    assert find("digits") == Path("data/digits")
    assert locate(replace(DATASETS["stocks"], package="no_such_package")) is None


def test_missing_data_set_is_one_line_with_every_way_to_get_it(nowhere: Path):
    with pytest.raises(
        FileNotFoundError, match=r"sst2: not found in data/sst2, .*; pycap data get sst2"
    ) as caught:
        find("sst2")
    assert "\n" not in str(caught.value)
    assert str(nowhere / "xdg") in str(caught.value)
    assert "--data or PYCAP_DATA" in str(caught.value)


def test_one_data_set_takes_the_place_of_another(nowhere: Path):
    names = ("sst2", "rt-polarity")
    with pytest.raises(
        FileNotFoundError, match=r"sst2: not found.*; or take .* instead: pycap data get rt-polarity$"
    ):
        find_any(names)
    polarity = put(Path("data") / "rt-polarity", "rt-polarity.pos")
    assert find_any(names) == polarity
    assert find_any(names[::-1]) == polarity
    mine = put(nowhere / "mine", "rt-polarity.pos")
    assert find_any(names, mine) == mine
    sst = put(Path("data") / "sst2")
    assert find_any(names) == sst


def test_wrong_places_and_names_are_one_line(nowhere: Path):
    with pytest.raises(ValueError, match="no data set 'mnist'; there are digits, fashion-mnist"):
        find("mnist")
    with pytest.raises(FileNotFoundError, match="gone: no such file or folder; check the path of sst2"):
        find("sst2", nowhere / "gone")
    (nowhere / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"empty: no stsa\.binary\.train in it; give the folder"):
        find("sst2", nowhere / "empty")
    assert find("stocks", put(nowhere, "IBM.csv") / "IBM.csv") == nowhere / "IBM.csv"


def test_real_layout_is_found(shared_data: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PYCAP_DATA", str(shared_data))
    for name in ("flowers", "flickr8k", "coco", "sst2", "rt-polarity", "stocks"):
        assert find(name).is_relative_to(shared_data)
