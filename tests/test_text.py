"""Words out of captions and back, and a vocabulary that is the same every time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pycap.config import END, PAD, SPECIAL_TOKENS, START, UNKNOWN
from pycap.text import Vocabulary, detokenize, tokenize


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        ("A man's dog .", "a man 's dog"),
        ("A man 's dog .", "a man 's dog"),
        ("The players' bench, isn't it?", "the players bench is n't it"),
        ("they don't , can't & won't", "they do n't ca n't and wo n't"),
        ("We'd say he's they're I'm you've it'll", "we 'd say he 's they 're i 'm you 've it 'll"),
        ("couldn't've", "could n't 've"),
        ("Holding ' free hugs ' and 'signs'", "holding free hugs and signs"),
        ('a sign that says " Free Dinner "', "a sign that says free dinner"),
        ("a twin-hulled boat -- a t-shirt - red", "a twin-hulled boat a t-shirt red"),
        ("the 7-year-old's mother-in-law's", "the 7-year-old 's mother-in-law 's"),
        ("at&t o'clock #28 1920's", "at&t o'clock 28 1920 's"),
        ("black/white 3.5 1,000 10:30 50% 2nd", "black white 3.5 1,000 10:30 50 2nd"),
        ("two dogs;one runs.The end", "two dogs one runs the end"),
        ("a u.s. flag", "a u.s. flag"),
        ("cannot gonna", "can not gon na"),
        ("he\N{RIGHT SINGLE QUOTATION MARK}s \N{LEFT DOUBLE QUOTATION MARK}in\N{EM DASH}out", "he 's in out"),
        ("CAFE\N{COMBINING ACUTE ACCENT} caf\N{LATIN SMALL LETTER E WITH ACUTE}", "caf\xe9 caf\xe9"),
        (
            "\u0939\u093f\u0928\u094d\u0926\u0940 \N{THUMBS UP SIGN} so\N{SOFT HYPHEN}ft",
            "\u0939\u093f\u0928\u094d\u0926\u0940 soft",
        ),
        ("under_score <start> ...", "under score start"),
        ("", ""),
        (" .,!? -- '' ", ""),
    ],
)
def test_tokenize_keeps_words_and_drops_punctuation(caption, words):
    assert " ".join(tokenize(caption)) == words


@given(st.text(max_size=60))
def test_tokenize_of_any_text_gives_clean_words(caption):
    for word in tokenize(caption):
        assert word
        assert not any(letter.isspace() for letter in word)
        assert any(letter.isalnum() or not letter.isascii() for letter in word)
        assert word not in SPECIAL_TOKENS


@given(
    st.lists(st.sampled_from(["a", "man's", "don't", "it'll", "gonna", "t-shirt", "3.5", "cannot", "u.s."]))
)
def test_detokenized_words_split_into_the_same_words(chunks):
    words = tokenize(" ".join(chunks))
    assert tokenize(detokenize(words)) == words


def test_detokenize_attaches_what_the_tokeniser_split():
    assert (
        detokenize(["a", "man", "'s", "dog", "is", "n't", "gon", "na", "bite"])
        == "a man's dog isn't gonna bite"
    )
    assert detokenize([]) == ""


CAPTIONS = ["A dog runs .", "a dog sits .", "The dog's ball", "a cat"]


def test_vocabulary_orders_by_count_then_alphabet():
    vocabulary = Vocabulary.build(CAPTIONS, min_count=1)
    assert vocabulary.words == (*SPECIAL_TOKENS, "a", "dog", "'s", "ball", "cat", "runs", "sits", "the")
    assert Vocabulary.build(reversed(CAPTIONS), min_count=1) == vocabulary


def test_rare_words_stay_out_of_the_vocabulary():
    assert Vocabulary.build(CAPTIONS, min_count=3).words == (*SPECIAL_TOKENS, "a", "dog")
    assert "cat" not in Vocabulary.build(CAPTIONS, min_count=2)


def test_encode_ends_with_end_and_marks_unknown_words():
    vocabulary = Vocabulary(["a", "dog"])
    assert len(vocabulary) == 6
    assert vocabulary.encode(tokenize("A dog barks.")) == [4, 5, UNKNOWN, END]
    assert vocabulary.encode(["a"] * 9, max_words=2) == [4, 4, END]
    assert vocabulary.encode([]) == [END]


def test_special_tokens_in_a_caption_never_encode_as_special():
    vocabulary = Vocabulary(["start"])
    assert vocabulary.encode(tokenize("<end> <pad> <start>")) == [UNKNOWN, UNKNOWN, 4, END]


def test_decode_stops_at_end_and_skips_padding():
    vocabulary = Vocabulary(["a", "man", "'s", "dog"])
    assert vocabulary.decode([START, 4, 5, 6, 7, END, 4]) == "a man's dog"
    assert vocabulary.decode(np.array([4, UNKNOWN, PAD, PAD])) == "a <unk>"
    assert vocabulary.decode([]) == ""


def test_vocabulary_survives_json():
    vocabulary = Vocabulary.build([*CAPTIONS, "caf\xe9 \u0939\u093f"], min_count=1)
    assert Vocabulary.from_json(vocabulary.to_json()) == vocabulary
    assert (
        vocabulary.to_json().count("\n") == len(vocabulary) + 2
    )  # a word a line: readable, small differences


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Vocabulary(["a", "b", "a"]), "words must differ, got 'a' as words 4 and 6"),
        (lambda: Vocabulary(["<unk>"]), "words must differ, got '<unk>'"),
        (lambda: Vocabulary([""]), "non-empty strings, got '' as word 4"),
        (lambda: Vocabulary([3]), "non-empty strings, got 3"),
        (lambda: Vocabulary.build(["a"], min_count=0), "min_count must be at least 1, got 0"),
        (lambda: Vocabulary.build("a dog"), "captions must be a list of captions, got one string"),
        (
            lambda: Vocabulary.build(["a dog"], min_count=2),
            r"no word that occurs 2 times \(2 different words\)",
        ),
        (lambda: Vocabulary.build([]), "no word that occurs 5 times"),
        (lambda: Vocabulary(["a"]).encode("a dog"), "tokens must be a list of words, got one string"),
        (lambda: Vocabulary(["a"]).encode(["a"], 0), "max_words must be at least 1, got 0"),
        (lambda: Vocabulary(["a"]).decode([5]), r"ids must be in 0\.\.4, got 5"),
        (lambda: Vocabulary(["a"]).decode([-1]), "got -1"),
        (lambda: Vocabulary.from_json("[1,"), r"not JSON \(line 1"),
        (lambda: Vocabulary.from_json('["a", "b"]'), "begins with .*<pad>.* got .'a', 'b'"),
        (lambda: Vocabulary.from_json("{}"), "must be a JSON list .* got 'dict'"),
    ],
)
def test_vocabulary_errors_name_what_came_and_what_was_expected(call, message):
    with pytest.raises(ValueError, match=message):
        call()
