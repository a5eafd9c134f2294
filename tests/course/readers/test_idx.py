"""Reading IDX files, and saying what is wrong with those that are none."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from pycap.course.readers import idx

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
KINDS = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def encode(array: np.ndarray) -> bytes:
    """Return an array as IDX."""
    big = array.astype(array.dtype.newbyteorder(">"))
    return (
        struct.pack(f">HBB{array.ndim}I", 0, KINDS[array.dtype.str[1:]], array.ndim, *array.shape)
        + big.tobytes()
    )


@pytest.fixture
def clothes(tmp_path: Path) -> Path:
    """A folder in the form of Fashion-MNIST with 12 training and 5 test pictures."""
    for part, count in (("train", 12), ("t10k", 5)):
        images = np.arange(count * 784, dtype=np.int64).reshape(count, 28, 28).astype(np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        (tmp_path / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(encode(images)))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(encode(labels))  # plain: both must do
    return tmp_path


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 1, 4), (0, 5)])
@pytest.mark.parametrize("packed", [False, True])
def test_every_kind_of_value_comes_back(tmp_path: Path, kind: str, shape: tuple[int, ...], packed: bool):
    array = (np.arange(np.prod(shape)).reshape(shape) * 7).astype(kind)
    path = tmp_path / "values"
    path.write_bytes(gzip.compress(encode(array)) if packed else encode(array))
    got = idx.read_idx(path)
    assert got.dtype == np.dtype(kind)
    assert got.dtype.isnative
    assert got.flags.writeable
    np.testing.assert_array_equal(got, array)


def test_four_files_become_pictures_and_labels(clothes: Path):
    data = idx.load_fashion_mnist(clothes)
    assert data.train_images.shape == (12, 28, 28)
    assert data.train_images.dtype == np.uint8
    assert data.train_labels.dtype == data.test_labels.dtype == np.int64
    assert data.test_labels.tolist() == [0, 1, 2, 3, 4]
    assert len(idx.CLASSES) == 10


def test_the_real_files_are_read():
    if not DEBIAN.is_dir():
        pytest.skip("needs the Debian package dataset-fashion-mnist")
    data = idx.load_fashion_mnist(DEBIAN)
    assert data.train_images.shape == (60000, 28, 28)
    assert data.test_images.shape == (10000, 28, 28)
    assert np.bincount(data.train_labels).tolist() == [6000] * 10
    assert data.train_labels[:4].tolist() == [9, 0, 0, 3]  # ankle boot, two T-shirts, dress
    assert data.train_images[0].max() == 255


WHOLE = encode(np.arange(12, dtype=np.uint8).reshape(3, 4))
BROKEN = {
    "text": (b"<html>not found</html>", "not an IDX file"),
    "empty": (b"", r"empty \(0 bytes\)"),
    "no dimensions": (b"\0\0\x08\0", "not an IDX file"),
    "header cut off": (WHOLE[:9], "cut off within its header"),
    "values cut off": (WHOLE[:-1], "3 x 4 values take 24 bytes, got 23"),
    "too long": (WHOLE + b"!", "3 x 4 values take 24 bytes, got 25"),
    "gzip cut off": (gzip.compress(WHOLE * 50)[:-9], "damaged gzip"),
    "gzip of nothing": (gzip.compress(b""), r"empty \(0 bytes\)"),
    "gzip damaged": (gzip.compress(WHOLE)[:12] + b"\xff\xff\xff" + gzip.compress(WHOLE)[15:], "damaged gzip"),
    "absurd shape": (b"\0\0\x08\x03" + b"\xff" * 12, "take 792281"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_file_is_one_line_with_its_name(tmp_path: Path, name: str):
    content, message = BROKEN[name]
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        idx.read_idx(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_missing_file_and_folder_are_told_apart(clothes: Path, tmp_path: Path):
    (clothes / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(ValueError, match=r"t10k-labels-idx1-ubyte\.gz: not in this folder; pycap data get"):
        idx.load_fashion_mnist(clothes)
    with pytest.raises(ValueError, match="no such folder"):
        idx.load_fashion_mnist(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="a folder; give a file"):
        idx.read_idx(tmp_path)
    with pytest.raises(ValueError, match="no such file"):
        idx.read_idx(tmp_path / "none.gz")


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("train-labels-idx1-ubyte", np.zeros(11, np.uint8), r"12 pictures need as many labels, got \(11,\)"),
        ("train-labels-idx1-ubyte", np.full(12, 10, np.uint8), "labels must be 0 to 9, got 10 to 10"),
        (
            "train-images-idx3-ubyte.gz",
            np.zeros((12, 32, 32), np.uint8),
            r"pictures must be uint8 \(count, 28, 28\)",
        ),
        ("train-images-idx3-ubyte.gz", np.zeros((12, 28, 28), np.float32), "pictures must be uint8"),
    ],
)
def test_files_that_do_not_go_together_are_named(clothes: Path, name: str, array: np.ndarray, message: str):
    (clothes / name).write_bytes(encode(array))
    with pytest.raises(ValueError, match=message) as caught:
        idx.load_fashion_mnist(clothes)
    assert name in str(caught.value)
