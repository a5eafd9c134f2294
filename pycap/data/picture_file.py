"""Finding a picture in a file, bytes or a stream, or saying in one line what is there instead."""

from __future__ import annotations

import io
import logging
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

from PIL import Image

MAX_PIXELS = 178_956_970  # where Pillow itself refuses: twice its default Image.MAX_IMAGE_PIXELS

# Named, so that no format runs another program (EPS: Ghostscript) or claims what it cannot know (TGA, PCX).
_FORMATS = (
    "JPEG",
    "PNG",
    "GIF",
    "WEBP",
    "TIFF",
    "BMP",
    "MPO",
    "PPM",
    "JPEG2000",
    "AVIF",
    "HEIF",
    "ICO",
    "PSD",
)
_COMMON = ("JPEG", "PNG", "GIF", "BMP", "PPM")  # what Pillow can without loading its other formats
_FOREIGN = (  # files often met among pictures: offset, first bytes in lower case, what it is, remedy
    (4, b"ftyphei", "a HEIC picture", "convert it to JPEG"),
    (4, b"ftyphev", "a HEIC picture", "convert it to JPEG"),
    (4, b"ftypmif1", "a HEIF picture", "convert it to JPEG"),
    (4, b"ftypmp4", "a video", "give single frames as pictures"),
    (4, b"ftypisom", "a video", "give single frames as pictures"),
    (4, b"ftypqt", "a video", "give single frames as pictures"),
    (0, b"%pdf", "a PDF document", "export its pages as pictures"),
    (0, b"%!ps", "a PostScript file", "convert it to PNG"),
    (0, b"<svg", "an SVG drawing", "convert it to PNG"),
    (0, b"<?xml", "an XML file, perhaps an SVG drawing", "convert it to PNG"),
    (0, b"<!doctype", "a web page", "download the picture itself"),
    (0, b"<html", "a web page", "download the picture itself"),
    (0, b"version https://git-lfs", "a Git LFS pointer", "run git lfs pull"),
)


class ImageError(ValueError):
    """A picture that cannot be used: one line `PATH: what is wrong; what to do`.

    Attributes:
        label: what the line calls the picture, its path if it has one.
        reason: the line without the label.
    """

    def __init__(self, label: str, wrong: str, remedy: str):
        self.label, self.reason = escape_line(label), escape_line(f"{wrong}; {remedy}")
        super().__init__(label, wrong, remedy)

    def __str__(self) -> str:
        return f"{self.label}: {self.reason}"


def escape_line(text: str) -> str:
    """Return text that fits on one line of any UTF-8 terminal: control characters and bad bytes escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


@contextmanager
def open_stream(source: Any, label: str) -> Iterator[io.BufferedIOBase]:
    """Yield a seekable binary stream with at least one byte.

    Args:
        source: a path, bytes, or a binary file object.
        label: what error lines call it.

    Raises:
        ImageError: missing, empty, unreadable, a folder, or something that never was a file.
    """
    if isinstance(source, (str, os.PathLike)):
        with _open_file(source, label) as stream:
            yield stream
        return
    if not isinstance(source, (bytes, bytearray, memoryview)):
        if not hasattr(source, "read"):
            expected = "a path, bytes, a file object, a PIL image or a uint8 array"
            raise ImageError(label, f"cannot read a picture from {type(source).__name__}", f"give {expected}")
        source = source.read()
        if not isinstance(source, bytes):
            raise ImageError(label, "the file object gives text, not bytes", "open it in binary mode")
    if not len(source):
        raise ImageError(label, "empty (0 bytes)", "copy or download it again")
    yield io.BytesIO(source)


@contextmanager
def _open_file(path: str | os.PathLike[str], label: str) -> Iterator[io.BufferedIOBase]:
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise ImageError(label, "a folder, not a picture", "give the pictures in it")
        regular = stat.S_ISREG(status.st_mode)
        if regular and status.st_size == 0:
            raise ImageError(label, "empty (0 bytes)", "copy or download it again")
        piped = stat.S_ISFIFO(status.st_mode) and os.fspath(path).startswith("/dev/")  # /dev/stdin
        if not regular and not piped:  # reading a device or a pipe nobody writes to would never end
            raise ImageError(label, "not a regular file", "copy the picture to a file")
        stream = open(path, "rb")  # noqa: SIM115 - closed by the with below
    except ImageError:
        raise
    except FileNotFoundError:
        what = "a link to a file that does not exist" if os.path.islink(path) else "no such file"
        raise ImageError(label, what, "check the path") from None
    except PermissionError:
        raise ImageError(label, "permission denied", "make it readable for this user") from None
    except (OSError, ValueError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        raise ImageError(label, f"cannot be opened ({reason})", "check the path") from None
    with stream:
        yield stream if stream.seekable() else io.BytesIO(stream.read())


def open_picture(stream: io.BufferedIOBase, label: str) -> Image.Image:
    """Recognise the format and read the header; pixels are not decoded yet.

    Raises:
        ImageError: no picture, or one above `MAX_PIXELS`.
    """
    start = stream.tell()
    _silence_log()
    try:
        try:
            image = Image.open(stream, formats=_COMMON)
        except Image.UnidentifiedImageError:
            stream.seek(start)
            image = Image.open(stream, formats=_prepare_formats())
    except Image.DecompressionBombError:
        raise _refuse_size(label) from None
    except Image.UnidentifiedImageError:
        stream.seek(start)
        raise _explain(stream.read(64), label) from None
    if image.width * image.height > MAX_PIXELS:
        size = image.size
        image.close()
        raise _refuse_size(label, f"{size[0]} x {size[1]} pixels, ")
    return image


@cache
def _silence_log() -> None:
    """Stop Pillow from writing to stderr unasked."""
    logging.getLogger("PIL").addHandler(logging.NullHandler())


@cache
def _prepare_formats() -> list[str]:
    """Load all of Pillow's formats, return those to try, and stop libtiff from writing to stderr."""
    Image.init()
    import ctypes

    with suppress(AttributeError, OSError):  # not there in a Pillow without libtiff
        library = ctypes.CDLL(Image.core.__file__)
        library.TIFFSetErrorHandler(None)
        library.TIFFSetWarningHandler(None)
    return [name for name in _FORMATS if name in Image.OPEN]


def _refuse_size(label: str, shape: str = "") -> ImageError:
    return ImageError(
        label, f"{shape}more than the limit of {MAX_PIXELS // 10**6} megapixels", "make it smaller"
    )


def _explain(head: bytes, label: str) -> ImageError:
    """Say what a file is that no decoder recognised, by its first bytes."""
    for offset, mark, what, remedy in _FOREIGN:
        text = head[offset:] if offset else head.removeprefix(b"\xef\xbb\xbf").lstrip()
        if text.lower().startswith(mark):
            return ImageError(label, f"{what}, which pycap does not read", remedy)
    if not head.strip(b"\0"):
        return ImageError(label, "holds only zeros, not a picture", "copy or download it again")
    return ImageError(
        label, "not a picture, or damaged at its start", "give a JPEG, PNG, GIF, WebP or TIFF file"
    )
