"""Unpacking zip and tar archives that nobody vouches for: nothing is written outside the folder."""

from __future__ import annotations

import os
import re
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

SUFFIXES = (".zip", ".tar.gz", ".tgz", ".tar")
_IGNORED = {"__MACOSX", ".DS_Store"}


def is_archive(name: str) -> bool:
    """Return whether a file of this name is unpacked after its download."""
    return name.lower().endswith(SUFFIXES)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack an archive into a folder, all of it or nothing.

    Files already there are replaced; links, devices and the leavings of macOS are left out.

    Raises:
        ValueError: damaged, of no known kind, or with a member that points outside the folder.
        OSError: the disk.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=folder) as temporary:
        try:
            is_zip = zipfile.is_zipfile(archive)
            opened = zipfile.ZipFile(archive) if is_zip else tarfile.open(archive)  # noqa: SIM115 - closed below
            with opened:
                members = _read_zip(opened) if is_zip else _read_tar(opened)
                for name, source in members:
                    path = Path(temporary, *_check_name(name, archive))
                    path.parent.mkdir(parents=True, exist_ok=True)
                    with source, path.open("wb") as file:
                        shutil.copyfileobj(source, file, 1 << 20)
        except (
            zipfile.BadZipFile,
            tarfile.TarError,
            EOFError,
            zlib.error,
            RuntimeError,
            NotImplementedError,
        ) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ValueError(
                f"{archive}: cannot be unpacked ({reason}); delete it and download it again"
            ) from None
        _move(Path(temporary), folder)


def _read_zip(archive: zipfile.ZipFile) -> Iterator[tuple[str, IO[bytes]]]:
    for member in archive.infolist():
        is_link = (member.external_attr >> 16) & 0o170000 == 0o120000
        if not (member.is_dir() or is_link or _is_ignored(member.filename)):
            yield member.filename, archive.open(member)


def _read_tar(archive: tarfile.TarFile) -> Iterator[tuple[str, IO[bytes]]]:
    for member in archive:
        if member.isreg() and not _is_ignored(member.name):
            yield member.name, archive.extractfile(member)


def _is_ignored(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return bool(_IGNORED & set(parts)) or (bool(parts) and parts[-1].startswith("._"))


def _check_name(name: str, archive: Path) -> tuple[str, ...]:
    parts = PurePosixPath(name).parts
    outside = name.startswith("/") or ".." in parts or "\\" in name or re.match(r"[A-Za-z]:", name)
    if outside or not parts or "\0" in name:
        raise ValueError(f"{archive}: its member {name!r} points outside the folder; do not use this archive")
    return parts


def _move(source: Path, folder: Path) -> None:
    """Move files into place, keeping what else the folder holds."""
    for path in sorted(source.rglob("*")):
        if path.is_file():
            place = folder / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, place)
