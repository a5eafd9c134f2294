"""`pycap data`: what it lists, how it downloads, what it finds wrong."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image

from pycap.catalog import DATASETS, datasets
from pycap.cli import main

TRAIN, DEV = b"1 a fine film\n0 dull\n", b"0 slow\n"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, str]]:
    """A folder, and the address under which it is served."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "PYCAP_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    (tmp_path / "site").mkdir()
    handler = functools.partial(_Quiet, directory=str(tmp_path / "site"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield tmp_path / "site", f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    thread.join()
    server.server_close()


def serve_sst(site: Path) -> None:
    """Write three small files in the form of SST-2."""
    for name, content in (("train", TRAIN), ("dev", DEV), ("test", DEV)):
        (site / f"stsa.binary.{name}").write_bytes(content)


def test_list_shows_name_terms_size_and_place(mirror, capsys: pytest.CaptureFixture[str]):
    assert main(["data", "list"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in DATASETS)
    assert "not here" in out
    assert "terms: research and education only, not commercial" in out
    assert "1.1 GB" in out
    assert main(["data", "list", "--json"]) == 0
    entries = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [entry["name"] for entry in entries] == list(DATASETS)
    assert next(entry for entry in entries if entry["name"] == "sst2")["place"] is None


def test_get_shows_the_terms_first_and_says_what_differs(mirror, capsys: pytest.CaptureFixture[str]):
    site, address = mirror
    serve_sst(site)
    assert main(["data", "get", "sst2", "--to", "mine", "--url", address]) == 1  # not the known edition
    out, err = capsys.readouterr()
    assert out.strip() == "mine"
    assert err.splitlines()[0].startswith("sst2: terms: free for research")
    assert "stsa.binary.train: sha256 " in err
    assert "is not that of the known edition" in err
    assert Path("mine/stsa.binary.train").read_bytes() == TRAIN


def test_get_checks_files_and_finds_them_later(mirror, capsys: pytest.CaptureFixture[str], monkeypatch):
    site, address = mirror
    serve_sst(site)
    known = tuple(
        (f"stsa.binary.{name}", (hashlib.sha256(content).hexdigest(),))
        for name, content in (("train", TRAIN), ("dev", DEV))
    )
    monkeypatch.setitem(datasets.DATASETS, "sst2", replace(DATASETS["sst2"], checksums=known))
    assert main(["data", "get", "sst2", "--url", address]) == 0
    folder = Path(capsys.readouterr().out.strip())
    assert folder.name == "sst2"
    assert main(["data", "get", "sst2", "--url", "http://127.0.0.1:1/"]) == 0  # nothing is asked for again
    assert "already there" in capsys.readouterr().err
    assert main(["data", "check", "sst2", "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["path"] == str(folder)
    assert answer["checksums"] == 2
    assert any("2 sentences, 6920 expected" in line for line in answer["wrong"])


def test_get_unpacks_an_archive(mirror, capsys: pytest.CaptureFixture[str]):
    site, address = mirror
    with tarfile.open(site / "rt-polaritydata.tar.gz", "w:gz") as archive:
        for name, content in (("pos", b"fine\n"), ("neg", b"dull\n")):
            member = tarfile.TarInfo(f"rt-polaritydata/rt-polarity.{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    main(["data", "get", "rt-polarity", "--to", "mine", "--url", f"{address}rt-polaritydata.tar.gz"])
    assert Path("mine/rt-polaritydata/rt-polarity.pos").read_bytes() == b"fine\n"
    assert not Path("mine/rt-polaritydata.tar.gz").exists()
    capsys.readouterr()
    assert main(["data", "check", "rt-polarity", "--data", "mine"]) == 1
    assert "5331 sentences of each label expected, got [1, 1]" in capsys.readouterr().out


def test_failures_are_one_line(mirror, capsys: pytest.CaptureFixture[str]):
    _, address = mirror
    for words, message in (
        (["get", "sst2", "--url", address], "the server answered 404"),
        (["get", "sst2", "--url", "nonsense/"], "not an address of the form"),
        (["get", "mnist"], "no data set 'mnist'; there are"),
        (["check", "sst2"], "sst2: not found in"),
        (["check", "sst2", "--data", "gone"], "gone: no such file or folder"),
    ):
        assert main(["data", *words]) == 1
        last = capsys.readouterr().err.splitlines()[-1]
        assert last.startswith("pycap: ")
        assert message in last


def test_a_data_set_without_download_says_how_to_get_it(mirror, capsys: pytest.CaptureFixture[str]):
    assert main(["data", "get", "stocks"]) == 1
    assert "has no public download; pip install arch brings the S&P 500" in capsys.readouterr().err


def test_check_reports_defects_of_prices(mirror, capsys: pytest.CaptureFixture[str]):
    header, row = "Date,Open,High,Low,Close,Adj Close,Volume\n", "2020-01-0{},1,1,1,1,1,1\n"
    Path("a.csv").write_text(
        header + row.format(2) + "2020-01-03,null,null,null,null,null,null\n" + row.format(6)
    )
    Path("b.csv").write_text(header + row.format(2) * 2)
    assert main(["data", "check", "stocks", "--data", "."]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "a.csv: 1 row lacks values and is left out",
        "b.csv line 3: 2020-01-02 comes twice; sort the rows by date, oldest first, each day once",
    ]


def test_check_of_the_digits_passes(mirror, capsys: pytest.CaptureFixture[str]):
    assert main(["data", "check", "digits"]) == 0
    assert capsys.readouterr().out.strip() == "digits: nothing wrong"


def test_check_of_captions_tells_defects_from_oddities(mirror, capsys: pytest.CaptureFixture[str]):
    Image.new("RGB", (8, 8)).save("a.jpg")
    Image.new("RGB", (9, 9)).save("b.jpg")
    lines = [
        "a.jpg#0\tA dog runs .",
        "a.jpg#1\tA dog runs .",
        "a.jpg#2\tbroken image",
        "b.jpg#0\tA cat sits .",
    ]
    Path("Flickr8k.token.txt").write_text("\n".join(lines))
    Path("Flickr_8k.trainImages.txt").write_text("a.jpg\nb.jpg\n")
    assert main(["data", "check", "flickr8k", "--data", "."]) == 1
    out, err = capsys.readouterr()
    assert out.splitlines() == ["placeholder caption: a.jpg: 'broken image' (left out of training)"]
    assert "duplicate caption (kept): 1" in err


@pytest.mark.parametrize(
    ("name", "code", "out"),
    [
        ("sst2", 0, "sst2: nothing wrong"),
        ("rt-polarity", 0, "rt-polarity: nothing wrong"),
        ("coco", 0, "coco: nothing wrong"),
        ("stocks", 1, "AAPL.csv: 1 row lacks values and is left out"),
    ],
)
def test_check_of_the_real_files(
    shared_data: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    code: int,
    out: str,
):
    monkeypatch.setenv("PYCAP_DATA", str(shared_data))
    assert main(["data", "check", name]) == code
    assert out in capsys.readouterr().out
