"""Archives are unpacked whole, inside their folder, or not at all."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from pycap.catalog.archives import is_archive, unpack


def make_zip(path: Path, files: dict[str, bytes]) -> Path:
    """Write a zip."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def make_tar(path: Path, files: dict[str, bytes]) -> Path:
    """Write a tar.gz."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


MAKERS = {"a.zip": make_zip, "a.tar.gz": make_tar, "a.tgz": make_tar}


@pytest.mark.parametrize("name", MAKERS)
def test_files_arrive_without_the_leavings_of_macos(tmp_path: Path, name: str):
    files = {
        "photos/a/1.jpg": b"one",
        "photos/b.txt": b"two",
        "__MACOSX/photos/._b.txt": b"x",
        "photos/._c": b"y",
    }
    archive = MAKERS[name](tmp_path / name, files)
    folder = tmp_path / "out"
    (folder / "photos").mkdir(parents=True)
    (folder / "photos" / "mine.txt").write_text("stays")
    unpack(archive, folder)
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert found == {"photos/a/1.jpg": b"one", "photos/b.txt": b"two", "photos/mine.txt": b"stays"}
    assert is_archive(name)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("evil", ["../evil", "a/../../evil", "/evil", "C:/evil", "..\\evil"])
def test_members_that_point_outside_are_refused(tmp_path: Path, name: str, evil: str):
    archive = MAKERS[name](tmp_path / name, {"good": b"1", evil: b"2"})
    with pytest.raises(ValueError, match="points outside the folder; do not use this archive"):
        unpack(archive, tmp_path / "in" / "out")
    assert [path.name for path in (tmp_path / "in").rglob("*")] == ["out"]


def test_links_are_left_out(tmp_path: Path):
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    unpack(path, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("name", MAKERS)
def test_damaged_archive_leaves_nothing(tmp_path: Path, name: str):
    archive = MAKERS[name](tmp_path / name, {"a": bytes(range(256)) * 50, "b": b"x" * 5000})
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    with pytest.raises(ValueError, match=r"cannot be unpacked .*delete it and download it again"):
        unpack(archive, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
