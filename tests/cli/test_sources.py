"""What files, folders, globs and standard input stand for."""

from __future__ import annotations

import io
import os
import sys

import pytest
from tiny import draw_picture

from pycap.cli.sources import expand_sources, natural_key


def expand(*arguments: object, stdin: bytes = b""):
    return expand_sources([str(argument) for argument in arguments], io.BytesIO(stdin))


def names(sources, folder) -> list[str]:
    return [os.path.relpath(source.name, folder) for source in sources.items]


def encode(kind: str) -> bytes:
    file = io.BytesIO()
    draw_picture(0).save(file, kind)
    return file.getvalue()


def test_a_folder_is_walked_in_natural_order_without_hidden_files(pictures):
    found = expand(pictures)
    assert names(found, pictures) == ["img1.png", "img2.jpg", "img10.png", "deeper/img3.png"]
    assert not found.single


def test_arguments_keep_their_order(pictures):
    found = expand(pictures / "img10.png", pictures / "deeper", pictures / "img1.png")
    assert names(found, pictures) == ["img10.png", "deeper/img3.png", "img1.png"]


def test_one_file_is_single_whatever_its_name(pictures):
    assert expand(pictures / "notes.txt").single
    assert not expand(pictures / "img1.png", pictures / "img1.png").single
    assert not expand(pictures / "deeper").single


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("img*.png", ["img1.png", "img10.png"]),
        ("img?.*", ["img1.png", "img2.jpg"]),
        ("**/*.png", ["deeper/img3.png", "img1.png", "img10.png"]),
        ("deep*", ["deeper/img3.png"]),
    ],
)
def test_globs_are_matched(pictures, pattern, expected):
    found = expand(pictures / pattern)
    assert names(found, pictures) == expected
    assert not found.single


def test_a_file_named_like_a_glob_is_that_file(pictures):
    draw_picture(0).save(pictures / "img[1].png")
    found = expand(pictures / "img[1].png")
    assert names(found, pictures) == ["img[1].png"]
    assert found.single


def test_a_glob_without_match_and_an_empty_folder_are_problems(pictures):
    (pictures / "empty").mkdir()
    glob, folder = expand(pictures / "*.xyz", pictures / "empty").items
    assert glob.problem.endswith("*.xyz: no such file, and no file matches")
    assert folder.problem.endswith("empty: no pictures in this folder")


def test_an_unreadable_folder_is_reported_once_and_the_rest_found(pictures, monkeypatch):
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("deeper"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    *found, problem = expand(pictures).items
    assert len(found) == 3
    assert problem.problem.endswith("deeper: cannot read this folder: Permission denied")
    (alone,) = expand(pictures / "deeper").items
    assert alone.problem == problem.problem


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_in_a_folder_cannot_block(pictures):
    os.mkfifo(pictures / "pipe.png")
    assert "pipe.png" not in names(expand(pictures), pictures)


@pytest.mark.skipif(sys.platform != "linux", reason="needs file names that are any bytes")
def test_names_that_are_no_utf8_are_found(pictures):
    raw = os.path.join(os.fsencode(pictures), b"caf\xe9.png")
    os.rename(os.fsencode(pictures / "img1.png"), raw)
    assert raw in [os.fsencode(source.name) for source in expand(pictures).items]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM"])
def test_stdin_may_hold_a_picture(kind):
    found = expand("-", stdin=encode(kind))
    assert [(source.name, source.problem) for source in found.items] == [("-", "")]
    assert found.items[0].data == encode(kind)
    assert found.single


@pytest.mark.parametrize("separator", [b"\n", b"\r\n", b"\0"])
def test_stdin_may_hold_names(pictures, separator):
    wanted = [b"BM1.png", b"II 2.jpg", b"P5 and P6.png", b" spaced .gif", "größe.png".encode()]
    found = expand("-", stdin=separator.join([*wanted, b""]))
    assert [os.fsencode(source.name) for source in found.items] == wanted
    assert not found.single
    assert not expand("-", stdin=b"only.png\n").single  # a list, even of one


def test_stdin_names_may_be_folders_but_no_globs(pictures):
    lines = f"{pictures / 'deeper'}\n\n{pictures}/*.png\n".encode()
    assert names(expand("-", stdin=lines), pictures) == ["deeper/img3.png", "*.png"]


def test_a_name_that_is_not_there_is_a_problem(tmp_path):
    for source in (*expand(tmp_path / "a.jpg").items, *expand("-", stdin=f"{tmp_path}/a.jpg".encode()).items):
        assert source.problem == f"{tmp_path}/a.jpg: no such file or folder"


def test_binary_junk_on_stdin_is_one_broken_picture():
    (source,) = expand("-", stdin=b"\x07\x00junk\n\x00more\n").items
    assert source.data is not None


def test_empty_stdin_is_a_problem():
    (source,) = expand("-").items
    assert source.problem == "standard input: neither a picture nor names of pictures"


def test_stdin_can_be_read_once():
    with pytest.raises(ValueError, match="'-' may be given once"):
        expand("-", "-")


def test_natural_order():
    ordered = ["a", "B", "img1", "img2a", "img2b", "img02c", "img10", "img10x9", "img10x10"]
    assert sorted(reversed(ordered), key=natural_key) == ordered
