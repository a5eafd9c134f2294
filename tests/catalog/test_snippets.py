"""The polarity sentences made from readers' ratings."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from pycap.catalog import DATASETS, fetch, snippets
from pycap.catalog.download import DownloadError
from pycap.catalog.snippets import write_snippets

ROWS = b"1\t2.2\tA caf\xe9 film\x85 fine\n2\t-0.6\tTepid \n3\t0\tNeither\n4\t-3\tDull\tand long\n"


def make_archive(path: Path, rows: bytes = ROWS, table: str = "movieReviewSnippets_GroundTruth.txt") -> Path:
    """Write an archive within an archive, as in the package's source."""
    inner = io.BytesIO()
    for stream, name, content in (
        (inner, f"hutto_ICWSM_2014/{table}", rows),
        (path, "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz", None),
    ):
        content = inner.getvalue() if content is None else content
        target = {"fileobj": stream} if stream is inner else {"name": stream}
        with tarfile.open(mode="w:gz", **target) as archive:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def test_the_sign_of_the_rating_is_the_label(tmp_path: Path):
    write_snippets(make_archive(tmp_path / "a.tar.gz"), tmp_path / "out")
    assert (tmp_path / "out" / "rt-polarity.pos").read_bytes() == b"A caf\xe9 film\x85 fine\n"
    assert (tmp_path / "out" / "rt-polarity.neg").read_bytes() == b"Tepid\nDull\tand long\n"


def test_another_archive_is_refused(tmp_path: Path):
    (tmp_path / "text").write_text("no archive")
    archives = [tmp_path / "text", make_archive(tmp_path / "a.tar.gz", table="other.txt")]
    archives.append(make_archive(tmp_path / "b.tar.gz", rows=b"1\tgood\tA film\n"))
    for archive in archives:
        with pytest.raises(ValueError, match="not the source archive of vaderSentiment"):
            write_snippets(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("works", [True, False])
def test_they_are_taken_when_the_authors_server_is_out_of_reach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, works: bool
):
    def refuse(url: str, *_: object, **__: object) -> None:
        raise DownloadError(f"{url}: cannot be reached")

    def take(folder: Path) -> None:
        if not works:
            raise DownloadError("pip could not get it")
        write_snippets(make_archive(tmp_path / "a.tar.gz"), folder)

    monkeypatch.setattr(fetch, "download", refuse)
    monkeypatch.setattr(fetch, "fetch_snippets", take)
    lines: list[str] = []
    if works:
        fetch.fetch(DATASETS["rt-polarity"], tmp_path / "out", say=lines.append)
        assert (tmp_path / "out" / "rt-polarity.pos").is_file()
        fetch.fetch(DATASETS["rt-polarity"], tmp_path / "out", say=lines.append)
        assert "already there" in lines[-1]
    else:
        with pytest.raises(DownloadError, match=r"rt-polaritydata\.tar\.gz: cannot be reached"):
            fetch.fetch(DATASETS["rt-polarity"], tmp_path / "out", say=lines.append)
        assert lines[-1] == "pip could not get it"


def test_pip_that_fails_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(snippets, "REQUIREMENT", "no such requirement==")
    with pytest.raises(DownloadError, match="pip could not get it"):
        snippets.fetch_snippets(tmp_path)
