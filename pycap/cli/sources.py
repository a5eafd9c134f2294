"""What `[FILES|FOLDERS|GLOBS|-]` stands for: a list of pictures, in the order of their captions.

Knows names only: whether a file is a picture is found out when it is read.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from pycap.data.images import SUFFIXES

# beside what pycap reads, what it cannot: better one clear line than a picture passed over in silence
PICTURE_SUFFIXES = SUFFIXES | {
    ".apng",
    ".avifs",
    ".dib",
    ".heic",
    ".heif",
    ".jxl",
    ".mpo",
    ".pbm",
    ".pnm",
    ".psd",
}

# how picture files begin; everything else that reads like text is a list of names
_PICTURE = re.compile(
    rb"\xff\xd8\xff|\x89PNG|GIF8[79]a|RIFF.{4}WEBP|BM.{4}\0\0\0\0|II\*\0|MM\0\*|8BPS|\0\0\0\x0cjP|\xff\x4f\xff\x51"
    rb"|.{4}ftyp|P[1-7]\s+(#[^\n]*\s+)*(\d+\s+\d+|WIDTH)\s",
    re.DOTALL,
)
_BINARY = re.compile(rb"[\x01-\x08\x0e-\x1f]")


@dataclass(frozen=True)
class Source:
    """One picture to caption, or one argument that leads to none.

    Attributes:
        name: path as the user would write it; "-" for a picture on standard input.
        data: content of that picture, None for a file.
        problem: why there is nothing to read, one line; "" if there is something.
    """

    name: str
    data: bytes | None = None
    problem: str = ""


@dataclass(frozen=True)
class Sources:
    """All pictures of a command line.

    Attributes:
        items: in the order of the arguments; folders and globs sorted naturally within.
        single: one plain picture was named, so its caption needs no name in front.
    """

    items: list[Source]
    single: bool


def expand_sources(arguments: Sequence[str], stdin: BinaryIO) -> Sources:
    """Find the pictures that arguments name.

    Args:
        arguments: files are taken as they are; folders are walked for picture files; `*`, `?`, `[...]` and
            `**` match files and folders unless a file has that very name; `-` stands for standard input,
            which holds either one picture or names of files and folders, one a line or separated by NUL.
        stdin: standard input, read only if `-` is there.

    Returns:
        Sources; what cannot be found is in it as a Source with a problem, in its place.

    Raises:
        ValueError: `-` is given twice.
    """
    if list(arguments).count("-") > 1:
        raise ValueError("'-' may be given once: standard input can be read once only")
    items, plain = [], True
    for argument in arguments:
        if argument == "-":
            found = list(_read_stdin(stdin))
            plain = plain and all(source.data is not None for source in found)
        elif os.path.isdir(argument):
            found, plain = list(_walk(argument)), False
        elif glob.has_magic(argument) and not os.path.lexists(argument):
            found, plain = list(_match(argument)), False
        else:
            found = [_take(argument)]
        items += found
    return Sources(items, single=plain and len(items) == 1)


def natural_key(name: str) -> tuple:
    """Sort key that puts `img2` before `img10` and ignores case, ties broken by the exact name."""
    parts = re.split(r"([0-9]+)", name.casefold())
    return tuple(int(part) if part.isdecimal() else part for part in parts), name


def _take(name: str) -> Source:
    return Source(name, problem="" if os.path.lexists(name) else f"{name}: no such file or folder")


def _walk(folder: str) -> Iterator[Source]:
    """Yield the picture files under a folder: a folder's own files, then its folders; nothing hidden."""
    broken: list[OSError] = []
    count = 0
    for root, folders, files in os.walk(folder, onerror=broken.append):
        folders[:] = sorted((name for name in folders if not name.startswith(".")), key=natural_key)
        for name in sorted(files, key=natural_key):
            path = os.path.join(root, name)
            if not name.startswith(".") and is_picture_name(name) and not _is_special(path):
                count += 1
                yield Source(path)
        while broken:
            yield _unreadable(broken.pop(0))
            count += 1
    for error in broken:
        yield _unreadable(error)
    if not count and not broken:
        yield Source(folder, problem=f"{folder}: no pictures in this folder")


def is_picture_name(name: str) -> bool:
    """True if a file name ends like a picture's."""
    return os.path.splitext(name)[1].lower() in PICTURE_SUFFIXES


def _is_special(path: str) -> bool:
    """True for pipes, sockets and devices, which would block; reading a broken link reports it."""
    return os.path.exists(path) and not os.path.isfile(path)


def _unreadable(error: OSError) -> Source:
    return Source(str(error.filename), problem=f"{error.filename}: cannot read this folder: {error.strerror}")


def _match(pattern: str) -> Iterator[Source]:
    names = sorted(glob.glob(pattern, recursive=True), key=natural_key)
    if not names:
        yield Source(pattern, problem=f"{pattern}: no such file, and no file matches")
    for name in names:
        if not os.path.isdir(name):
            yield Source(name)
        elif "**" not in pattern:  # ** has been in the folder already
            yield from _walk(name)


def _read_stdin(stdin: BinaryIO) -> Iterator[Source]:
    data = stdin.read()
    if _PICTURE.match(data) or _BINARY.search(data):
        yield Source("-", data)
        return
    lines = data.split(b"\0") if b"\0" in data else data.splitlines()
    names = [os.fsdecode(line) for line in lines if line.strip()]
    if not names:
        yield Source("-", problem="standard input: neither a picture nor names of pictures")
    for name in names:
        if os.path.isdir(name):
            yield from _walk(name)
        else:
            yield _take(name)
