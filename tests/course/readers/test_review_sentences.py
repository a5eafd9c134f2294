"""Review sentences: labels, encodings, and lines that are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pycap.course.readers.sentences import read_polarity, read_sst


def write_polarity(folder: Path, positive: bytes = b"a fine film . \n", negative: bytes = b"dull\n") -> Path:
    """Write the two files."""
    folder.mkdir(exist_ok=True)
    (folder / "rt-polarity.pos").write_bytes(positive)
    (folder / "rt-polarity.neg").write_bytes(negative)
    return folder


def test_polarity_lines_end_at_line_feeds_only(tmp_path: Path):
    folder = write_polarity(tmp_path, b"caf\xe9\x85 life\x1c , \x0bmoving \n\nfine\n", b"dull\r\nslow")
    data = read_polarity(folder)
    assert data.texts == ["café\x85 life\x1c , \x0bmoving", "fine", "dull", "slow"]
    assert data.labels.tolist() == [1, 1, 0, 0]
    assert data.labels.dtype == np.int64


def test_polarity_is_found_in_the_folder_of_its_archive(tmp_path: Path):
    write_polarity(tmp_path / "rt-polaritydata")
    assert len(read_polarity(tmp_path).texts) == 2


def test_sst_lines_are_a_label_and_a_sentence(tmp_path: Path):
    path = tmp_path / "train"
    path.write_text("1 a fine film .\n0 it 's 0 fun\n\n1  two blanks \x85 inside\n", encoding="utf-8")
    data = read_sst(path)
    assert data.texts == ["a fine film .", "it 's 0 fun", "two blanks \x85 inside"]
    assert data.labels.tolist() == [1, 0, 1]
    assert data.labels.dtype == np.int64


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"1 fine\n2 odd\n", "line 2: must be a label, 0 or 1, and a sentence, got '2 odd'"),
        (b"fine film\n", "line 1: must be a label"),
        (b"1 fine\n\n0\n", "line 3: must be a label, 0 or 1, and a sentence, got '0'"),
        (b"1 fine\n0 caf\xe9 noir\n", "line 2: not UTF-8 text"),
        (b"1 fine\n0 \0\0\n", "line 2: zero bytes, not text"),
        (b"\n \n", "no sentences in it"),
        (b"", r"empty \(0 bytes\)"),
        (b"sentence\tlabel\na film\t1\n", "line 1: must be a label"),
        (b"\xff\xfe1\0 \0", "line 1: not UTF-8"),
    ],
)
def test_broken_sentences_name_file_and_line(tmp_path: Path, content: bytes, message: str):
    path = tmp_path / "dev.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        read_sst(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_missing_or_empty_polarity_file_is_named(tmp_path: Path):
    with pytest.raises(ValueError, match=r"rt-polarity\.pos: no such file"):
        read_polarity(tmp_path)
    write_polarity(tmp_path, negative=b"\n\n")
    with pytest.raises(ValueError, match=r"rt-polarity\.neg: no sentences in it"):
        read_polarity(tmp_path)
    with pytest.raises(ValueError, match="a folder; give a file in it"):
        read_sst(tmp_path)


def test_real_sentences_are_all_read(shared_data: Path):
    polarity = read_polarity(shared_data / "sentiment" / "rt-polarity")
    assert np.bincount(polarity.labels).tolist() == [5331, 5331]
    train = read_sst(shared_data / "sentiment" / "sst2" / "stsa.binary.train")
    dev = read_sst(shared_data / "sentiment" / "sst2" / "stsa.binary.dev")
    assert (len(train.texts), len(dev.texts)) == (6920, 872)
    assert any("é" in text for text in train.texts)
