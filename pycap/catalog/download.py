"""One file from the web to the disk: resumed where it broke off, checked before it gets its name."""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

CHUNK = 1 << 16
RETRIES = 4  # failures in a row without a byte gained
TIMEOUT = 30.0  # seconds without a byte
_TEMPORARY = {408, 425, 429, 500, 502, 503, 504}

Progress = Callable[[int, "int | None"], None]  # bytes there, bytes in all if known


class DownloadError(RuntimeError):
    """A download that failed: one line with the address, what happened and what to do."""


class _BrokenOffError(Exception):
    """The connection failed; worth another try."""


def download(
    url: str,
    target: str | os.PathLike[str],
    *,
    sha256: str = "",
    progress: Progress = lambda done, total: None,
    timeout: float = TIMEOUT,
    retries: int = RETRIES,
    wait: float = 0.5,
) -> Path:
    """Download a file.

    What has come is kept in `target.part` when the download breaks off or is interrupted; the next call asks the
    server for the rest, if the file there is still the same (ETag or date), else for all of it.

    Args:
        url: http or https; redirects are followed.
        target: where the file goes; folders are made.
        sha256: expected digest; "" takes what comes.
        progress: called after each chunk.
        timeout: seconds without a byte after which the connection counts as broken.
        retries: further tries without a byte gained.
        wait: seconds before the second try, doubled before each further one.

    Returns:
        The target.

    Raises:
        ValueError: not an http address.
        DownloadError: no connection, refused by the server, disk full, or a wrong checksum.
    """
    target = Path(target)
    if not re.match(r"https?://[^/]", url):
        raise ValueError(f"{url}: not an address of the form http://... or https://...; correct it")
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _explain_disk(error, target) from None
    failures = 0
    while True:
        before = _size(part)
        try:
            _fetch_rest(url, part, progress, timeout, bool(sha256))
            break
        except _BrokenOffError as error:
            failures = 1 if _size(part) > before else failures + 1
            if failures > retries:
                kept = f"; {_size(part)} bytes are kept for the next try" if _size(part) else ""
                raise DownloadError(
                    f"{url}: {error}; try again later or put the file at {target} by hand{kept}"
                ) from None
            time.sleep(wait * 2 ** (failures - 1))
    if sha256 and (got := compute_sha256(part)) != sha256:
        _forget(part)
        raise DownloadError(
            f"{url}: wrong checksum (sha256 {got}, expected {sha256}), deleted; try again or give another --url"
        )
    part.replace(target)
    _forget(part)
    return target


def compute_sha256(path: Path) -> str:
    """Return the digest of a file, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _fetch_rest(url: str, part: Path, progress: Progress, timeout: float, checked: bool) -> None:
    """Ask for what `part` lacks and append it.

    Raises:
        _BrokenOffError: before all of it came.
        DownloadError: for good.
    """
    start, mark = _size(part), _read_mark(part)
    if start and not (mark or checked):  # nothing would tell a mixture of two editions
        start = 0
    headers = {"User-Agent": "pycap", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if mark:
            headers["If-Range"] = mark
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416 and start:
                total = re.fullmatch(r"bytes \*/(\d+)", error.headers.get("Content-Range", ""))
                if total and int(total[1]) == start:
                    return  # all of it was there
                _forget(part)
                raise _BrokenOffError("the part on disk does not fit the file there") from None
            if error.code in _TEMPORARY:
                raise _BrokenOffError(f"the server answered {error.code} {error.reason}") from None
            raise DownloadError(
                f"{url}: the server answered {error.code} {error.reason}; give another --url, "
                f"or put the file at {part.with_suffix('')} by hand"
            ) from None
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        reason = getattr(error, "reason", None) or error
        raise _BrokenOffError(f"cannot be reached ({_say(reason)})") from None
    with response:
        resumed = response.status == 206
        came = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", "")) if resumed else None
        if resumed and not (came and int(came[1]) == start):
            _forget(part)
            raise _BrokenOffError("the server sent another part than asked for")
        start = start if resumed else 0
        length = response.headers.get("Content-Length", "")
        total = start + int(length) if length.isdecimal() else None
        _write_mark(part, response.headers)
        _append(response, part, start, total, progress)


def _append(
    response: http.client.HTTPResponse, part: Path, start: int, total: int | None, progress: Progress
) -> None:
    """Write what comes behind the first `start` bytes of `part`."""
    done = start
    try:
        with part.open("ab" if start else "wb") as file:
            progress(done, total)
            while True:
                try:
                    chunk = response.read(CHUNK)
                except (http.client.HTTPException, OSError) as error:
                    raise _BrokenOffError(f"the connection broke off ({_say(error)})") from None
                if not chunk:
                    break
                file.write(chunk)
                done += len(chunk)
                progress(done, total)
    except OSError as error:
        raise _explain_disk(error, part) from None
    if total is not None and done < total:
        raise _BrokenOffError(f"the connection broke off after {done} of {total} bytes")


def _explain_disk(error: OSError, path: Path) -> DownloadError:
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return DownloadError(f"{path}: the disk is full; make room and try again, what came is kept")
    return DownloadError(f"{path}: cannot be written ({error.strerror}); give another folder with --to")


def _say(reason: object) -> str:
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return (str(reason).strip().splitlines() or [type(reason).__name__])[0]


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _mark_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.etag")


def _read_mark(part: Path) -> str:
    """Return what identifies the edition of which `part` is the beginning, or ""."""
    try:
        return _mark_file(part).read_text(encoding="latin-1").strip()
    except OSError:
        return ""


def _write_mark(part: Path, headers: http.client.HTTPMessage) -> None:
    etag = headers.get("ETag", "")
    mark = headers.get("Last-Modified", "") if not etag or etag.startswith("W/") else etag
    try:
        if mark:
            _mark_file(part).write_text(mark, encoding="latin-1")
        else:
            _mark_file(part).unlink(missing_ok=True)
    except OSError as error:
        raise _explain_disk(error, part) from None


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _mark_file(part).unlink(missing_ok=True)
