"""Files beside pictures are whole or not there."""

from __future__ import annotations

import json
import os
import threading

import pytest

from pycap.cli.sidecar import check_writable, sidecar_path, write_atomically, write_sidecar


def test_readers_never_see_half_a_file(tmp_path):
    path = tmp_path / "file"
    contents = [letter * 300_000 for letter in (b"a", b"b")]
    write_atomically(path, contents[0])
    done, seen = threading.Event(), set()

    def read():
        while not done.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(100):
        write_atomically(path, contents[turn % 2])
    done.set()
    reader.join()
    assert seen <= set(contents)
    assert os.listdir(tmp_path) == ["file"]


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space left") as raised:
        write_atomically(path, b"new")
    assert raised.value.filename == str(path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_new_files_have_ordinary_permissions(tmp_path):
    (tmp_path / "ordinary").write_text("")
    write_atomically(tmp_path / "file", b"")
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "ordinary").stat().st_mode


def test_a_link_keeps_pointing(tmp_path):
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    write_atomically(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"new"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX pipes")
def test_a_pipe_is_written_to_and_stays(tmp_path):
    pipe, heard = tmp_path / "pipe", []
    os.mkfifo(pipe)
    check_writable(pipe)
    reader = threading.Thread(target=lambda: heard.append(pipe.read_bytes()))
    reader.start()
    write_atomically(pipe, b"new")
    reader.join()
    assert heard == [b"new"]
    assert pipe.is_fifo()


def test_what_can_be_written_is_told_without_a_trace(tmp_path):
    path = tmp_path / "file"
    check_writable(path)
    path.write_bytes(b"old")
    check_writable(path)
    assert os.listdir(tmp_path) == ["file"]
    assert path.read_bytes() == b"old"
    with pytest.raises(OSError, match="too long"):
        check_writable(tmp_path / ("x" * 300))


def test_pictures_of_one_stem_do_not_share_a_sidecar():
    assert sidecar_path("x/a.jpg", "txt") != sidecar_path("x/a.png", "txt")


def test_json_of_another_program_is_left_alone(tmp_path):
    picture = str(tmp_path / "a.jpg")
    theirs = sidecar_path(picture, "json")
    for content in ('{"title": "a.jpg", "photoTakenTime": 1}', "[1]", "no json"):
        theirs.write_text(content)
        with pytest.raises(ValueError, match=r"a\.jpg\.json: written by another program, left alone"):
            write_sidecar(picture, "json", "a dog", "{}")
        assert theirs.read_text() == content


def test_own_json_is_replaced(tmp_path):
    picture = str(tmp_path / "a.jpg")
    for text in ("a dog", "a cat"):
        write_sidecar(picture, "json", text, json.dumps({"image": picture, "caption": text}))
    assert json.loads(sidecar_path(picture, "json").read_text())["caption"] == "a cat"
