"""Files that end like pictures and are none, or not whole."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from tiny import draw_picture


def encode(kind: str, seed: int) -> bytes:
    file = io.BytesIO()
    draw_picture(seed, (160, 120)).save(file, kind)
    return file.getvalue()


def png_header(width: int, height: int) -> bytes:
    """Return a PNG that promises `width` x `height` pixels and holds none."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def corrupt(data: bytes, start: int) -> bytes:
    """Overwrite a part of a file with zeros."""
    return data[:start] + bytes(40) + data[start + 40 :]


KINDS = {  # name -> content, given a seed
    "empty.jpg": lambda seed: b"",
    "zeros.png": lambda seed: bytes(1000),
    "noise.jpg": lambda seed: np.random.default_rng(seed).bytes(2000),
    "text.png": lambda seed: b"this is no picture\n" * 9,
    "page.jpg": lambda seed: b"<!DOCTYPE html><html><body>404 not found</body></html>",
    "drawing.png": lambda seed: b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
    "pointer.jpg": lambda seed: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    "document.jpeg": lambda seed: b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n",
    "phone.heic": lambda seed: b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(100),
    "cut.jpg": lambda seed: encode("JPEG", seed)[: 700 + seed],
    "cut.png": lambda seed: encode("PNG", seed)[: 100 + seed],
    "cut.webp": lambda seed: encode("WEBP", seed)[: 60 + seed],
    "cut.gif": lambda seed: encode("GIF", seed)[: 30 + seed],
    "cut.bmp": lambda seed: encode("BMP", seed)[: 900 + seed],
    "cut.tif": lambda seed: encode("TIFF", seed)[: 40 + seed],
    "start.jpg": lambda seed: b"\xff\xd8\xff",
    "start.gif": lambda seed: b"GIF89a",
    "damaged.png": lambda seed: corrupt(encode("PNG", seed), 45),
    "bomb.png": lambda seed: png_header(200_000, 200_000),
    "hollow.png": lambda seed: png_header(100, 100),
}


def write_broken_pictures(folder: Path, count: int) -> list[Path]:
    """Write `count` broken pictures of all kinds; return their paths."""
    paths = []
    for number in range(count):
        name, content = list(KINDS.items())[number % len(KINDS)]
        paths.append(folder / f"bad{number}-{name}")
        paths[-1].write_bytes(content(number))
    return paths
