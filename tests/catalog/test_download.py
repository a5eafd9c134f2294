"""Downloads from a server on localhost that breaks off, moves, forgets and lies."""

from __future__ import annotations

import errno
import hashlib
import random
import socket
from pathlib import Path

import pytest

from pycap.catalog.download import DownloadError, download

CONTENT = random.Random(0).randbytes(300_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
FAST = {"wait": 0.001, "timeout": 5}


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where the file goes, in a folder that is not there yet."""
    return tmp_path / "new" / "file.bin"


def leftovers(target: Path) -> list[str]:
    """Return what lies beside the target."""
    return sorted(path.name for path in target.parent.iterdir() if path != target)


@pytest.mark.parametrize("etag", [True, False])
@pytest.mark.parametrize("digest", [DIGEST, ""])
def test_file_arrives_whole(site, target: Path, etag: bool, digest: str):
    site.files["/file.bin"], site.etag = CONTENT, etag
    seen = []
    download(site.url("/file.bin"), target, sha256=digest, progress=lambda *each: seen.append(each), **FAST)
    assert target.read_bytes() == CONTENT
    assert leftovers(target) == []
    assert seen[0] == (0, len(CONTENT))
    assert seen[-1] == (len(CONTENT), len(CONTENT))


def test_dropped_connection_is_resumed(site, target: Path):
    site.files["/file.bin"], site.drops = CONTENT, [100_000, 50_000]
    download(site.url("/file.bin"), target, sha256=DIGEST, **FAST)
    assert target.read_bytes() == CONTENT
    assert [asked for _, asked in site.asked] == [None, "bytes=100000-", "bytes=150000-"]


@pytest.mark.parametrize("etag", [True, False])
def test_server_without_ranges_starts_again(site, target: Path, etag: bool):
    site.files["/file.bin"], site.drops, site.ranges, site.etag = CONTENT, [100_000], False, etag
    download(site.url("/file.bin"), target, **FAST)
    assert target.read_bytes() == CONTENT


def test_part_of_an_earlier_call_is_used(site, target: Path):
    site.files["/file.bin"], site.drops = CONTENT, [100_000, 0]
    with pytest.raises(DownloadError, match="100000 bytes are kept for the next try"):
        download(site.url("/file.bin"), target, retries=0, **FAST)
    assert not target.exists()
    download(site.url("/file.bin"), target, **FAST)
    assert site.asked[-1][1] == "bytes=100000-"
    assert target.read_bytes() == CONTENT


def test_part_of_another_edition_is_thrown_away(site, target: Path):
    site.files["/file.bin"], site.drops = bytes(300_000), [100_000]
    with pytest.raises(DownloadError):
        download(site.url("/file.bin"), target, retries=-1, **FAST)
    site.files["/file.bin"] = CONTENT
    download(site.url("/file.bin"), target, **FAST)
    assert target.read_bytes() == CONTENT


def test_part_of_unknown_edition_is_not_continued_without_a_checksum(site, target: Path):
    site.files["/file.bin"], site.etag = CONTENT, False
    target.parent.mkdir()
    target.with_name("file.bin.part").write_bytes(bytes(100_000))
    download(site.url("/file.bin"), target, **FAST)
    assert target.read_bytes() == CONTENT


def test_part_that_is_complete_needs_no_more_bytes(site, target: Path):
    site.files["/file.bin"] = CONTENT
    target.parent.mkdir()
    target.with_name("file.bin.part").write_bytes(CONTENT)
    download(site.url("/file.bin"), target, sha256=DIGEST, **FAST)
    assert target.read_bytes() == CONTENT
    assert len(site.asked) == 1


def test_part_longer_than_the_file_is_thrown_away(site, target: Path):
    site.files["/file.bin"] = CONTENT
    target.parent.mkdir()
    target.with_name("file.bin.part").write_bytes(CONTENT + b"more")
    download(site.url("/file.bin"), target, sha256=DIGEST, **FAST)
    assert target.read_bytes() == CONTENT


def test_wrong_checksum_leaves_nothing(site, target: Path):
    site.files["/file.bin"] = CONTENT[:-1] + b"?"
    with pytest.raises(
        DownloadError, match=rf"wrong checksum \(sha256 \w+, expected {DIGEST}\), deleted; try again"
    ):
        download(site.url("/file.bin"), target, sha256=DIGEST, **FAST)
    assert not target.exists()
    assert leftovers(target) == []


@pytest.mark.parametrize("status", [404, 403, 410])
def test_refusal_is_final_and_names_the_place_for_the_file(site, target: Path, status: int):
    site.statuses = [status]
    with pytest.raises(
        DownloadError, match=f"/file.bin: the server answered {status} .*put the file at {target} by"
    ):
        download(site.url("/file.bin"), target, **FAST)
    assert len(site.asked) == 1


def test_busy_server_is_asked_again(site, target: Path):
    site.files["/file.bin"], site.statuses = CONTENT, [503, 429, 200]
    download(site.url("/file.bin"), target, **FAST)
    assert len(site.asked) == 3
    site.statuses = [500] * 9
    with pytest.raises(DownloadError, match="the server answered 500"):
        download(site.url("/file.bin"), target, retries=2, **FAST)


def test_redirect_is_followed_and_resumed(site, target: Path):
    site.files["/there"], site.moved, site.drops = CONTENT, {"/file.bin": "/there"}, [1000]
    download(site.url("/file.bin"), target, **FAST)
    assert target.read_bytes() == CONTENT
    assert site.asked[-1] == ("/there", "bytes=1000-")


def test_no_network_is_one_line(target: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as closed:  # bound but not listening: refuses
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}/file.bin"
        with pytest.raises(DownloadError, match=r"cannot be reached .*put the file at .* by hand") as caught:
            download(address, target, retries=1, **FAST)
    assert "\n" not in str(caught.value)
    assert str(target) in str(caught.value)


def test_silent_server_times_out(target: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/file.bin"
        with pytest.raises(DownloadError, match="timed out"):
            download(address, target, retries=0, timeout=0.1)


def test_full_disk_keeps_what_came(site, target: Path, monkeypatch: pytest.MonkeyPatch):
    site.files["/file.bin"] = CONTENT

    def fill(done: int, total: int | None) -> None:
        if done > 100_000:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(DownloadError, match="the disk is full; make room and try again, what came is kept"):
        download(site.url("/file.bin"), target, progress=fill, **FAST)
    assert target.with_name("file.bin.part").stat().st_size > 100_000


def test_interrupt_keeps_the_part(site, target: Path):
    site.files["/file.bin"] = CONTENT

    def interrupt(done: int, total: int | None) -> None:
        if done > 100_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(site.url("/file.bin"), target, progress=interrupt, **FAST)
    kept = target.with_name("file.bin.part").read_bytes()
    assert CONTENT.startswith(kept)
    download(site.url("/file.bin"), target, **FAST)
    assert site.asked[-1][1] == f"bytes={len(kept)}-"
    assert target.read_bytes() == CONTENT


def test_other_schemes_are_refused(target: Path):
    for address in ("file:///etc/passwd", "ftp://example.org/x", "example.org/x", ""):
        with pytest.raises(ValueError, match="not an address of the form"):
            download(address, target)


def test_folder_that_cannot_be_made_is_one_line(site, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DownloadError, match="cannot be written"):
        download(site.url("/file.bin"), tmp_path / "file" / "x", **FAST)
