"""The feature cache: once per picture, by content, safe against kills."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image

from pycap.config import PreprocessConfig
from pycap.data.features import MIRROR, FeatureCache, content_key

SHAPE = (2, 3)


class Counter:
    """Stands in for the CNN: the mean of the left and the right half, three times; counts pictures."""

    def __init__(self):
        self.pictures = 0

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        self.pictures += len(pixels)
        width = pixels.shape[-1] // 2
        halves = np.stack([pixels[..., :width].mean((1, 2, 3)), pixels[..., width:].mean((1, 2, 3))], 1)
        return np.repeat(halves[:, :, None], 3, 2)


@pytest.fixture
def images(tmp_path):
    paths = []
    for number in range(5):
        pixels = np.zeros((8, 8, 3), np.uint8)
        pixels[:, 4:] = 40 * number
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        paths.append(tmp_path / f"{number}.png")
    return paths


def open_cache(folder, size=8):
    return FeatureCache(folder / "cache", "counter", PreprocessConfig(size=size), SHAPE)


def regions(cache, image, suffix=""):
    return cache.read(cache.rows([content_key(image) + suffix]))[0]


def test_each_picture_is_encoded_once(images, tmp_path):
    encode = Counter()
    assert open_cache(tmp_path).fill(images, encode) == {}
    assert encode.pictures == 5
    assert open_cache(tmp_path).fill(images[::-1], encode) == {}
    assert encode.pictures == 5
    cache = open_cache(tmp_path)
    np.testing.assert_allclose(regions(cache, images[2])[:, 0], [-127 / 128, (80 - 127) / 128], atol=1e-3)


def test_mirrored_pictures_are_mirrored(images, tmp_path):
    cache = open_cache(tmp_path)
    cache.fill(images, Counter(), mirror=True)
    np.testing.assert_array_equal(regions(cache, images[3]), regions(cache, images[3], MIRROR)[::-1])


def test_content_counts_not_the_name(images, tmp_path):
    encode, cache = Counter(), open_cache(tmp_path)
    twin = tmp_path / "twin.png"
    shutil.copy(images[0], twin)
    cache.fill([*images, twin], encode)
    assert encode.pictures == 5
    Image.new("RGB", (8, 8), (9, 9, 9)).save(images[0])
    cache.fill(images, encode)
    assert encode.pictures == 6


def test_other_preprocessing_is_another_cache(images, tmp_path):
    open_cache(tmp_path).fill(images, Counter())
    assert content_key(images[0]) not in open_cache(tmp_path, size=16)


def test_unreadable_pictures_are_named_and_the_rest_goes_on(images, tmp_path):
    images[1].write_bytes(b"")
    failed = open_cache(tmp_path).fill([*images, tmp_path / "gone.png"], Counter())
    assert set(failed) == {images[1], tmp_path / "gone.png"}
    assert all(str(path) in line and "\n" not in line for path, line in failed.items())
    assert len({content_key(image) for image in images} & set(open_cache(tmp_path)._rows)) == 4


@pytest.mark.parametrize("torn", ["rows without a key", "half a row", "half a key"])
def test_a_killed_writer_costs_nothing_but_its_last_batch(images, tmp_path, torn):
    cache = open_cache(tmp_path)
    cache.fill(images[:3], Counter())
    kept = [regions(cache, image).copy() for image in images[:3]]
    data, index = cache.folder / "regions.f16", cache.folder / "index.txt"
    if torn == "half a key":
        index.write_text(index.read_text()[:-10])
    else:
        with open(data, "ab") as file:
            file.write(b"x" * (12 if torn == "rows without a key" else 5))
    encode, cache = Counter(), open_cache(tmp_path)
    cache.fill(images, encode)
    assert encode.pictures == (3 if torn == "half a key" else 2)
    for image, before in zip(images, kept, strict=False):
        np.testing.assert_array_equal(regions(cache, image), before)
    assert regions(cache, images[4])[1, 0] > regions(cache, images[3])[1, 0]


def test_progress_counts_cached_pictures_too(images, tmp_path):
    cache = open_cache(tmp_path)
    cache.fill(images[:2], Counter())
    seen = []
    cache.fill(images, Counter(), batch=2, progress=seen.append)
    assert sum(seen) == 5
