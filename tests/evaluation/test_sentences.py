"""The list of single captions: complete, worst first, and readable by a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from pycap.data.dataset import Example
from pycap.evaluation import Corpus, format_sentences, list_sentences
from pycap.evaluation.picture import draw_sweep

EXAMPLES = [
    Example(Path("a.jpg"), ("a dog runs", "the dog, running"), "dev", "a.jpg"),
    Example(Path("b.jpg"), ('two "men"\nsit', "x", "y"), "dev", "b.jpg"),
]
EVALUATION = Corpus(EXAMPLES, "dev", meteor=False).score({"a.jpg": "a dog runs", "b.jpg": "größe \ud800"})


def test_rows_are_worst_first_and_complete():
    rows = list_sentences(EVALUATION)
    assert [row["image_id"] for row in rows] == ["b.jpg", "a.jpg"]
    assert list(rows[0]) == [
        *["image_id", "caption", "cider", "bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "references"]
    ]
    assert rows[1]["references"] == ["a dog runs", "the dog, running"]
    assert rows[1]["rouge_l"] == 1


def test_csv_holds_one_row_a_picture_and_one_column_a_reference():
    data = format_sentences(list_sentences(EVALUATION), ".csv")
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8"), newline="")))
    assert [row["caption"] for row in rows] == ["größe ?", "a dog runs"]
    assert [rows[0][f"reference_{number}"] for number in (1, 2, 3)] == ['two "men"\nsit', "x", "y"]
    assert rows[1]["reference_3"] is None or rows[1]["reference_3"] == ""
    assert float(rows[1]["rouge_l"]) == 1


def test_json_holds_the_rows():
    rows = list_sentences(EVALUATION)
    assert json.loads(format_sentences(rows, ".json")) == rows


def test_unknown_suffixes_are_named():
    with pytest.raises(ValueError, match=r"suffix must be \.csv or \.json, got '\.txt'"):
        format_sentences([], ".txt")
    with pytest.raises(ValueError, match=r"suffix must be \.png or \.svg, got '\.txt'"):
        draw_sweep([], "title", ".txt")
