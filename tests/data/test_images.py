"""Every kind of picture works or gives one clear line."""

from __future__ import annotations

import io
import os
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pycap.config import PreprocessConfig
from pycap.data import images
from pycap.data.images import crop_box, preprocess, read_image

WIDTH, HEIGHT = 24, 16
LEFT, RIGHT = (220, 40, 60), (30, 90, 200)  # colours of the two halves
TOLERANCE = {"exact": 1, "lossy": 14, "palette": 8}


def make_picture() -> Image.Image:
    pixels = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    pixels[:, : WIDTH // 2] = LEFT
    pixels[:, WIDTH // 2 :] = RIGHT
    return Image.fromarray(pixels)


def encode(picture: Image.Image, format: str, **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def colours(picture: Image.Image) -> np.ndarray:
    """Return the colours at the middle of the left and the right half, (2, 3)."""
    pixels = np.asarray(picture).astype(int)
    rows, columns = pixels.shape[:2]
    return pixels[rows // 2, [columns // 4, 3 * columns // 4]]


@pytest.mark.parametrize(
    ("format", "mode", "options", "tolerance"),
    [
        ("JPEG", "RGB", {"quality": 95}, "lossy"),
        ("JPEG", "RGB", {"quality": 95, "progressive": True}, "lossy"),
        ("JPEG", "CMYK", {"quality": 95}, "lossy"),
        ("PNG", "RGB", {}, "exact"),
        ("PNG", "RGBA", {}, "exact"),
        ("PNG", "P", {}, "palette"),
        ("GIF", "P", {}, "palette"),
        ("BMP", "RGB", {}, "exact"),
        ("PPM", "RGB", {}, "exact"),
        ("TIFF", "RGB", {}, "exact"),
        ("TIFF", "CMYK", {"compression": "tiff_lzw"}, "exact"),
        ("TIFF", "RGB", {"compression": "jpeg", "quality": 95}, "lossy"),
        ("TIFF", "RGBX", {}, "exact"),
        ("WEBP", "RGB", {"lossless": True}, "exact"),
        ("WEBP", "RGBA", {"lossless": True}, "exact"),
    ],
)
def test_colours_survive_every_format_and_mode(format, mode, options, tolerance):
    source = make_picture().quantize(8) if mode == "P" else make_picture().convert(mode)
    picture = read_image(encode(source, format, **options))
    assert (picture.mode, picture.size) == ("RGB", (WIDTH, HEIGHT))
    assert np.abs(colours(picture) - [LEFT, RIGHT]).max() <= TOLERANCE[tolerance]


@pytest.mark.parametrize("inverted", [True, False], ids=["with Adobe marker", "without"])
def test_cmyk_jpeg_is_read_in_the_inverted_way_adobe_writes_it(inverted):
    data = encode(make_picture().convert("CMYK"), "JPEG", quality=95)
    marker = data.index(b"\xff\xee\x00\x0eAdobe")
    if not inverted:
        data = data[:marker] + data[marker + 16 :]
    assert np.abs(colours(read_image(data)) - [LEFT, RIGHT]).max() <= TOLERANCE["lossy"]


@pytest.mark.parametrize("mode", ["1", "L", "LA"])
def test_grey_pictures_become_grey_rgb(mode):
    grey = Image.fromarray(np.repeat(np.uint8([[0, 255]]), 8, 1).repeat(8, 0)).convert(mode)
    assert colours(read_image(encode(grey, "PNG"))).tolist() == [[0, 0, 0], [255, 255, 255]]


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_not_clipped(format):
    values = np.repeat(np.uint16([[0x4000, 0xC0FF]]), 8, 1).repeat(8, 0)
    assert colours(read_image(encode(Image.fromarray(values), format)))[:, 0].tolist() == [0x40, 0xC0]


def test_big_endian_sixteen_bits_are_scaled():
    values = np.repeat(np.uint16([[0x4000, 0xC0FF]]), 8, 1).repeat(8, 0)
    header = b"P5 16 8 65535\n"  # PGM holds the high byte first
    assert colours(read_image(header + values.astype(">u2").tobytes()))[:, 0] == pytest.approx(
        [0x40, 0xC0], abs=1
    )


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.float32([0.0, 0.5, 1.0]), [0, 128, 255]),
        (np.float32([0.0, 64.0, 255.0]), [0, 64, 255]),
        (np.float32([0.0, 25700.0, 65535.0]), [0, 100, 255]),
        (np.float32([-1.0, 0.0, 1.0]), [0, 128, 255]),
        (np.float32([-3e38, 0.0, 3e38]), [0, 128, 255]),
        (np.float32([np.nan, np.inf, 1.0]), [0, 0, 255]),
        (np.float32([-2.0, -2.0, -2.0]), [0, 0, 0]),
        (np.int32([0, 25700, 65535]), [0, 100, 255]),
        (np.int32([-100, 0, 100]), [0, 128, 255]),
        (np.int32([0, 100_000, 200_000]), [0, 128, 255]),
    ],
)
def test_floats_and_wide_integers_are_scaled_by_the_range_they_have(values, expected):
    picture = read_image(encode(Image.fromarray(np.tile(values, (4, 1))), "TIFF"))
    assert np.asarray(picture)[0, :, 0].tolist() == expected


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparency_is_laid_on_white(mode):
    picture = Image.new("RGBA", (8, 8), (0, 0, 0, 255))
    picture.paste((0, 0, 0, 0), (0, 0, 4, 8))
    source = picture.convert("P").convert("PA") if mode == "PA" else picture.convert(mode)
    if mode == "PA":
        source.putalpha(picture.getchannel("A"))
    assert colours(read_image(source)).tolist() == [[255] * 3, [0] * 3]


@pytest.mark.parametrize("mode", ["P", "L", "RGB", "1"])
def test_a_transparent_colour_is_laid_on_white(mode):
    picture = Image.new("RGB", (8, 8), "white")
    picture.paste("black", (0, 0, 4, 8))
    source = picture.convert(mode)
    clear = {"P": source.getpixel((0, 0)), "L": 0, "RGB": (0, 0, 0), "1": 0}[mode]
    assert colours(read_image(encode(source, "PNG", transparency=clear))).tolist() == [[255] * 3, [255] * 3]


def test_half_transparent_pixels_mix_with_white():
    source = Image.new("RGBA", (4, 4), (0, 0, 0, 128))
    assert np.asarray(read_image(source))[0, 0].tolist() == [127] * 3


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_exif_rotation_is_applied(format, orientation):
    upright = make_picture().resize((240, 160), Image.Resampling.NEAREST)
    upright.paste((255, 255, 0), (0, 0, 60, 40))  # a corner, so that all eight differ
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Image.Transpose that stores it so
    stored = upright if orientation == 1 else upright.transpose(Image.Transpose(undo[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = read_image(encode(stored, format, exif=exif))
    assert picture.size == upright.size
    assert np.abs(np.asarray(picture).astype(int) - np.asarray(upright)).mean() < 4


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01"]
)
def test_damaged_exif_does_not_cost_the_picture(exif):
    assert read_image(encode(make_picture(), "JPEG", exif=exif)).size == (WIDTH, HEIGHT)


@pytest.mark.parametrize(
    ("format", "options"), [("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {}), ("TIFF", {})]
)
def test_first_frame_of_an_animation_is_taken(format, options):
    others = [Image.new("RGB", (WIDTH, HEIGHT), colour) for colour in ("white", "black")]
    data = encode(make_picture(), format, save_all=True, append_images=others, **options)
    assert np.abs(colours(read_image(data)) - [LEFT, RIGHT]).max() <= TOLERANCE["palette"]


def test_every_kind_of_source_gives_the_same_pixels(tmp_path):
    data = encode(make_picture(), "PNG")
    path = tmp_path / "a.png"
    path.write_bytes(data)
    expected = np.asarray(make_picture())
    with path.open("rb") as stream, Image.open(path) as opened:
        sources = [path, str(path), os.fsencode(path), data, bytearray(data), stream, io.BytesIO(data)]
        sources += [opened, make_picture(), expected, expected[:, ::-1][:, ::-1]]
        for source in sources[:2] + sources[3:]:
            assert np.array_equal(read_image(source), expected), type(source)


def test_arrays_may_be_grey_or_have_alpha():
    assert colours(read_image(np.full((4, 6), 7, np.uint8))).tolist() == [[7] * 3] * 2
    clear = np.zeros((4, 6, 4), np.uint8)
    assert colours(read_image(clear)).tolist() == [[255] * 3] * 2


def test_result_is_not_connected_to_its_source():
    source = make_picture()
    read_image(source).paste("white", (0, 0, WIDTH, HEIGHT))
    assert source.getpixel((0, 0)) == LEFT


def test_at_least_decodes_large_jpegs_smaller_but_not_too_small():
    data = encode(make_picture().resize((1200, 800)), "JPEG", quality=95)
    assert read_image(data).size == (1200, 800)
    assert read_image(data, at_least=100).size == (150, 100)
    assert read_image(data, at_least=101).size == (300, 200)
    assert read_image(encode(make_picture(), "PNG"), at_least=2).size == (WIDTH, HEIGHT)


def test_twice_the_size_leaves_the_pixels_nearly_the_same():
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    data = encode(Image.fromarray(noise).resize((1600, 1200), Image.Resampling.BICUBIC), "JPEG", quality=95)
    config = PreprocessConfig(size=64, mean=0, std=1)
    difference = preprocess(read_image(data, at_least=128), config) - preprocess(read_image(data), config)
    assert np.abs(difference).mean() < 2


def test_warning_filters_are_restored_after_reading_in_threads():
    data = encode(make_picture(), "PNG")
    before = list(warnings.filters)
    start = threading.Barrier(8)

    def read_many(_):
        start.wait()
        for _ in range(20):
            read_image(data)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(read_many, range(8)))
    assert warnings.filters == before


# Pixels for the network.


def test_preprocess_normalises_once():
    config = PreprocessConfig(size=8)
    pixels = preprocess(Image.new("RGB", (30, 20), (127, 255, 0)), config)
    assert pixels.dtype == np.float32
    assert pixels.shape == (3, 8, 8)
    assert pixels.flags.c_contiguous
    assert [float(channel[0, 0]) for channel in pixels] == [0.0, 1.0, -127 / 128]
    assert preprocess(Image.new("RGB", (3, 3))).shape == (3, 288, 288)


def test_preprocess_keeps_rows_and_columns_apart():
    config = PreprocessConfig(size=4, mean=0, std=1)
    corner = Image.new("RGB", (4, 4))
    corner.putpixel((3, 0), (10, 20, 30))  # right end of the top row
    assert preprocess(corner, config)[:, 0, 3].tolist() == [10, 20, 30]


def test_preprocess_takes_the_middle():
    wide = Image.new("RGB", (300, 100), "black")
    wide.paste("white", (100, 0, 200, 100))
    assert crop_box(*wide.size) == (100, 0, 200, 100)
    pixels = preprocess(wide, PreprocessConfig(size=50, mean=0, std=1))
    assert pixels[:, :, 1:-1].min() == 255  # at the rim the filter reaches a little beyond the crop
    assert pixels.min() > 230


def test_preprocess_averages_instead_of_skipping_pixels():
    stripes = np.zeros((800, 800, 3), np.uint8)
    stripes[:, ::2] = 255
    pixels = preprocess(Image.fromarray(stripes), PreprocessConfig(size=50, mean=0, std=1))
    assert np.abs(pixels - 127.5).max() < 3


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (3, 2), (20_000, 2)])
def test_any_shape_gives_the_square(size):
    pixels = preprocess(read_image(Image.new("RGB", size, (255, 255, 255))), PreprocessConfig(size=32))
    assert pixels.shape == (3, 32, 32)
    assert np.all(pixels == 1)


@pytest.mark.parametrize(("width", "height"), [(7, 4), (4, 7), (5, 5), (1, 9), (640, 427)])
def test_crop_box_is_the_central_square_inside(width, height):
    left, top, right, bottom = crop_box(width, height)
    assert right - left == bottom - top == min(width, height)
    assert 0 <= left <= width - right <= left + 1
    assert 0 <= top <= height - bottom <= top + 1


def test_preprocess_refuses_what_is_not_rgb():
    with pytest.raises(ValueError, match="image must have mode RGB, got L: pass it through read_image first"):
        preprocess(Image.new("L", (4, 4)))


def test_real_pictures_of_every_kind_decode(shared_data):
    paths = sorted((shared_data / "coco" / "train2017").iterdir())
    assert len(paths) == 80
    for path in paths:
        assert min(read_image(path, at_least=64).size) >= 64


def test_module_exports_where_pictures_are_known_by_name():
    assert {".jpg", ".png", ".webp", ".gif", ".tiff"} <= images.SUFFIXES
    assert all(Path(f"x{suffix}").suffix == suffix.lower() for suffix in images.SUFFIXES)
