"""Photos in one folder a class: listed, decoded, split without leaks."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pycap.course.readers.photos import Photos, list_photos, load_pixels, split


def save(path: Path, shade: int, size: tuple[int, int] = (12, 8)) -> Path:
    """Write a picture of one grey."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (shade, shade, shade)).save(path)
    return path


@pytest.fixture
def garden(tmp_path: Path) -> Path:
    """Three classes with 10, 20 and 5 different pictures."""
    shade = 0
    for name, count in (("tulips", 10), ("daisy", 20), ("roses", 5)):
        for number in range(count):
            save(tmp_path / name / f"{number:02}.png", shade)
            shade += 1
    return tmp_path


def test_folders_are_classes_in_sorted_order(garden: Path):
    (garden / "LICENSE.txt").write_text("CC BY")
    (garden / "daisy" / "notes.txt").write_text("not a picture")
    save(garden / "daisy" / "._hidden.jpg", 1)
    (garden / "__MACOSX").mkdir()
    (garden / ".cache").mkdir()
    photos = list_photos(garden)
    assert photos.classes == ["daisy", "roses", "tulips"]
    assert np.bincount(photos.labels).tolist() == [20, 5, 10]
    assert photos.labels.dtype == np.int64
    assert photos.paths == sorted(photos.paths)


def test_a_trained_model_fixes_the_order_of_classes(garden: Path):
    shutil.rmtree(garden / "roses")
    photos = list_photos(garden, classes=["tulips", "roses", "daisy"])
    assert np.bincount(photos.labels, minlength=3).tolist() == [10, 0, 20]
    assert photos.paths[0].parent.name == "tulips"
    with pytest.raises(ValueError, match="tulips: not one of the classes daisy; rename or remove"):
        list_photos(garden, classes=["daisy"])


def test_wrong_folder_is_one_line(garden: Path):
    with pytest.raises(ValueError, match="nowhere: no such folder"):
        list_photos(garden / "nowhere")
    with pytest.raises(ValueError, match=r"00\.png: a file, not a folder"):
        list_photos(garden / "daisy" / "00.png")
    with pytest.raises(ValueError, match="daisy: no sub-folders in it"):
        list_photos(garden / "daisy")
    (garden / "outer").mkdir()
    (garden / "tulips").rename(garden / "outer" / "tulips")
    with pytest.raises(ValueError, match=r"outer: no pictures in it; give .*outer itself\?"):
        list_photos(garden)
    shutil.rmtree(garden / "outer")
    (garden / "weeds").mkdir()
    with pytest.raises(ValueError, match="weeds: no pictures in it; add some or remove the folder"):
        list_photos(garden)


def test_every_kind_of_picture_becomes_rgb_of_one_size(tmp_path: Path):
    half = np.zeros((8, 16, 3), np.uint8)
    half[:, 8:] = 255  # right half white
    upright = Image.fromarray(half)
    exif = Image.Exif()
    exif[0x0112] = 3  # turned by 180 degrees
    paths = [tmp_path / name for name in ("plain.png", "grey.jpg", "cmyk.jpg", "turned.png")]
    upright.save(paths[0])
    upright.convert("L").save(paths[1], quality=95)
    upright.convert("CMYK").save(paths[2], quality=95)
    upright.save(paths[3], exif=exif)
    pixels = load_pixels(paths, 8)
    assert pixels.shape == (4, 8, 8, 3)
    assert pixels.dtype == np.uint8
    for picture in pixels[:3]:
        assert picture[:, 0].max() < 30
        assert picture[:, -1].min() > 225
    assert pixels[3][:, 0].min() > 225  # the EXIF rotation is applied
    assert load_pixels([], 8).shape == (0, 8, 8, 3)


def test_broken_picture_is_named(garden: Path):
    photos = list_photos(garden)
    photos.paths[3].write_bytes(photos.paths[3].read_bytes()[:40])
    with pytest.raises(ValueError, match=f"{photos.paths[3].name}: "):
        load_pixels(photos.paths, 8)
    with pytest.raises(ValueError, match="size must be at least 1"):
        load_pixels(photos.paths[:1], 0)


@pytest.mark.parametrize("held_out", [0.1, 0.2, 0.5])
def test_split_keeps_the_proportion_of_classes(garden: Path, held_out: float):
    photos = list_photos(garden)
    train, held = split(photos, held_out=held_out)
    assert sorted(train.paths + held.paths) == sorted(photos.paths)
    assert train.classes == held.classes == photos.classes
    for label, count in enumerate((20, 5, 10)):
        assert (held.labels == label).sum() == max(1, int(held_out * count + 0.5))
    for part in (train, held):
        assert [part.classes[label] for label in part.labels] == [path.parent.name for path in part.paths]


def test_split_depends_on_the_seed_alone(garden: Path):
    photos = list_photos(garden)
    assert split(photos, seed=3)[1].paths == split(photos, seed=3)[1].paths
    assert split(photos, seed=3)[1].paths != split(photos, seed=4)[1].paths


@pytest.mark.parametrize("seed", range(20))
def test_identical_files_are_never_on_both_sides(garden: Path, seed: int):
    shutil.copy(garden / "daisy" / "00.png", garden / "daisy" / "copy.png")
    shutil.copy(garden / "daisy" / "01.png", garden / "tulips" / "copy.png")  # in another class, too
    train, held = split(list_photos(garden), held_out=0.5, seed=seed)
    assert not {path.read_bytes() for path in train.paths} & {path.read_bytes() for path in held.paths}
    assert all((part.labels == label).any() for part in (train, held) for label in range(3))


def test_split_refuses_what_it_cannot_split(garden: Path):
    photos = list_photos(garden)
    for share in (0, 1, -0.5):
        with pytest.raises(ValueError, match="held_out must be between 0 and 1"):
            split(photos, held_out=share)
    same = Photos(photos.paths[:1] * 2, photos.labels[:2], photos.classes)
    with pytest.raises(ValueError, match="class daisy: one photo cannot be split"):
        split(same)
    photos.paths[0].unlink()
    with pytest.raises(ValueError, match=r"00\.png: cannot be read"):
        split(photos)


def test_real_photos_are_listed_and_split(shared_data: Path):
    photos = list_photos(shared_data / "flowers" / "train")
    assert photos.classes == ["daisy", "dandelion", "roses", "sunflowers", "tulips"]
    train, held = split(photos)
    assert len(held.paths) / len(photos.paths) == pytest.approx(0.2, abs=0.002)
    assert len(train.paths) + len(held.paths) == len(photos.paths) == 2670
    assert load_pixels(held.paths[:3], 64).std() > 20
