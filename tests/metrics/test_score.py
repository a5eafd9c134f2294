"""Scores are coco-caption's, for corpora and for sentences, whatever the order."""

from __future__ import annotations

import itertools
import math
import random
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pycap.metrics import References, score, score_sentences
from pycap.metrics.cider import score_cider

TOLERANCE = 1e-9
NAMES = ["bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider"]
SYSTEMS = ["sensible", "copied", "shuffled", "odd"]

WORDS = ["a", "the", "dog", "cat", "runs", "sleeps", "on", "red", "grass", "can't", "."]
words = st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join)
corpora = st.lists(st.tuples(words, st.lists(words, min_size=1, max_size=4)), min_size=1, max_size=6)


def split(corpus: list[tuple[str, list[str]]]) -> tuple[dict[int, str], dict[int, list[str]]]:
    candidates = {image: candidate for image, (candidate, _) in enumerate(corpus)}
    return candidates, {image: references for image, (_, references) in enumerate(corpus)}


@pytest.mark.parametrize("system", SYSTEMS)
def test_scores_of_a_corpus_equal_pycocoevalcap(corpus: dict, system: str):
    expected = corpus["systems"][system]
    scores = score(expected["captions"], corpus["references"])
    assert list(scores) == [*NAMES, "meteor", "spice"]
    assert scores["meteor"] is scores["spice"] is None
    for name in NAMES:
        assert scores[name] == pytest.approx(expected["corpus"][name], abs=TOLERANCE)


@pytest.mark.parametrize("system", SYSTEMS)
def test_scores_of_sentences_equal_pycocoevalcap(corpus: dict, system: str):
    expected = corpus["systems"][system]
    scores = score_sentences(expected["captions"], corpus["references"])
    assert list(scores) == list(corpus["references"])
    for image, sentence in expected["sentences"].items():
        assert scores[image] == pytest.approx(sentence, abs=TOLERANCE)


def test_coco_example_scores_as_published(coco_example):
    scores = score(*coco_example)
    published = {
        "bleu_1": 0.579,
        "bleu_2": 0.404,
        "bleu_3": 0.279,
        "bleu_4": 0.191,
        "rouge_l": 0.396,
        "cider": 0.600,
    }
    assert {name: round(scores[name], 3) for name in NAMES} == published


def test_coco_example_has_the_published_counts(coco_example):
    candidates, raw = coco_example
    references = References(raw)
    lengths, counts = references.count(references.arrange(candidates))
    assert lengths.sum() == 9893
    assert [int(order.counts.sum()) for order in counts] == [9893, 8893, 7893, 6893]


def test_copying_a_reference_scores_the_maximum():
    references = {
        image: [f"one{image} two{image} three{image} four{image} five{image}"] for image in range(4)
    }
    scores = score({image: captions[0] for image, captions in references.items()}, references)
    assert scores["cider"] == pytest.approx(10)
    for name in NAMES[:5]:
        assert scores[name] == pytest.approx(1, abs=1e-8)


def test_sharing_no_word_scores_nothing():
    scores = score({1: "a b c d e", 2: "f g h i j"}, {1: ["k l m n o"], 2: ["p q r s t"]})
    assert scores["cider"] == scores["rouge_l"] == 0
    assert max(scores[name] for name in NAMES[:4]) < 1e-6


def test_brevity_takes_the_closest_reference_and_the_shorter_on_ties():
    # lengths 2 and 4 are equally far from 3: with 2 there is no penalty, with 4 it would be exp(-1/3)
    both, longer = score({1: "a b c"}, {1: ["a b c d", "a b"]}), score({1: "a b c"}, {1: ["a b c d", "x"]})
    assert both["bleu_1"] == pytest.approx(1, abs=1e-8)
    assert longer["bleu_1"] == pytest.approx(math.exp(-1 / 3), abs=1e-8)


@given(corpora, st.randoms(use_true_random=False))
def test_order_of_images_and_references_does_not_matter(corpus, shuffler):
    candidates, references = split(corpus)
    images = list(references)
    shuffler.shuffle(images)
    shuffled = {image: shuffler.sample(references[image], len(references[image])) for image in images}
    expected, scores = score(candidates, references), score(candidates, shuffled)
    assert [scores[name] for name in NAMES] == pytest.approx(
        [expected[name] for name in NAMES], abs=TOLERANCE
    )


@given(corpora)
def test_scores_stay_within_their_range(corpus):
    scores = score(*split(corpus))
    assert all(0 <= scores[name] <= 1 + TOLERANCE for name in NAMES[:5])
    assert 0 <= scores["cider"] <= 10 + TOLERANCE


@given(corpora)
def test_mean_sentence_scores_are_corpus_scores_except_for_bleu(corpus):
    candidates, references = split(corpus)
    scores, sentences = score(candidates, references), score_sentences(candidates, references).values()
    for name in ("rouge_l", "cider"):
        assert scores[name] == pytest.approx(
            sum(each[name] for each in sentences) / len(corpus), abs=TOLERANCE
        )


def test_prepared_references_give_the_same_scores_again(corpus: dict):
    prepared = References(corpus["references"])
    for system in [*SYSTEMS, *SYSTEMS]:
        captions = corpus["systems"][system]["captions"]
        assert score(captions, prepared) == score(captions, corpus["references"])


@settings(deadline=None)
@given(st.text(max_size=20), st.text(max_size=20))
def test_any_two_strings_can_be_scored(candidate: str, reference: str):
    scores = score({1: candidate, 2: "a"}, {1: [reference], 2: ["b"]})
    assert all(scores[name] == scores[name] for name in NAMES)  # not NaN


@pytest.mark.parametrize(
    ("candidates", "references", "message"),
    [
        (
            {1: "a"},
            {1: ["a"], 2: ["b"]},
            r"the 2 images of references, got 1: 1 without a candidate \(first: 2\)",
        ),
        (
            {1: "a", "x": "b"},
            {1: ["a"]},
            r"the 1 images of references, got 2: 1 without references \(first: 'x'\)",
        ),
        ({1: "a"}, {"1": ["a"]}, r"\(first: '1'\), 1 without references \(first: 1\)"),
        ({}, {}, "references must hold at least one image, got none"),
        ({1: "a"}, {1: []}, r"references\[1\] must be a non-empty list of captions, got \[\]"),
        ({1: "a"}, {1: "a"}, r"references\[1\] must be a non-empty list of captions, got 'a'"),
        ({1: ["a"]}, {1: ["a"]}, r"candidates\[1\] must be text, got list"),
        ({1: "a"}, {1: ["a", None]}, r"references\[1\] must be text, got NoneType"),
    ],
)
def test_wrong_arguments_are_named(candidates, references, message: str):
    with pytest.raises(ValueError, match=message):
        score(candidates, references)


def test_5000_captions_are_scored_in_two_seconds():
    draw = random.Random(1)
    vocabulary = [
        "".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(2, 9))) for _ in range(5000)
    ]
    weights = list(itertools.accumulate(1 / rank for rank in range(1, 5001)))

    def caption() -> str:
        return (
            " ".join(draw.choices(vocabulary, cum_weights=weights, k=draw.randint(6, 16))).capitalize() + " ."
        )

    candidates = {image: caption() for image in range(5000)}
    references = {image: [caption() for _ in range(5)] for image in range(5000)}
    began = time.process_time()
    score(candidates, references)
    assert time.process_time() - began < 2


def test_cider_of_a_training_batch_takes_milliseconds():
    draw = random.Random(2)
    words = [f"word{number}" for number in range(500)]
    references = References({n: [" ".join(draw.choices(words, k=11)) for _ in range(5)] for n in range(1000)})
    sentences = [" ".join(draw.choices(words, k=11)) for _ in range(160)]
    images = np.array(draw.choices(range(1000), k=160))
    taken = []
    for _ in range(5):
        began = time.process_time()
        scores = score_cider(*references.count(sentences), references, images)
        taken.append(time.process_time() - began)
    assert scores.shape == (160,)
    assert min(taken) < 0.05  # about 3 ms where nothing else runs
