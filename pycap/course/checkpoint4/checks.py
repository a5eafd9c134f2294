"""What the autograder asks of checkpoint 4's assignments."""

from __future__ import annotations

import math
import warnings
from fractions import Fraction

import numpy as np

from pycap.course.grading import Task, Wrong, expect_close, expect_equal, expect_unchanged


def check_split_sentences(split_sentences):
    random = np.random.default_rng(0)
    sentences = [f"film number {i} is {'good' if i % 3 else 'bad'}" for i in range(300)]
    sentences += [f"  Film   NUMBER {i}\tis {'good' if i % 3 else 'bad'} " for i in range(0, 300, 5)]
    sentences += [
        f"is film number {i} {'good' if i % 3 else 'bad'}" for i in range(0, 300, 10)
    ]  # another order
    sentences += [f"film number {i} is {'good' if i % 3 else 'bad'} !" for i in range(5, 300, 10)]
    order = random.permutation(len(sentences))
    sentences = [sentences[i] for i in order]
    labels = np.array([int("good" in text) for text in sentences])
    names = [" ".join(text.lower().split()) for text in sentences]
    for share, seed in ((0.2, 0), (0.2, 1), (0.5, 0), (0.1, 3)):
        given = f"360 sentences, 60 of them twice (other blanks and capitals), held_out {share}, seed {seed}"
        with expect_unchanged(given, labels=labels):
            got = split_sentences(list(sentences), labels, share, seed)
        if not isinstance(got, (tuple, list)) or len(got) != 2:
            raise Wrong("two lists of indices", got, given)
        train, held = (np.asarray(part).astype(int).tolist() for part in got)
        expect_equal(sorted(train + held), list(range(420)), given, "every index exactly once")
        both = {names[i] for i in train} & {names[i] for i in held}
        if both:
            raise Wrong("no sentence on both sides", f"{len(both)}, such as {min(both)!r}", given,
                        "put repetitions into one group, and split the groups")  # fmt: skip
        for label, different in ((1, 240), (0, 120)):
            count = len({names[i] for i in held if labels[i] == label})
            if abs(count - share * different) > 0.51:
                raise Wrong(f"{share * different:g} different sentences of label {label} held out", count, given,
                            "each label by itself; another order of words is another sentence")  # fmt: skip
        again = split_sentences(list(sentences), labels, share, seed)
        expect_equal([sorted(np.asarray(p).tolist()) for p in again], [sorted(train), sorted(held)],
                     f"{given}, called twice", "take every random number from the seed")  # fmt: skip
    one, two = (
        sorted(np.asarray(split_sentences(list(sentences), labels, 0.2, s)[1]).tolist()) for s in (0, 1)
    )
    if one == two:
        raise Wrong("another split", "the same one", "seeds 0 and 1", "the seed must decide")
    first = sorted(names.index(name) for name in {names[i] for i in one})
    if first[-1] < 120 or first[0] > 240:
        raise Wrong(
            "sentences from everywhere",
            f"indices {first[0]} to {first[-1]}",
            "held out, seed 0",
            "shuffle first",
        )


def check_tfidf(tfidf):
    train = [["a", "good", "film"], ["A", "bad", "film"], ["good", "good", "fun"]]
    other = [["a", "dull", "film"], ["never", "seen"], [], ["fun", "good", "fun"]]
    random = np.random.default_rng(1)
    words = [f"w{i}" for i in range(12)]
    larger = [[words[i] for i in random.integers(0, 9, random.integers(1, 8))] for _ in range(15)]
    test = [[words[i] for i in random.integers(0, 12, random.integers(1, 8))] for _ in range(6)]
    for name, one, two in (("three and four sentences", train, other), ("15 and 6 sentences", larger, test)):
        given = f"{name}: {one[:3]}..., {two[:3]}..."
        copies = [list(row) for row in one], [list(row) for row in two]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                got = tfidf(*copies)
            except RuntimeWarning as warning:
                raise Wrong(
                    "no division by zero", str(warning), given, "a row without known words stays zero"
                ) from None
        if not isinstance(got, (tuple, list)) or len(got) != 2:
            raise Wrong("two arrays", got, given)
        columns = sorted({word for row in one for word in row})
        for part, sentences, what in zip(got, (one, two), ("train", "other"), strict=True):
            expected = np.zeros((len(sentences), len(columns)))
            for i, row in enumerate(sentences):
                for j, word in enumerate(columns):
                    have = sum(word in line for line in one)
                    expected[i, j] = row.count(word) * (math.log((1 + len(one)) / (1 + have)) + 1)
                size = math.sqrt(sum(value * value for value in expected[i]))
                expected[i] = expected[i] / size if size else 0.0
            hint = "columns and idf from train alone; d counts sentences, not occurrences; rows have length 1"
            expect_close(part, expected, f"{what} of {given}", hint, 1e-6)
        if copies != (one, two):
            raise Wrong("arguments left as they were", "changed lists", given, "work on copies")


def check_reverse_padded(reverse_padded):
    cases = (
        ([[5, 6, 7, 0]], [3], [[7, 6, 5, 0]], "only the real part: padding stays at the end"),
        ([[5, 6, 7, 8]], [4], [[8, 7, 6, 5]], ""),
        ([[5, 0, 0], [6, 7, 0], [8, 9, 4]], [1, 2, 3], [[5, 0, 0], [7, 6, 0], [4, 9, 8]], "each row by itself"),
        ([[5, 0, 7, 0, 0]], [3], [[7, 0, 5, 0, 0]], "the lengths decide, not zeros: a 0 may be a real id"),
        ([[5, 6, 9, 9]], [2], [[6, 5, 9, 9]], "what lies behind the length is untouched, whatever it is"),
        ([[3, 4]], [0], [[3, 4]], "a row of length 0: row[:-1 - 0] tricks go wrong here"),
    )  # fmt: skip
    for ids, lengths, expected, hint in cases:
        given = f"reverse_padded({ids}, {lengths})"
        array, sizes = np.array(ids), np.array(lengths)
        with expect_unchanged(given, ids=array, lengths=sizes):
            got = reverse_padded(array, sizes)
        expect_equal(np.asarray(got).tolist(), expected, given, hint)
    random = np.random.default_rng(2)
    ids, lengths = random.integers(1, 99, (7, 9)), random.integers(0, 10, 7)
    expected = [row[:n][::-1] + row[n:] for row, n in zip(ids.tolist(), lengths.tolist(), strict=True)]
    expect_equal(
        np.asarray(reverse_padded(ids, lengths)).tolist(), expected, f"random ids, lengths {lengths.tolist()}"
    )


def _quietly(call, *arguments):
    """Call without warnings: infinities on the way to a right answer are allowed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call(*arguments)


def check_attend(attend):
    random = np.random.default_rng(3)
    got = _quietly(attend, np.array([[-1000.0, -1000.0, 3.0]]), np.ones((1, 3, 2)), np.array([2]))
    given = "scores [[-1000, -1000, 3]], lengths [2]"
    hint = "a number as low as a real score does not shut padding out; minus infinity does"
    expect_close(got[1], [[0.5, 0.5, 0.0]], f"weights for {given}", hint, 1e-6)
    for batch, time, width, size in ((1, 1, 2, 1.0), (3, 5, 4, 1.0), (4, 6, 3, 1000.0), (2, 7, 1, 30.0)):
        scores, states = random.normal(size=(batch, time)) * size, random.normal(size=(batch, time, width))
        lengths = np.array([time, *random.integers(1, time + 1, batch - 1)])
        for behind in (0.0, 50.0, np.nan):
            padded = states.copy()
            real = np.arange(time) < lengths[:, None]
            padded[~real] = behind
            # large scores in the padding: a mask that comes after the softmax lets them in
            spoilt = np.where(real, scores, np.abs(scores).max() + 5)
            given = f"scores up to {size:g} of shape {scores.shape}, lengths {lengths.tolist()}"
            given += f", {behind} in states behind the ends"
            with expect_unchanged(given, scores=spoilt, states=padded, lengths=lengths):
                got = _quietly(attend, spoilt, padded, lengths)
            if not isinstance(got, (tuple, list)) or len(got) != 2:
                raise Wrong("context and weights", got, given)
            weights, context = np.zeros((batch, time)), np.zeros((batch, width))
            for i, n in enumerate(lengths):
                parts = [math.exp(value - max(scores[i, :n])) for value in scores[i, :n]]
                weights[i, :n] = np.array(parts) / sum(parts)
                context[i] = sum(weights[i, t] * states[i, t] for t in range(n))
            hint = "padding gets weight 0 and the real weights sum to 1: mask the scores before the softmax"
            if size > 100:
                hint = "exp(1000) is infinite: subtract each row's largest real score first"
            expect_close(got[1], weights, f"weights for {given}", hint, 1e-6)
            hint = (
                "0 times nan is nan: leave padding out of the sum"
                if np.isnan(behind)
                else "sum of weight times state"
            )
            expect_close(got[0], context, f"context for {given}", hint, 1e-6)


def check_word_effects(word_effects):
    values = {"fine": 2.0, "good": 1.5, "dull": -1.0, "not": -0.5, "a": 0.0}

    def classify(words):
        """A made-up classifier: words have values, `not` turns the rest round, and long sentences count less."""
        total = 0.25
        for i, word in enumerate(words):
            total += values.get(word, 0.125) * (-1 if "not" in words[:i] else 1)
        return total / (1 + 0.1 * len(words))

    for words in (
        ["a", "fine", "film"],
        ["not", "a", "fine", "film"],
        ["good", "good", "dull"],
        ["film", "not", "good", "film"],
        ["dull"],
        [],
    ):
        given = f"words {words}"
        handed = list(words)
        got = word_effects(classify, handed)
        expected = [classify(words) - classify(words[:i] + words[i + 1 :]) for i in range(len(words))]
        if handed != words:
            raise Wrong(
                words, handed, given, "give the classifier a new list: the sentence belongs to the caller"
            )
        hint = "whole minus rest; leave out one *place* (a word may occur twice), with no <unk> instead"
        expect_close(np.asarray(got, float), np.array(expected), given, hint, 1e-9)


def check_compare(compare):
    def exact(labels, first, second):
        one = sum(a == y != b for y, a, b in zip(labels, first, second, strict=True))
        two = sum(b == y != a for y, a, b in zip(labels, first, second, strict=True))
        n = one + two
        tail = sum(math.comb(n, i) for i in range(min(one, two) + 1))
        p = min(Fraction(1), 2 * Fraction(tail, 2**n))
        right = [
            sum(y == z for y, z in zip(labels, said, strict=True)) / len(labels) for said in (first, second)
        ]
        return *right, float(p)

    random = np.random.default_rng(4)
    cases = [
        ("both always right", [1, 0, 1], [1, 0, 1], [1, 0, 1]),
        ("one difference", [1, 0, 1], [1, 0, 0], [1, 0, 1]),
        ("the second wins 5 to 0", [1] * 5 + [0] * 3, [0] * 5 + [0] * 3, [1] * 5 + [0] * 3),
        ("the first wins 5 to 0", [1] * 5 + [0] * 3, [1] * 5 + [0] * 3, [0] * 5 + [0] * 3),
        ("3 to 3", [1] * 6, [1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]),
        ("both wrong together", [1] * 4, [0] * 4, [0] * 4),
    ]
    for size, better in ((60, 0.8), (872, 0.83), (9000, 0.55)):
        labels = random.integers(0, 2, size)
        said = [
            np.where(random.random(size) < share, labels, 1 - labels)
            for share in (0.5 if size > 5000 else 0.78, better)
        ]
        cases.append((f"{size} sentences", labels.tolist(), said[0].tolist(), said[1].tolist()))
    for what, labels, first, second in cases:
        given = f"{what}: labels {labels[:8]}, first {first[:8]}, second {second[:8]}"
        arrays = [np.array(part) for part in (labels, first, second)]
        try:
            got = compare(*arrays)
        except OverflowError as error:
            hint = "2.0^n overflows for large n: Python's whole numbers do not, nor do logarithms"
            raise Wrong("a p-value", f"OverflowError: {error}", given, hint) from None
        if not isinstance(got, (tuple, list, np.ndarray)) or len(got) != 3:
            raise Wrong("three numbers", got, given)
        expected = exact(labels, first, second)
        expect_close(got[0], expected[0], f"accuracy of the first, {given}", "share of right answers", 1e-9)
        expect_close(got[1], expected[1], f"accuracy of the second, {given}", "share of right answers", 1e-9)
        hint = "only sentences where one is right and the other wrong count; both tails; never above 1"
        expect_close(got[2], expected[2], f"p-value, {given}", hint, 1e-6)


TASKS = (
    Task("split_sentences", "Hold out sentences without letting repetitions through", check_split_sentences),
    Task("tfidf", "The baseline's features, learnt from the training part alone", check_tfidf),
    Task("reverse_padded", "Turn padded sentences round", check_reverse_padded),
    Task("attend", "Attention that never looks at padding", check_attend),
    Task("word_effects", "How much each word matters", check_word_effects),
    Task("compare", "Better, or just luckier?", check_compare),
)
