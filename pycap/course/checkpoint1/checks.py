"""What checkpoint 1's autograder calls. Oracles: cases counted by hand, scikit-learn, properties."""

from __future__ import annotations

import random

import numpy as np

from pycap.course.grading import Task, Wrong, expect_close, expect_equal, expect_error, expect_unchanged
from pycap.course.grading.expectations import show

ENOUGH = 0.94  # of unseen digits; a linear classifier gets 0.95, the nearest class mean 0.89


def check_split_rows(split_rows) -> None:
    rng = np.random.default_rng(0)
    cases = [
        ("labels [0, 0, 0, 0, 1, 1, 1, 1], held_out 0.25", np.repeat([0, 1], 4), 0.25),
        ("200 labels sorted by class, held_out 0.2", np.repeat(np.arange(4), 50), 0.2),
        ("130 labels of three classes of 100, 20 and 10, shuffled, held_out 0.3", None, 0.3),
        ("classes of 13, 7 and 1 rows, held_out 0.3", np.repeat([0, 1, 2], [13, 7, 1]), 0.3),
        ("labels 3 and 7 only, 30 of each, held_out 0.1", np.tile([7, 3], 30), 0.1),
    ]
    for given, labels, held_out in cases:
        labels = rng.permutation(np.repeat([0, 1, 2], [100, 20, 10])) if labels is None else labels
        with expect_unchanged(given, labels=labels):
            learn, choose = _rows(split_rows(labels, held_out, 1), given)
        both = sorted(set(learn) & set(choose))
        if both:
            raise Wrong(
                "no row in both parts", f"{len(both)} rows in both, such as {both[0]}", given, "what leaks?"
            )
        hint = "every row number from 0 on belongs into exactly one part, once"
        expect_equal(sorted(learn + choose), list(range(len(labels))), f"{given}: all rows together", hint)
        for label in np.unique(labels):
            count = int((labels == label).sum())
            got = int((labels[np.array(choose, int)] == label).sum())
            hint = "draw from each class by itself, round(held_out * n) rows of its n"
            expect_equal(got, round(held_out * count), f"{given}: held-out rows of class {label}", hint)
    given = "200 labels, the same seed twice"
    labels = np.repeat(np.arange(4), 50)
    shared = _shared_generators()
    first, again, other = (_rows(split_rows(labels, 0.2, seed), given) for seed in (1, 1, 2))
    if shared != _shared_generators():
        raise Wrong(
            "a generator of your own",
            "the generator that all code shares, seeded or used",
            given,
            "np.random.seed changes what everybody else draws; make a generator from the seed",
        )
    np.random.seed(5)  # noqa: NPY002 - an answer that leans on the global generator shows here
    shaken = _rows(split_rows(labels, 0.2, 1), given)
    if sorted(first[1]) != sorted(again[1]) or sorted(first[1]) != sorted(shaken[1]):
        raise Wrong("the same rows twice", "other rows", given, "make a generator from the seed in each call")
    if sorted(first[1]) == sorted(other[1]):
        raise Wrong(
            "other rows", "the same rows", "200 labels, seeds 1 and 2", "the rows are to be drawn at random"
        )
    gaps = {b - a for a, b in zip(sorted(first[1]), sorted(first[1])[1:], strict=False) if a // 50 == b // 50}
    if len(gaps) < 4:
        raise Wrong(
            "rows drawn at random",
            f"held-out rows of a class lie {' or '.join(map(str, sorted(gaps)))} apart",
            "200 labels sorted by class, seed 1",
            "a stretch of neighbours, or every n-th row, is no random draw, wherever it starts",
        )
    ends = [row % 50 for row in first[1]]
    if len(set(ends)) < 15:
        hint = "each class draws its own rows"
        raise Wrong("rows drawn anew in each class", f"places {sorted(set(ends))} in each", given, hint)


def _shared_generators() -> tuple:
    """Return the state of the generators that NumPy and Python share between all code."""
    name, keys, *rest = np.random.get_state()  # noqa: NPY002
    return name, keys.tolist(), rest, random.getstate()


def _rows(answer, given: str) -> tuple[list[int], list[int]]:
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        raise Wrong(
            "two arrays of row numbers", answer, given, "return what to learn from, and what is held out"
        )
    parts = [np.asarray(part) for part in answer]
    for part in parts:
        if part.ndim != 1 or (part.size and part.dtype.kind not in "iu"):
            raise Wrong("row numbers, not labels or masks", part, given, "whole numbers in one dimension")
    return parts[0].tolist(), parts[1].tolist()


def check_scale_pixels(scale_pixels) -> None:
    given = "train [[0, 5], [2, 5]], other [[4, 6]]"
    hint = "each pixel by itself: less the training mean, over the training deviation (1 where that is 0)"
    train, other = np.array([[0.0, 5.0], [2.0, 5.0]]), np.array([[4.0, 6.0]])
    _expect_pair(scale_pixels(train, other), [[-1.0, 0.0], [1.0, 0.0]], [[3.0, 1.0]], given, hint, 1e-6)
    rng = np.random.default_rng(1)
    for rows, dtype in ((40, np.float64), (1, np.float64), (7, np.uint8)):
        train = rng.integers(0, 256, (30, 6)).astype(dtype)
        other = rng.integers(0, 256, (rows, 6)).astype(dtype)
        train[:, 2], train[:, 4] = 0, 9
        given = f"train (30, 6), other ({rows}, 6) of {np.dtype(dtype)}, two pixels without any deviation"
        with expect_unchanged(given, train=train, other=other):
            answer = scale_pixels(train, other)
        wide, apart = train.astype(float), other.astype(float)
        mean = wide.sum(axis=0) / 30
        spread = np.sqrt(((wide - mean) ** 2).sum(axis=0) / 30)
        spread = np.array([s if s > 1e-9 else 1.0 for s in spread])
        _expect_pair(answer, (wide - mean) / spread, (apart - mean) / spread, given, hint, 1e-4)
    train, other = np.array([[0.0, 7.0], [1e-3, 7.0]]), np.array([[2e-3, 7.0]])
    given = "train [[0, 7], [0.001, 7]], other [[0.002, 7]]"
    hint = "a small deviation is one; divide by 1 only where all training rows are the same"
    _expect_pair(scale_pixels(train, other), [[-1.0, 0.0], [1.0, 0.0]], [[3.0, 0.0]], given, hint, 1e-4)


def _expect_pair(answer, train, other, given: str, hint: str, tolerance: float) -> None:
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        raise Wrong("two arrays", answer, given, "return both parts, scaled")
    expect_close(answer[0], np.array(train), f"{given}: train", hint, tolerance)
    expect_close(
        answer[1], np.array(other), f"{given}: other", f"nothing may be taken from other; {hint}", tolerance
    )


def check_confusion_matrix(confusion_matrix) -> None:
    hint = "rows are what it is, columns what was said; every picture counts, also the same pair twice"
    cases = [
        ([0, 0, 1], [0, 1, 1], 2, [[1, 1], [0, 1]]),
        ([2, 2, 2, 0], [0, 0, 2, 0], 4, [[1, 0, 0, 0], [0, 0, 0, 0], [2, 0, 1, 0], [0, 0, 0, 0]]),
        ([1], [0], 2, [[0, 0], [1, 0]]),
        ([1] * 700, [1] * 700, 2, [[0, 0], [0, 700]]),
    ]
    for labels, answers, classes, expected in cases:
        given = f"labels {labels}, answers {answers}, classes {classes}"
        given = given if len(labels) < 9 else f"{len(labels)} pictures of class 1, all called 1, classes 2"
        got = confusion_matrix(np.array(labels, np.int64), np.array(answers, np.int64), classes)
        expect_close(got, np.array(expected), given, hint, 1e-9)
        if (kind := np.asarray(_plain(got)).dtype).kind not in "iu":
            raise Wrong(
                "integers", f"numbers of type {kind}", given, "counts are whole: which type holds them?"
            )
    rng = np.random.default_rng(2)
    labels, answers = rng.integers(5, size=300), rng.integers(4, size=300)
    expected = [[sum((labels == row) & (answers == column)) for column in range(6)] for row in range(6)]
    with expect_unchanged("300 random pairs", labels=labels, answers=answers):
        got = confusion_matrix(labels, answers, 6)
    expect_close(got, np.array(expected), "300 random pairs, classes 6 (class 5 never occurs)", hint, 1e-9)


def check_class_scores(class_scores) -> None:
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support

    rng = np.random.default_rng(3)
    lame = rng.integers(1, 9, (4, 4))
    lame[:, 1], lame[2] = 0, 0  # class 1 is never answered, class 2 never occurs
    nothing = np.array([[0, 0, 0], [0, 3, 0], [0, 0, 0]])
    cases = [
        ("[[1, 1], [0, 2]]", np.array([[1, 1], [0, 2]])),
        ("random counts (5, 5)", rng.integers(0, 50, (5, 5))),
        ("counts where class 1 is never answered and class 2 never occurs", lame),
        ("[[0, 0, 0], [0, 3, 0], [0, 0, 0]]", nothing),
        ("[[0, 4], [6, 0]]: everything wrong", np.array([[0, 4], [6, 0]])),
    ]
    for given, confusions in cases:
        with expect_unchanged(given, confusions=confusions), np.errstate(all="ignore"):
            answer = class_scores(confusions)
        if not isinstance(answer, (tuple, list)) or len(answer) != 4:
            raise Wrong("four parts: precision, recall, F1, accuracy", answer, given, "return all four")
        row, column = np.indices(confusions.shape)
        truth, said = (np.repeat(axis.ravel(), confusions.ravel()) for axis in (row, column))
        expected = precision_recall_fscore_support(
            truth, said, labels=range(len(confusions)), average=None, zero_division=0
        )
        hints = (
            "of all that were called the class: which sum is that, the row's or the column's?",
            "of all that are the class: which sum is that, the row's or the column's?",
            "the harmonic mean of the two, class by class; 0 where both are 0",
        )
        for name, got, right, hint in zip(
            ("precision", "recall", "F1"), answer, expected, hints, strict=False
        ):
            expect_close(got, right, f"{given}: {name}", hint)
        hint = "right answers over all pictures; not the mean of the recalls"
        expect_close(np.reshape(answer[3], ()), accuracy_score(truth, said), f"{given}: accuracy", hint)


def check_accuracy_interval(accuracy_interval) -> None:
    cases = {  # (right, count): low, high; from the roots of (p - x)^2 = z^2 x (1 - x) / n
        case: np.sort(
            np.roots(
                [1 + 1.96**2 / case[1], -2 * case[0] / case[1] - 1.96**2 / case[1], (case[0] / case[1]) ** 2]
            )
        )
        for case in ((9000, 10000), (1, 2), (10, 10), (0, 7), (1, 1), (17, 40))
    }
    hint = "p is right / count; every z**2 has its n below it"
    for (right, count), expected in cases.items():
        got = accuracy_interval(right, count)
        expect_close(got, np.array(expected.real), f"accuracy_interval({right}, {count})", hint, 1e-6)
    for right, count in ((0, 0), (-1, 5), (6, 5), (0, -3)):
        given = f"accuracy_interval({right}, {count})"
        expect_error(
            lambda right=right, count=count: accuracy_interval(right, count), ValueError, given, "see Args"
        )


def check_train_classifier(train_classifier) -> None:
    from sklearn.datasets import load_digits

    digits = load_digits()
    names = np.array([3, 8, 0, 6, 9, 1, 7, 4, 2, 5])  # a digit is called by another: what is learned counts
    images, labels = digits.images.astype(np.int64), names[digits.target]
    order = np.random.default_rng(4).permutation(len(labels))
    learn, unseen = order[:1297], order[1297:]
    given = "1,297 digits to learn from, 500 others to name"
    seen_images, seen_labels = images[learn], labels[learn]
    with expect_unchanged(given, images=seen_images, labels=seen_labels):
        answer = train_classifier(seen_images, seen_labels, 3)
        if not callable(answer):
            raise Wrong("a function of pictures", answer, given, "return the function, not its answers")
    asked = images[unseen]
    with expect_unchanged(given, pictures=asked):
        got = np.asarray(_plain(answer(asked)))
    if got.shape != (500,) or got.dtype.kind not in "iu":
        came = f"{show(got)} (numbers of type {got.dtype})"
        raise Wrong(
            "500 labels, integers (500,)", came, given, "the class with the largest score, not the scores"
        )
    accuracy = float((got == labels[unseen]).mean())
    if accuracy < ENOUGH:
        hint = (
            "does the loss fall? Are the pixels scaled the same way for learning and asking? Learn for longer"
        )
        raise Wrong(f"at least {ENOUGH:.0%} right", f"{accuracy:.1%} right", given, hint)
    mixed = np.concatenate([images[unseen[:30]], images[unseen[30:60]] // 8])  # the second half darker
    together = np.asarray(_plain(answer(mixed)))
    changed = 0
    for row, said in enumerate(together):
        alone = np.asarray(_plain(answer(mixed[row : row + 1])))
        if alone.shape != (1,):
            raise Wrong(
                "one label, shape (1,)", alone, "one picture asked, (1, 8, 8)", "any number of pictures"
            )
        changed += int(alone[0] != said)
    if changed > 1:  # a picture exactly between two classes may fall to either side by rounding
        hint = "what the function needs to know of pixels has to come from the training pictures; dropout off"
        given = "60 pictures, half of them darker, asked together and one at a time"
        raise Wrong("the same answers one by one", f"{changed} of 60 differ", given, hint)
    again = np.asarray(_plain(train_classifier(seen_images, seen_labels, 3)(images[unseen])))
    if (again != got).any():
        hint = "every random number has to come from the seed"
        raise Wrong(
            "the same answers", f"{int((again != got).sum())} differ", "trained twice with seed 3", hint
        )


def _plain(value):
    return value.detach().numpy() if hasattr(value, "detach") else np.asarray(value)


TASKS = (
    Task("split_rows", "Hold out the same share of every class", check_split_rows),
    Task("scale_pixels", "Scale by the training rows alone", check_scale_pixels),
    Task("confusion_matrix", "Count which class is taken for which", check_confusion_matrix),
    Task("class_scores", "Precision, recall, F1 and accuracy", check_class_scores),
    Task("accuracy_interval", "Say how sure an accuracy is", check_accuracy_interval),
    Task("train_classifier", "A classifier of your own", check_train_classifier),
)
