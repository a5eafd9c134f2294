"""Reading what a data set consists of: text, JSON, picture folders; errors name file and line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pycap.data.dataset import DatasetError

PROBES = 40  # names looked up when several folders could hold the pictures


def read_text(path: Path) -> str:
    """Return a UTF-8 text file without its byte order mark.

    Raises:
        DatasetError: the file cannot be read or is not UTF-8.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DatasetError(
            f"{path}: cannot be read ({error.strerror}); check the path and its permissions"
        ) from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DatasetError(f"{path} line {line}: not UTF-8 text; save the file as UTF-8") from None


def read_lines(path: Path) -> list[str]:
    """Return the lines of a UTF-8 text file, split at line feeds only, without line ends."""
    lines = [line.removesuffix("\r") for line in read_text(path).split("\n")]
    return lines[:-1] if lines[-1] == "" else lines


def read_json(path: Path) -> Any:
    """Return the content of a JSON file.

    Raises:
        DatasetError: unreadable, not UTF-8 or not JSON, naming the line.
    """
    try:
        return json.loads(read_text(path))
    except (json.JSONDecodeError, RecursionError) as error:
        where = f" line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        what = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deeply"
        raise DatasetError(
            f"{path}{where}: not JSON ({what}); the file may be cut off, download it again"
        ) from None


def get_field(entry: Any, key: str, kinds: type | tuple[type, ...], path: Path, where: str) -> Any:
    """Return `entry[key]` after checking that it is there and of the right kind.

    Raises:
        DatasetError: naming file, place and key.
    """
    expected = " or ".join(kind.__name__ for kind in (kinds if isinstance(kinds, tuple) else (kinds,)))
    if not isinstance(entry, dict) or key not in entry:
        raise DatasetError(f"{path}: {where} lacks {key!r} (expected {expected}); is it the right file?")
    value = entry[key]
    if not isinstance(value, kinds) or isinstance(value, bool):
        got = type(value).__name__
        raise DatasetError(f"{path}: {key!r} of {where} must be {expected}, got {got}; correct the file")
    return value


def find_file(folders: Iterable[Path], names: Iterable[str]) -> Path | None:
    """Return the first `folder / name` that is a file, names tried in order within each folder."""
    names = list(names)
    for folder in folders:
        for name in names:
            if (folder / name).is_file():
                return folder / name
    return None


def find_image_folder(folders: Sequence[Path], names: Sequence[str]) -> Path:
    """Return the folder that holds most of the named pictures.

    Args:
        folders: candidates, best first; need not exist.
        names: picture names as the data set lists them; a spread of them is looked up.

    Returns:
        The best candidate; when none holds any picture, the first that exists, else the first.
    """
    there = [folder for folder in folders if folder.is_dir()] or list(folders[:1])
    if len(there) == 1:
        return there[0]
    probes = names[:: max(1, len(names) // PROBES)]
    return max(
        there, key=lambda folder: sum((folder / name).is_file() for name in probes)
    )  # max keeps the first
