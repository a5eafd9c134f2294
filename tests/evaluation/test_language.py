"""What is said about words is counted, not guessed."""

from __future__ import annotations

from collections import Counter

import pytest

from pycap.evaluation.language import Speech, list_unsaid, measure_copies, repeats_a_pair
from pycap.text import Vocabulary


def test_speech_is_counted_in_the_words_of_training():
    speech = Speech.listen(["A dog's ball .", "a dog 's ball", "two dogs"])
    assert speech.captions == 3
    assert speech.lengths == (4, 4, 2)
    assert speech.distinct == 2
    assert speech.words["'s"] == 2
    assert speech.mean_words == pytest.approx(10 / 3)


@pytest.mark.parametrize(
    ("caption", "repeats"),
    [
        ("a dog and a dog", True),
        ("a man in a red shirt and a man", True),
        ("a dog and a cat", False),
        ("very very very good", True),
        ("very very good", False),
        ("dog", False),
        ("", False),
    ],
)
def test_a_pair_of_words_that_comes_twice_is_noticed(caption, repeats):
    assert repeats_a_pair(caption.split()) is repeats
    assert Speech.listen([caption]).repeating == repeats


def test_copies_are_told_by_their_words():
    assert measure_copies(["a dog", "A cat !", "two men"], ["A dog .", "a cat"]) == pytest.approx(2 / 3)


def test_the_most_frequent_unsaid_words_come_first():
    references = Counter({"a": 9, "ball": 4, "cat": 4, "the": 7, "zebra": 1})
    unsaid = list_unsaid(Counter(["a", "dog"]), references, Vocabulary(["a", "cat", "the"]), 3)
    assert unsaid == [("the", 7, True), ("ball", 4, False), ("cat", 4, True)]
    assert all(can for *_, can in list_unsaid(Counter(), references, None, 9))


def test_no_caption_is_an_error():
    with pytest.raises(ValueError, match="captions must hold at least one caption, got none"):
        Speech.listen([])
