"""What is no picture is called what it is, in one line; nothing else is printed."""

from __future__ import annotations

import io
import os
import pickle
import socket
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from pycap.data import picture_file
from pycap.data.images import ImageError, read_image


def encode_noise(format: str, **options) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, format, **options)
    return buffer.getvalue()


def make_error(source, **options) -> str:
    with pytest.raises(ImageError) as caught:
        read_image(source, **options)
    line = str(caught.value)
    assert "\n" not in line
    assert line.count("; ") >= 1, "what to do is missing"
    return line


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("zero.jpg", b"", "empty (0 bytes); copy or download it again"),
        (
            "text.jpg",
            b"hello, I am not a picture",
            "not a picture, or damaged at its start; give a JPEG, PNG",
        ),
        ("zeros.png", bytes(5000), "holds only zeros, not a picture; copy or download it again"),
        (
            "page.jpg",
            b"\n<!DOCTYPE html><html>404",
            "a web page, which pycap does not read; download the picture",
        ),
        (
            "drawing.svg",
            b"<svg xmlns='http://www.w3.org/2000/svg'/>",
            "an SVG drawing, which pycap does not read",
        ),
        ("paper.pdf", b"%PDF-1.7\n", "a PDF document, which pycap does not read; export its pages"),
        (
            "page.eps",
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
            "a PostScript file, which pycap does not",
        ),
        (
            "phone.heic",
            b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
            "a HEIC picture, which pycap does not read; convert",
        ),
        ("film.mp4", b"\0\0\0\x18ftypisom\0\0\0\0", "a video, which pycap does not read; give single frames"),
        (
            "lfs.jpg",
            b"version https://git-lfs.github.com/spec/v1\n",
            "a Git LFS pointer, which pycap does not read",
        ),
    ],
)
def test_files_that_are_no_pictures_are_called_what_they_are(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    assert make_error(tmp_path / name).startswith(f"{tmp_path / name}: {message}")


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_cut_off_pictures_say_so(tmp_path, format, share):
    data = encode_noise(format)
    path = tmp_path / f"cut.{format.lower()}"
    path.write_bytes(data[: int(len(data) * share)])
    assert make_error(path).startswith(f"{path}: ")


def test_missing_files_folders_and_links_are_told_apart(tmp_path):
    assert make_error(tmp_path / "no.jpg") == f"{tmp_path}/no.jpg: no such file; check the path"
    assert make_error(tmp_path) == f"{tmp_path}: a folder, not a picture; give the pictures in it"
    (tmp_path / "link.jpg").symlink_to("nowhere.jpg")
    assert "a link to a file that does not exist; check" in make_error(tmp_path / "link.jpg")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    assert "cannot be opened (Too many levels of symbolic links); check" in make_error(tmp_path / "loop.jpg")
    (tmp_path / "file.jpg").touch()
    assert "cannot be opened (Not a directory); check" in make_error(tmp_path / "file.jpg" / "a.jpg")
    assert "cannot be opened (File name too long); check" in make_error("a" * 300)
    assert "cannot be opened (" in make_error("a\0.jpg")


def test_pipes_and_devices_are_refused_instead_of_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    assert "not a regular file" in make_error(tmp_path / "pipe.jpg")
    assert "not a regular file" in make_error("/dev/zero")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        assert "not a regular file" in make_error(tmp_path / "s")


def test_a_shell_pipe_is_read():
    code = "from pycap.data.images import read_image; print(read_image('/dev/stdin').size)"
    run = subprocess.run(
        [sys.executable, "-c", code], input=encode_noise("PNG"), capture_output=True, check=True
    )
    assert run.stdout.split() == [b"(64,", b"64)"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file_names_the_permission(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(encode_noise("JPEG"))
    path.chmod(0)
    assert make_error(path) == f"{path}: permission denied; make it readable for this user"


def test_permission_error_becomes_one_line(tmp_path, monkeypatch):
    path = tmp_path / "a.jpg"
    path.write_bytes(b"x")

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    assert make_error(path) == f"{path}: permission denied; make it readable for this user"


def make_png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size without having the pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    size = struct.pack(">I", 13)
    start = b"\x89PNG\r\n\x1a\n" + size + chunk + struct.pack(">I", zlib.crc32(chunk))
    return start + struct.pack(">I", 1000) + b"IDAT" + bytes(9)


def test_decompression_bombs_are_refused_before_decoding():
    assert "more than the limit of 178 megapixels; make it smaller" in make_error(
        make_png_header(50_000, 50_000)
    )


def test_the_limit_holds_even_if_pillow_has_none(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    line = make_error(make_png_header(50_000, 40_000), name="bomb.png")
    assert line == "bomb.png: 50000 x 40000 pixels, more than the limit of 178 megapixels; make it smaller"


def test_large_pictures_below_the_limit_raise_no_warning(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 64 * 64 - 1)  # Pillow warns from here to twice as much
    assert read_image(encode_noise("PNG")).size == (64, 64)


def test_out_of_memory_is_one_line(monkeypatch):
    def exhaust(*_):
        raise MemoryError

    monkeypatch.setattr(picture_file, "_prepare_formats", exhaust)
    assert make_error(b"x") == "<bytes>: too large for this machine's memory; make it smaller"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            np.zeros((4, 4, 3), np.float32),
            r"<array>: array must be uint8 \(height, width\).*, got float32 \(4, 4, 3\)",
        ),
        (np.zeros((3, 4, 4), np.uint8)[..., :2], r"got uint8 \(3, 4, 2\); convert it"),
        (np.zeros((0, 4, 3), np.uint8), r"array of shape \(0, 4, 3\) has no pixels"),
        (np.zeros(4, np.uint8), r"got uint8 \(4,\)"),
        (Image.new("RGB", (0, 5)), "<Image>: 0 x 5 pixels; give at least one pixel"),
        (None, "<NoneType>: cannot read a picture from NoneType; give a path, bytes"),
        (17, "cannot read a picture from int"),
        (io.StringIO("text"), "<StringIO>: the file object gives text, not bytes; open it in binary mode"),
        (io.BytesIO(), "<BytesIO>: empty"),
        (b"", "<bytes>: empty"),
    ],
)
def test_wrong_sources_are_named(source, message):
    with pytest.raises(ImageError, match=message):
        read_image(source)


def test_error_lines_stay_one_line_whatever_the_name(tmp_path):
    path = tmp_path / "two\nlines\t\x1b[31m.jpg"
    path.touch()
    line = make_error(path)
    assert r"two\nlines\t\x1b[31m.jpg: empty" in line
    assert r"bad\udcff.jpg: no such file" in make_error(os.fsdecode(b"bad\xff.jpg"))
    line.encode()


def test_errors_travel_between_processes():
    error = pickle.loads(pickle.dumps(ImageError("a.jpg", "cut off", "copy it again")))
    assert (str(error), error.label, error.reason) == (
        "a.jpg: cut off; copy it again",
        "a.jpg",
        "cut off; copy it again",
    )


def test_error_line_uses_the_given_name():
    assert make_error(b"", name="stdin").startswith("stdin: empty")


def test_nothing_is_printed_or_warned_about_damaged_pictures(tmp_path):
    """libtiff writes to the file descriptor, Pillow warns and logs: none of it may reach stderr."""
    random = np.random.default_rng(0)
    for number in range(60):
        compression = ("tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits", None)[number % 5]
        data = bytearray(encode_noise("TIFF", compression=compression))
        for place in random.integers(0, len(data), 1 + number % 7):
            data[place] = random.integers(256)
        data[-20 + number % 20] = number
        (tmp_path / f"{number}.tif").write_bytes(data)
    code = (
        "import sys\nfrom pathlib import Path\nfrom pycap.data.images import *\nfailed = 0\n"
        "for path in sorted(Path(sys.argv[1]).iterdir()):\n"
        "    try:\n        read_image(path)\n    except ImageError as error:\n        failed += 1\n"
        "print(failed)"
    )
    run = subprocess.run(
        [sys.executable, "-W", "always", "-c", code, tmp_path], capture_output=True, check=True, text=True
    )
    assert run.stderr == ""
    assert int(run.stdout) > 20
