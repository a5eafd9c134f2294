"""A file's bytes, unpacked if it is gzip, or one line that says why not."""

from __future__ import annotations

import gzip
import os
import zlib
from pathlib import Path

_GZIP = b"\x1f\x8b"


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Return what a file holds; gzip is recognised by its first bytes, not by its name.

    Raises:
        ValueError: missing, a folder, unreadable, empty, or damaged gzip, naming the file.
    """
    path = Path(path)
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file; check the path") from None
    except IsADirectoryError:
        raise ValueError(f"{path}: a folder; give a file in it") from None
    except OSError as error:
        raise ValueError(
            f"{path}: cannot be read ({error.strerror}); check the path and its permissions"
        ) from None
    if raw.startswith(_GZIP):
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error):
            raise ValueError(
                f"{path}: damaged gzip, perhaps cut off; copy or download the file again"
            ) from None
    if not raw:
        raise ValueError(f"{path}: empty (0 bytes); copy or download the file again")
    return raw


def read_lines(path: str | os.PathLike[str], encoding: str = "utf-8-sig") -> list[str]:
    """Return a text file's lines, split at line feeds only, without line ends.

    `str.splitlines` would also split at `\\x85` and the like, which real sentences contain.

    Raises:
        ValueError: as `read_bytes`, or not text of this encoding, naming the line.
    """
    raw = read_bytes(path)
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        name = "UTF-8" if encoding.startswith("utf-8") else encoding
        raise ValueError(f"{path} line {line}: not {name} text; save the file as {name}") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise ValueError(f"{path} line {line}: zero bytes, not text; copy or download the file again")
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    return lines[:-1] if lines[-1] == "" else lines
