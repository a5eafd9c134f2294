"""What the autograder asks of week 4's assignments. Oracles are worked by hand, by loops or by numerical slopes."""

from __future__ import annotations

import copy
import random as chance
import warnings
from collections import Counter

import numpy as np

from pycap.course.grading import Task, Wrong, expect_close, expect_equal, expect_unchanged

UNKNOWN = 3


def check_clean(clean):
    cases = (
        ("A <br />fine\n FILM, isn’t it?", "a fine film, isn't it?", ""),
        ("good<br>bad", "good bad", "a tag between two words separates them: replace it by a blank"),
        ("<p>one</p> two <b>three</b>", "one two three", "a greedy pattern eats the text between tags"),
        ("“Wow” ‘ok’", "\"wow\" 'ok'", "four kinds of curly quotes"),
        ("  \t a \u00a0\n b  ", "a b", "white space is more than the blank: tabs, ends of lines, no-break spaces"),
        ("not bad !!! :-( 3.5/10", "not bad !!! :-( 3.5/10", "punctuation and digits stay"),
        ("Ünter É", "ünter é", "small letters in every alphabet, none removed"),
        ("<div\nclass='x'>hi", "hi", "a tag may go over the end of a line"),
        ("5 < 6 but good", "5 < 6 but good", "without a > it is no tag"),
        ("1 < 2 <i>ok</i>", "1 ok", "a tag goes from a < to the next >, whatever lies between"),
        ("Spaß &amp; FUN", "spaß &amp; fun", "nothing else changes: lower() and no more"),
        ("", "", ""),
        ("<br/>", "", ""),
    )  # fmt: skip
    for text, expected, hint in cases:
        expect_equal(clean(text), expected, given=f"clean({text!r})", hint=hint)


def check_build_vocabulary(build_vocabulary):
    cases = (
        ([["b", "a"], ["a", "c", "c"]], 2, {"a": 4, "c": 5}, "ids begin at 4"),
        ([["z", "z", "z"], ["b", "a", "c"]], 1, {"z": 4, "a": 5, "b": 6, "c": 7},
         "most frequent first, then by alphabet: not in the order of the text"),
        ([["a", "a"], ["b"]], 3, {}, "no word is frequent enough: an empty vocabulary"),
        ([["a", "b"], [], ["a", "b"]], 2, {"a": 4, "b": 5}, "*at least* min_count times, in all sentences together"),
        ([["film", "film", "film"], ["dull"], ["dull"]], 2, {"film": 4, "dull": 5},
         "count every occurrence, also several in one sentence"),
        ([["us", "US", "US"]], 1, {"US": 4, "us": 5}, "words as they are: `clean` comes before, not here"),
    )  # fmt: skip
    for sentences, least, expected, hint in cases:
        given = f"build_vocabulary({sentences}, {least})"
        before = copy.deepcopy(sentences)
        got = build_vocabulary(sentences, least)
        if not isinstance(got, dict):
            raise Wrong("a dict from word to id", f"a {type(got).__name__}", given)
        expect_equal(got, expected, given, hint)
        if sentences != before:
            raise Wrong(before, sentences, given, "the sentences belong to the caller: leave them unchanged")
    draw = chance.Random(3)
    text = [[draw.choice("abcdefghijkl") * draw.randint(1, 2) for _ in range(9)] for _ in range(30)]
    counts = Counter(word for words in text for word in words)
    for least in (1, 8, 12):
        order = sorted((-n, word) for word, n in counts.items() if n >= least)
        expected = {word: 4 + i for i, (_, word) in enumerate(order)}
        expect_equal(
            build_vocabulary(text, least), expected, f"270 words, min_count {least}", "-count, then alphabet"
        )


def check_encode_batch(encode_batch):
    letters = {"a": 4, "b": 5, "c": 40_000}
    cases = (
        ([["a"], ["b", "a", "a"]], 2, [[4, 2, 0], [5, 4, 2]], [2, 3], "cut first, then END"),
        ([["a", "x", "c"]], 9, [[4, 3, 40_000, 2]], [4], "an unknown word keeps its place, as UNKNOWN"),
        ([["a", "b", "c"]], 1, [[4, 2]], [2], "a sentence that is cut also gets END"),
        ([[], ["c", "c"]], 5, [[2, 0, 0], [40_000, 40_000, 2]], [1, 3], "an empty sentence is END alone"),
        ([["a"], ["b"]], 7, [[4, 2], [5, 2]], [2, 2], "no wider than the longest row"),
        ([["a", "b", "c"], ["b"]], 3, [[4, 5, 40_000, 2], [5, 2, 0, 0]], [4, 2],
         "max_words counts words, not END; padding comes after END"),
    )  # fmt: skip
    for sentences, most, ids, lengths, hint in cases:
        given = f"encode_batch({sentences}, {letters}, {most})"
        words, known = copy.deepcopy(sentences), dict(letters)
        got = encode_batch(words, known, most)
        if not isinstance(got, (tuple, list)) or len(got) != 2:
            raise Wrong("ids and lengths", got, given)
        expect_equal(np.asarray(got[0]).tolist(), ids, f"ids of {given}", hint)
        expect_equal(
            np.asarray(got[1]).tolist(), lengths, f"lengths of {given}", "words that are left, and END"
        )
        if np.asarray(got[0]).dtype.kind not in "iu":
            raise Wrong(
                "whole numbers", f"ids of type {np.asarray(got[0]).dtype}", given, "ids index a table"
            )
        if known != letters:
            raise Wrong(
                letters, known, given, "a new word must not enter the vocabulary: it was fixed in training"
            )
        if words != sentences:
            raise Wrong(sentences, words, given, "the sentences belong to the caller: leave them unchanged")


def check_skip_gram_pairs(skip_gram_pairs):
    cases = (
        ([7, 8, 9], 1, [(7, 8), (8, 7), (8, 9), (9, 8)], "both sides"),
        ([7, 8, 9], 2, [(7, 8), (7, 9), (8, 7), (8, 9), (9, 7), (9, 8)], "up to and including `window` places"),
        ([5, 5], 1, [(5, 5), (5, 5)], "two places with the same word are two different places"),
        ([4, 5, 4], 2, [(4, 5), (4, 4), (5, 4), (5, 4), (4, 4), (4, 5)], "leave out the same *place*, not the same id"),
        ([6], 3, [], "a word alone has no neighbour"),
        ([], 2, [], ""),
        ([1, 2, 3, 4], 1, [(1, 2), (2, 1), (2, 3), (3, 2), (3, 4), (4, 3)], "windows end where the sentence ends"),
        ([1, 2], 10, [(1, 2), (2, 1)], "a window wider than the sentence"),
    )  # fmt: skip
    for ids, window, expected, hint in cases:
        given = f"skip_gram_pairs({ids}, {window})"
        words = list(ids)
        got = [(int(a), int(b)) for a, b in skip_gram_pairs(words, window)]
        expect_equal(sorted(got), sorted(expected), given, hint)
        expect_equal(words, ids, given, "leave the sentence unchanged")
    ids = np.random.default_rng(0).integers(4, 9, 23).tolist()
    places = range(len(ids))
    expected = sorted((ids[i], ids[j]) for i in places for j in places if 0 < abs(i - j) <= 4)
    got = sorted((int(a), int(b)) for a, b in skip_gram_pairs(ids, 4))
    expect_equal(got, expected, f"skip_gram_pairs({ids}, 4), sorted", "each place with up to 4 on both sides")


def check_negative_samples(negative_samples):
    counts = np.array([0, 0, 0, 0, 1000, 300, 100, 16, 1, 0])
    neighbours = np.array([4, 5, 6, 4, 8, 4])
    given = (
        "counts [0, 0, 0, 0, 1000, 300, 100, 16, 1, 0], neighbours [4, 5, 6, 4, 8, 4], 4000 negatives each"
    )
    with expect_unchanged(given, counts=counts, neighbours=neighbours):
        got = np.asarray(negative_samples(np.random.default_rng(1), counts, neighbours, 4000))
    if got.shape != (6, 4000):
        raise Wrong("shape (6, 4000)", f"shape {got.shape}", given, "a row of negatives for each neighbour")
    if got.dtype.kind not in "iu":
        raise Wrong("whole numbers", str(got.dtype), given)
    if got.min() < 0 or got.max() > 9 or (counts[got] == 0).any():
        raise Wrong(
            "only words that occur",
            np.unique(got),
            given,
            "a word that never occurs (padding!) is never drawn",
        )
    for row, true in zip(got, neighbours, strict=True):
        if (row == true).any():
            raise Wrong(f"no {true} in the row of neighbour {true}", f"{(row == true).sum()} of them", given,
                        "a negative that equals the true neighbour asks for two opposite things at once")  # fmt: skip
    for i, true in enumerate(neighbours):
        weights = counts**0.75
        weights[true] = 0
        share = np.bincount(got[i], minlength=10) / 4000
        expected = weights / weights.sum()
        slack = 5 * np.sqrt(expected * (1 - expected) / 4000) + 1e-3
        if (np.abs(share - expected) > slack).any():
            raise Wrong(f"shares near {np.round(expected, 3)} (neighbour {true})", f"{np.round(share, 3)}", given,
                        "counts to the power 0.75, and without the true neighbour; a word drawn again must be drawn "
                        "from the same distribution")  # fmt: skip
    pair = np.array([0, 0, 0, 0, 5, 7])
    got = np.asarray(negative_samples(np.random.default_rng(2), pair, np.array([4] * 40), 3))
    expect_equal(got.tolist(), [[5] * 3] * 40, "only ids 4 and 5 occur and every neighbour is 4",
                 "one second draw is not enough: it may hit the neighbour again")  # fmt: skip
    again = [
        np.asarray(negative_samples(np.random.default_rng(9), counts, neighbours, 50)).tolist()
        for _ in range(2)
    ]
    expect_equal(again[0], again[1], "the same seed twice", "draw only from the generator that is given")
    other = np.asarray(negative_samples(np.random.default_rng(10), counts, neighbours, 50)).tolist()
    if other == again[0]:
        raise Wrong(
            "other draws from another seed", "the same", "seeds 9 and 10", "use the generator that is given"
        )


def _loss(centre, neighbour, centres, neighbours, negatives):
    """The loss, by plain loops."""
    total = 0.0
    for i, c in enumerate(centres):
        total += np.logaddexp(0, -(neighbour[neighbours[i]] @ centre[c]))
        for n in negatives[i]:
            total += np.logaddexp(0, neighbour[n] @ centre[c])
    return total / len(centres)


def _slopes(table, loss):
    """Numerical gradient of `loss()` by the entries of `table`, which it reads."""
    slopes = np.zeros_like(table)
    for place in np.ndindex(*table.shape):
        kept, table[place] = table[place], table[place] + 1e-5
        up = loss()
        table[place] = kept - 1e-5
        slopes[place] = (up - loss()) / 2e-5
        table[place] = kept
    return slopes


def check_skip_gram_step(skip_gram_step):
    cases = (
        ("one pair, one negative", [0], [1], [[2]]),
        ("three different pairs", [0, 1, 2], [3, 4, 0], [[1, 2], [0, 3], [4, 4]]),
        ("the same centre twice", [1, 1], [2, 3], [[0], [4]]),
        ("one word in many places", [1, 1, 1, 2], [2, 2, 2, 1], [[3, 3], [3, 0], [1, 3], [3, 2]]),
    )
    for number, (what, centres, neighbours, negatives) in enumerate(cases):
        draw = np.random.default_rng(number)
        centre, neighbour = draw.normal(size=(5, 3)), draw.normal(size=(5, 3))
        ids = [np.array(part) for part in (centres, neighbours, negatives)]
        given = f"{what}: centres {centres}, neighbours {neighbours}, negatives {negatives}, rate 0.5"

        def loss(centre=centre, neighbour=neighbour, ids=ids):
            return _loss(centre, neighbour, *ids)

        slopes = _slopes(centre, loss), _slopes(neighbour, loss)
        with expect_unchanged(given, centre=centre, neighbour=neighbour):
            got = skip_gram_step(centre, neighbour, *ids, 0.5)
        if not isinstance(got, (tuple, list)) or len(got) != 3:
            raise Wrong("loss, centre table, neighbour table", got, given)
        expect_close(
            got[0], loss(), f"loss for {given}", "the mean over pairs of the sum of 1 + k terms", 1e-5
        )
        hint = (
            "repeated ids: their gradients add up, but table[ids] -= x keeps only the last one"
            if number > 1
            else "slope of a score: sigmoid - 1 for the true neighbour, sigmoid for a negative; mean over pairs"
        )
        expect_close(got[1], centre - 0.5 * slopes[0], f"centre table for {given}", hint, 1e-5)
        hint += "; both gradients are taken before either table moves"
        expect_close(got[2], neighbour - 0.5 * slopes[1], f"neighbour table for {given}", hint, 1e-5)
    large = np.array([[40.0], [-40.0]])
    ids = np.array([0, 0]), np.array([0, 1]), np.array([[1], [0]])
    given = "scores of 1600 and -1600"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            got = skip_gram_step(large, large.copy(), *ids, 0.1)
        except RuntimeWarning as warning:
            raise Wrong(
                "no overflow", str(warning), given, "exp(1600) overflows: np.logaddexp, or two cases"
            ) from None
    expect_close(got[0], 1600.0, f"loss for {given}", "log(1 + exp(x)) is x for large x", 1e-6)
    if not all(np.isfinite(np.asarray(part)).all() for part in got[1:]):
        raise Wrong("finite tables", got[1], given, "exp overflows for large scores")


TASKS = (
    Task("clean", "Ready a review for the tokeniser", check_clean),
    Task("build_vocabulary", "Number the words of the training sentences", check_build_vocabulary),
    Task("encode_batch", "Unknown words, END, padding: sentences as one array", check_encode_batch),
    Task("skip_gram_pairs", "Centres and their neighbours", check_skip_gram_pairs),
    Task("negative_samples", "Wrong neighbours that are really wrong", check_negative_samples),
    Task("skip_gram_step", "One step of skip-gram with negative sampling", check_skip_gram_step),
)
