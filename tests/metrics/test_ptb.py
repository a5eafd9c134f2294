"""Captions fall into the tokens that coco-caption's Java tokeniser makes."""

from __future__ import annotations

import importlib.util
import json
import random
import re
import shutil
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pycap.metrics import ptb

# (caption, tokens), the tokens made by pycocoevalcap's PTBTokenizer, one caption a file
CASES = json.loads((Path(__file__).parent / "ptb_cases.json").read_text())

# what rules, and the borders between them, are made of
PIECES = [
    *[
        "the",
        "Dog",
        "A",
        "s",
        "can",
        "not",
        "gonna",
        "Mr.",
        "etc.",
        "U.S.",
        "a.m.",
        "No.",
        "Ph.D.",
        "co.",
        "p.",
    ],
    *[
        "'s",
        "n't",
        "'ll",
        "'",
        '"',
        "``",
        "’",
        "“",
        "&amp;",
        "&lt;",
        "<b>",
        '<a b="c d">',
        "http://",
        "x.com",
    ],
    *[
        "1",
        "12",
        "555",
        "1234",
        " 1/2",
        "½",
        "²",
        "$",
        "%",
        "é",
        "日本",
        "😀",
        "\u0301",
        "\xad",
        "\xa0",
        "\u2003",
    ],
    *[
        " ",
        "  ",
        ".",
        ",",
        ";",
        ":",
        "!",
        "?",
        "-",
        "--",
        "/",
        "(",
        ")",
        "[",
        "}",
        "_",
        "*",
        "\\",
        "+",
        "=",
        "^",
    ],
    *["…", "@", "#", ":)"],
    *[
        "www.bbc.co.uk/x.y-1",
        "x.com/{a}",
        "\xa0x.com",
        "a@b\u3000",
        "e.g.,a-b.,",
        "A&AMP;B",
        "&mdash;",
        "Mfg.",
        "PTY.",
    ],
    *["c’mon", "o`o", "cont'd.", "'10s", "\\*", "=.[^x=<>]", "Σ", "ΟΔΟΣ", "the-Σ", "1Σ"],
]


@pytest.mark.parametrize(("caption", "tokens"), CASES)
def test_tokens_are_those_of_the_java_program(caption: str, tokens: str):
    assert ptb.tokenize(caption) == tokens


def test_tokens_of_the_coco_example_are_exact(shared_data, coco_example):
    candidates, references = coco_example
    path = shared_data / "coco-caption" / "fakecap_ptb_tokenized_test_and_refs.json"
    expected = {entry["image_id"]: entry for entry in json.loads(path.read_text())}
    assert len(expected) == 1000
    for image, entry in expected.items():
        assert ptb.tokenize(candidates[image]) == entry["test"]
        assert sorted(map(ptb.tokenize, references[image])) == sorted(entry["refs"])


@pytest.mark.slow
def test_random_strings_fall_into_the_tokens_of_the_java_program():
    if importlib.util.find_spec("pycocoevalcap") is None or shutil.which("java") is None:
        pytest.skip("needs pycocoevalcap and java")
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    draw = random.Random(20)
    letters = [chr(code) for code in range(32, 127)] + list("éßИ中ا’“—…½²€°\xa0")
    captions = ["".join(draw.choices(PIECES, k=draw.randint(1, 9))) for _ in range(3000)]
    captions += ["".join(draw.choices(letters, k=draw.randint(1, 30))) for _ in range(3000)]
    # a caption of plain words after each keeps the program from looking at the next one
    lines = [{"caption": text} for caption in captions for text in (caption, "x")]
    tokens = PTBTokenizer().tokenize({"all": lines})["all"]
    assert [ptb.tokenize(caption) for caption in captions] == tokens[::2]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_the_way_around_the_rules_gives_the_same_tokens(caption: str):
    kept = " ".join(ptb.scan(caption)).rstrip().split(" ")
    assert ptb.tokenize(caption) == " ".join(token for token in kept if token not in ptb.REMOVED)


@given(st.text())
def test_any_text_has_tokens_without_punctuation_or_capitals(caption: str):
    tokens = ptb.tokenize(caption).split(" ")
    assert tokens == [""] or not ptb.REMOVED & set(tokens)
    assert not re.search("[A-Z]", "".join(tokens))


@given(st.lists(st.from_regex("[b-z]{4,8}", fullmatch=True), max_size=8))
def test_plain_words_are_their_own_tokens(words: list[str]):
    words = [word for word in words if word not in ptb.IRREGULAR]
    assert ptb.tokenize("  ".join(words).capitalize() + " .") == " ".join(words)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\x0b", "\x0c", "\x85", "\u2028", "\u2029"])
def test_line_ends_are_spaces(end: str):
    assert ptb.tokenize(f"a dog{end}can't") == "a dog ca n't"


@pytest.mark.parametrize("piece", ["a", "a-", "a.", "1,", ". ", "<a ", "a@", "a'", "www.", "é", "x.com", "("])
def test_long_strings_are_tokenised_within_a_second(piece: str):
    began = time.process_time()
    ptb.tokenize(piece * (3000 // len(piece)))
    assert time.process_time() - began < 1
