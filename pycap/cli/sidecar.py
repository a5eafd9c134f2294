"""Files beside pictures: `photo.jpg` gets `photo.jpg.txt` or `photo.jpg.json`, whole or not at all."""

from __future__ import annotations

import json
import os
import stat
from itertools import count
from pathlib import Path

KINDS = ("txt", "json")
_numbers = count()


def sidecar_path(picture: str, kind: str) -> Path:
    """Return the sidecar of a picture; its whole name is kept, so that `a.jpg` and `a.png` do not share."""
    return Path(f"{picture}.{kind}")


def write_sidecar(picture: str, kind: str, caption: str, record: str) -> None:
    """Write a picture's sidecar, replacing an older one.

    Args:
        picture: path of the picture.
        kind: "txt" for the caption alone, "json" for the record.
        caption: the sentence.
        record: JSON of the whole result, as `--json` prints it.

    Raises:
        OSError: the folder cannot be written.
        ValueError: the JSON file that is there was written by something else (photo exports name theirs so).
    """
    path = sidecar_path(picture, kind)
    if kind == "json" and path.exists() and not _is_ours(path):
        raise ValueError(f"{path}: written by another program, left alone; move it away for a sidecar")
    write_atomically(path, ((record if kind == "json" else caption) + "\n").encode("utf-8"))


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that readers see the old content or the new, even if the process is killed.

    The data goes to a hidden file in the same folder first, which then takes the name. What is there and no ordinary
    file (a device, a pipe) is written to as it is.

    Raises:
        OSError: it cannot be written; `filename` is its path.
    """
    path = Path(path)
    try:
        if not is_replaced(path):
            path.write_bytes(data)
            return
        target = path.resolve()  # what a link points at, not the link
        fresh = _beside(target)
        try:
            with open(fresh, "xb") as file:
                file.write(data)
            os.replace(fresh, target)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from None


def check_writable(path: Path) -> None:
    """Raise OSError where `write_atomically` would, for want of rights or of a proper name."""
    if is_replaced(path):
        fresh = _beside(path.resolve())
        open(fresh, "xb").close()
        fresh.unlink()


def is_replaced(path: Path) -> bool:
    """Return whether writing makes a new file under this name: not where a device or a pipe has it."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return True


def _beside(path: Path) -> Path:
    """Return a fresh name in a file's folder."""
    return path.with_name(f".pycap-{os.getpid()}-{next(_numbers)}.tmp")


def _is_ours(path: Path) -> bool:
    try:
        found = json.loads(path.read_bytes())
    except ValueError:
        return False
    return isinstance(found, dict) and {"image", "caption"} <= found.keys()
