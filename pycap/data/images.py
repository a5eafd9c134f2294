"""Any picture, whatever its kind, as plain RGB, and RGB as the numbers a network sees.

Either a picture comes out or one `ImageError` line says what is wrong; nothing is printed.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from PIL import Image

from pycap.config import PreprocessConfig
from pycap.data.picture_file import MAX_PIXELS, ImageError, open_picture, open_stream

__all__ = ["MAX_PIXELS", "SUFFIXES", "ImageError", "crop_box", "preprocess", "read_image"]

_SUFFIXES = ".avif .bmp .gif .jfif .jp2 .jpe .jpeg .jpg .pgm .png .ppm .tif .tiff .webp"
SUFFIXES = frozenset(_SUFFIXES.split(" "))  # what a picture's name ends with, lower case
_TURNS = {  # EXIF orientation -> what to do with the stored pixels
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112


def read_image(source: Any, *, at_least: int | None = None, name: str | None = None) -> Image.Image:
    """Read a picture of any usual kind as RGB.

    The first frame of an animation is taken, EXIF rotation applied, transparency laid on white, 16-bit and
    float values scaled to 8 bits.

    Args:
        source: a path, the bytes of a file, a binary file object, a PIL image, or a uint8 array
            `(height, width)`, `(height, width, 3)` or `(height, width, 4)`.
        at_least: pixels that the shorter side must keep. A JPEG much larger than that is decoded at 1/2, 1/4
            or 1/8 of its size, several times faster. Twice the `size` of `preprocess` leaves the pixels there
            nearly (not exactly) the same; less shows. None: full size.
        name: what error lines call the picture; by default its path.

    Returns:
        A PIL image of mode RGB that shares nothing with `source`.

    Raises:
        ImageError: the picture is missing, empty, damaged, larger than `MAX_PIXELS`, or no picture.
    """
    label = name or _name(source)
    try:
        with _silent_pillow():
            if isinstance(source, Image.Image):
                return _to_rgb(source, label)
            if isinstance(source, np.ndarray):
                return _to_rgb(_from_array(source, label), label)
            with open_stream(source, label) as stream, open_picture(stream, label) as image:
                if at_least is not None:
                    image.draft(None, (at_least, at_least))  # does something for JPEG only
                return _to_rgb(image, label)
    except ImageError:
        raise
    except MemoryError:
        raise ImageError(label, "too large for this machine's memory", "make it smaller") from None
    except Exception as error:  # on damaged input Pillow's decoders raise nearly every kind
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise ImageError(label, f"damaged or cut off ({reason})", "copy or download it again") from None


def crop_box(width: int, height: int) -> tuple[int, int, int, int]:
    """Return the central square that `preprocess` looks at.

    Args:
        width, height: size of the picture in pixels.

    Returns:
        `(left, top, right, bottom)` in pixels of the picture; both sides measure `min(width, height)`.
    """
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


def preprocess(image: Image.Image, config: PreprocessConfig | None = None) -> np.ndarray:
    """Turn a picture into network input: shorter side to `size`, centre crop, `(value - mean) / std`.

    Only the crop is resampled (bicubic, antialiased), so a picture of 1 x 5000 costs no more than another.

    Args:
        image: an RGB picture from `read_image`; smaller pictures are enlarged.
        config: size and normalisation.

    Returns:
        float32 `(3, size, size)`, rows top to bottom.

    Raises:
        ValueError: the picture is not RGB.
    """
    config = config or PreprocessConfig()
    if image.mode != "RGB":
        raise ValueError(f"image must have mode RGB, got {image.mode}: pass it through read_image first")
    square = (config.size, config.size)
    resized = image.resize(square, Image.Resampling.BICUBIC, box=crop_box(*image.size))
    pixels = np.empty((3, *square), np.float32)
    for plane, channel in zip(pixels, resized.split(), strict=True):
        np.subtract(np.asarray(channel), np.float32(config.mean), out=plane)
    pixels /= np.float32(config.std)
    return pixels


def _name(source: Any) -> str:
    if isinstance(source, (str, os.PathLike)):
        return os.fsdecode(source)
    if isinstance(source, (np.ndarray, bytes, bytearray, memoryview)):
        return "<array>" if isinstance(source, np.ndarray) else "<bytes>"
    name = getattr(source, "filename", None) or getattr(source, "name", None)
    return name if isinstance(name, str) and name else f"<{type(source).__name__}>"


def _from_array(array: np.ndarray, label: str) -> Image.Image:
    fits = array.dtype == np.uint8 and (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4)))
    if not fits:
        expected = "uint8 (height, width), (height, width, 3) or (height, width, 4)"
        raise ImageError(label, f"array must be {expected}, got {array.dtype} {array.shape}", "convert it")
    if not array.size:
        raise ImageError(label, f"array of shape {array.shape} has no pixels", "give at least one")
    return Image.fromarray(np.ascontiguousarray(array))


def _to_rgb(image: Image.Image, label: str) -> Image.Image:
    """Decode the first frame, bring any mode to RGB, turn it upright."""
    if not (image.width and image.height):
        raise ImageError(label, f"{image.width} x {image.height} pixels", "give at least one pixel")
    image.load()
    turn = _TURNS.get(_read_orientation(image))
    if image.mode[0] in "IF":
        plain = Image.fromarray(_scale_to_bytes(np.asarray(image), image.mode)).convert("RGB")
    elif image.has_transparency_data:
        layered = image.convert("RGBA")
        plain = Image.new("RGB", image.size, "white")
        plain.paste(layered, mask=layered.getchannel("A"))
    else:
        try:
            plain = image.convert("RGB")
        except ValueError:
            raise ImageError(
                label, f"colours of kind {image.mode} cannot become RGB", "save it as PNG"
            ) from None
    plain = plain.transpose(turn) if turn is not None else plain
    return plain.copy() if plain is image else plain


def _read_orientation(image: Image.Image) -> int:
    try:
        return image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged EXIF must not cost the picture
        return 1


def _scale_to_bytes(values: np.ndarray, mode: str) -> np.ndarray:
    """Scale integers or floats, `(height, width)`, to uint8 by the range that they seem to be meant in.

    16-bit integers: 0-65535. Others, by the values met: 0-1 (floats), 0-255 (floats), 0-65535, else min-max.
    """
    if mode.startswith("I;16"):
        return (values.astype(np.uint16) >> 8).astype(np.uint8)
    wide = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(wide.min()), float(wide.max())
    tops = (1.0, 255.0, 65535.0) if mode == "F" else (65535.0,)
    top = next((top for top in tops if low >= 0 and high <= top), None)
    if top is None:
        wide, top = wide - low, high - low or 1.0
    return np.rint(wide * 255 / top).astype(np.uint8)


_silence = threading.Lock()
_readers = 0
_filters: warnings.catch_warnings | None = None


@contextmanager
def _silent_pillow() -> Iterator[None]:
    """Silence Pillow's warnings while any thread reads: the first saves the filters, the last restores them.

    A `catch_warnings` per call would not do: two that overlap in threads leave the filters changed for ever.
    """
    global _readers, _filters
    with _silence:
        if _readers == 0:
            _filters = warnings.catch_warnings()
            _filters.__enter__()
            warnings.filterwarnings("ignore", module=r"PIL(\.|$)")
        _readers += 1
    try:
        yield
    finally:
        with _silence:
            _readers -= 1
            if _readers == 0:
                _filters.__exit__(None, None, None)
                _filters = None
