"""What the autograder asks of week 5's assignments."""

from __future__ import annotations

from functools import partial

import numpy as np

from pycap.course.grading import Task, Wrong, expect_equal, expect_error, expect_unchanged
from pycap.course.grading import expect_close as expect_exact

expect_close = partial(expect_exact, tolerance=2e-5)  # an answer may be computed in float32


def check_masked_softmax(masked_softmax):
    expect_close(
        masked_softmax(np.array([[0.0, 0.0, 7.0]]), np.array([[True, True, False]])),
        [[0.5, 0.5, 0.0]],
        "masked_softmax([[0, 0, 7]], [[True, True, False]])",
        "the largest score is masked: it must neither get weight nor count in the sum",
    )
    random = np.random.default_rng(1)
    for rows, places in ((1, 1), (3, 5), (5, 3), (4, 4)):
        scores = random.normal(size=(rows, places)) * 3
        mask = random.random((rows, places)) < 0.6
        mask[:, 0] = True
        raised = np.array(
            [
                [np.exp(s) if m else 0.0 for s, m in zip(*pair, strict=True)]
                for pair in zip(scores, mask, strict=True)
            ]
        )
        expected = raised / raised.sum(1, keepdims=True)
        given = f"random scores and mask of shape {(rows, places)}"
        with expect_unchanged(given, scores=scores, mask=mask):
            got = masked_softmax(scores, mask)
        expect_close(got, expected, given, "normalise each row over its allowed places")
    for scores, mask, expected in (
        (
            [[1e5, 1e5 - 1, 0.0]],
            [[True, True, True]],
            [[1 / (1 + np.exp(-1)), 1 - 1 / (1 + np.exp(-1)), 0.0]],
        ),
        ([[-1e5, 1e5]], [[True, False]], [[1.0, 0.0]]),
        ([[-1e5, -1e5, 3.0]], [[True, True, False]], [[0.5, 0.5, 0.0]]),
    ):
        expect_close(
            masked_softmax(np.array(scores), np.array(mask)),
            expected,
            f"scores {scores}, mask {mask}",
            "exp(1e5) overflows: subtract a row's largest score first, but the largest of the allowed ones; and a "
            "masked place is not a low score but none at all",
        )
    expect_close(
        masked_softmax(np.array([[1e5, 1e5], [-1e5, -1e5]]), np.ones((2, 2), dtype=bool)),
        np.full((2, 2), 0.5),
        "scores [[1e5, 1e5], [-1e5, -1e5]], all allowed",
        "each row has a largest score of its own",
    )


def _additive_case(random, batch, regions, feature_dim, attention_dim):
    features = random.normal(size=(batch, regions, feature_dim))
    keys = random.normal(size=(batch, regions, attention_dim))
    query, score = random.normal(size=(batch, attention_dim)), random.normal(size=attention_dim) * 2
    mask = random.random((batch, regions)) < 0.7
    mask[:, -1] = True
    return features, keys, query, score, mask


def check_attend_additive(attend_additive):
    random = np.random.default_rng(2)
    for sizes in ((1, 1, 1, 1), (2, 4, 3, 5), (3, 3, 3, 3), (1, 7, 2, 6), (5, 2, 4, 2)):
        features, keys, query, score, mask = case = _additive_case(random, *sizes)
        weights = np.zeros(mask.shape)
        for b in range(len(features)):
            for r in np.flatnonzero(mask[b]):
                weights[b, r] = np.exp(sum(score * np.tanh(keys[b, r] + query[b])))
            weights[b] /= weights[b].sum()
        context = np.array(
            [sum(w * f for w, f in zip(*row, strict=True)) for row in zip(weights, features, strict=True)]
        )
        given = "batch, regions, feature_dim, attention_dim = {}, {}, {}, {}".format(*sizes)
        with expect_unchanged(given, features=features, keys=keys, query=query, score=score, mask=mask):
            got = attend_additive(*case)
        if not isinstance(got, (tuple, list)) or len(got) != 2:
            raise Wrong("two arrays: context and weights", got, given, "return context first, then weights")
        expect_close(
            got[1], weights, f"{given}: weights",
            "the query is added to every region's key before tanh; softmax runs over allowed regions of one row",
        )  # fmt: skip
        expect_close(got[0], context, f"{given}: context", "the context averages features, not keys")
    features, keys = np.eye(3)[None], np.array([[[-1.0], [-0.5], [1.0]]])
    expect_close(
        attend_additive(features, keys, np.zeros((1, 1)), np.array([1e5]), np.array([[True, True, False]])),
        ([[0.0, 1.0, 0.0]], [[0.0, 1.0, 0.0]]),
        "features = identity, keys -1, -0.5, 1, query 0, score 1e5, the last region masked",
        "energies may be large, those of masked regions too: they must neither overflow nor win",
    )


def _attend(query, key, value, causal):
    weights = np.zeros((len(query), len(key)))
    for i in range(len(query)):
        for j in range(i + 1 if causal else len(key)):
            weights[i, j] = np.exp(sum(query[i] * key[j]) / len(query[i]) ** 0.5)
        weights[i] /= weights[i].sum()
    return weights @ value, weights


def check_attend_dot_product(attend_dot_product):
    random = np.random.default_rng(3)
    for queries, places, head_dim, value_dim in ((1, 1, 1, 1), (2, 5, 3, 4), (5, 2, 8, 3), (4, 4, 4, 4)):
        query, key = random.normal(size=(queries, head_dim)), random.normal(size=(places, head_dim))
        value = random.normal(size=(places, value_dim))
        given = f"query {query.shape}, key {key.shape}, value {value.shape}"
        with expect_unchanged(given, query=query, key=key, value=value):
            got = attend_dot_product(query, key, value)
        hint = (
            "divide by the square root of head_dim, and normalise over places: each query's weights sum to 1"
        )
        expect_close(got, _attend(query, key, value, False), given, hint)
    for size in (1, 3, 6):
        query, key, value = random.normal(size=(3, size, 4))
        given = f"causal=True with {size} places"
        with expect_unchanged(given, query=query, key=key, value=value):
            got = attend_dot_product(query, key, value, causal=True)
        expect_close(
            got,
            _attend(query, key, value, True),
            given,
            "query i sees places 0 to i, itself included; what it may not see gets no weight and is not in the sum",
        )
    large = 300.0 * np.eye(3)
    expect_close(
        attend_dot_product(large, large, np.eye(3)),
        (np.eye(3), np.eye(3)),
        "query = key = 300 * identity, value = identity",
        "scores of 50,000: subtract each row's largest before exp",
    )
    expect_close(
        attend_dot_product(np.full((2, 1), 300.0), np.array([[-300.0], [300.0]]), np.eye(2), causal=True),
        (np.eye(2), np.eye(2)),
        "causal=True, query [[300], [300]], key [[-300], [300]], value = identity",
        "the place that the first query may not see has by far the largest score: it must not matter",
    )


def check_attention_gradient(attention_gradient):
    random = np.random.default_rng(4)
    for queries, places, head_dim, value_dim in ((1, 2, 1, 1), (2, 5, 3, 4), (5, 3, 4, 2), (3, 3, 3, 3)):
        parts = [
            random.normal(size=(queries, head_dim)),
            random.normal(size=(places, head_dim)),
            random.normal(size=(places, value_dim)),
        ]
        grad = random.normal(size=(queries, value_dim))
        given = f"query {parts[0].shape}, key {parts[1].shape}, value {parts[2].shape}"
        with expect_unchanged(given, query=parts[0], key=parts[1], value=parts[2], grad_averages=grad):
            got = attention_gradient(*parts, grad)
        if not isinstance(got, (tuple, list)) or len(got) != 3:
            raise Wrong("three gradients: query, key, value", got, given)
        for name, part, mine in zip(("query", "key", "value"), parts, got, strict=True):
            expect_close(
                mine,
                _slopes(part, lambda: (_attend(*parts, False)[0] * grad).sum()),  # noqa: B023
                f"{given}: gradient of {name}, against numerical slopes",
                "go backward line by line: averages -> weights and value, weights -> scores by the softmax rule row "
                "by row, scores -> query and key; the square root is there on the way back too",
                tolerance=1e-4,
            )
    large, grad = 300.0 * np.eye(3), np.arange(9.0).reshape(3, 3)
    expect_close(
        attention_gradient(large, large, np.eye(3), grad),
        (np.zeros((3, 3)), np.zeros((3, 3)), grad),
        "query = key = 300 * identity, value = identity, grad_averages [[0, 1, 2], [3, 4, 5], [6, 7, 8]]",
        "scores of 50,000: subtract each row's largest before exp; a weight that is exactly 0 or 1 does not move",
    )


def _slopes(array, loss):
    """Return the slope of a loss along every number of an array, by central differences."""
    slopes = np.zeros(array.shape)
    for place in np.ndindex(array.shape):
        kept = array[place]
        array[place] = kept + 1e-5
        above = loss()
        array[place] = kept - 1e-5
        slopes[place] = (above - loss()) / 2e-5
        array[place] = kept
    return slopes


def check_attend_multi_head(attend_multi_head):
    random = np.random.default_rng(5)
    for regions, width, heads in ((1, 2, 1), (3, 4, 2), (5, 6, 3), (4, 6, 1), (2, 12, 4), (4, 4, 4)):
        features, project = random.normal(size=(regions, width)), random.normal(size=(width, 3 * width))
        merge = random.normal(size=(width, width))
        size, made = width // heads, features @ project
        averages, weights = zip(
            *(
                _attend(
                    *(
                        made[:, third * width + h * size : third * width + (h + 1) * size]
                        for third in range(3)
                    ),
                    False,
                )
                for h in range(heads)
            ),
            strict=True,
        )
        given = f"{regions} regions, feature_dim {width}, {heads} heads"
        with expect_unchanged(given, features=features, project=project, merge=merge):
            got = attend_multi_head(features, project, merge, heads)
        if not isinstance(got, (tuple, list)) or len(got) != 2:
            raise Wrong("two arrays: features and weights", got, given)
        expect_close(
            got[1], np.stack(weights), f"{given}: weights",
            "a plain reshape to (heads, regions, head_dim) mixes regions: cut columns first, then move axes; and the "
            "square root is of head_dim, not of feature_dim",
        )  # fmt: skip
        expect_close(
            got[0], np.hstack(averages) @ merge, f"{given}: new features",
            "put the heads' averages side by side for every region, head 0 first, then multiply by merge",
        )  # fmt: skip
    same = np.eye(2)
    expect_close(
        attend_multi_head(300.0 * same, np.hstack([same, same, same]), same, 1),
        (300.0 * same, same[None]),
        "features 300 * identity, project three identities side by side, merge = identity, 1 head",
        "scores of 60,000: subtract each row's largest before exp",
    )
    expect_error(
        lambda: attend_multi_head(np.ones((2, 6)), np.ones((6, 18)), np.ones((6, 6)), 4),
        ValueError,
        "feature_dim 6 with 4 heads",
        "6 columns cannot be cut into 4 equal blocks",
    )


def _stepper(table, calls, given):
    """Return a `step` whose scores are the rows of a table, one after the other, and which notes what it was given."""

    def step(token, state):
        if not isinstance(state, int) or not 0 <= state <= len(table):
            hint = "step returns scores first, then the state that belongs into the next step"
            raise Wrong("a state that step has returned", state, f"{given}: state that step was given", hint)
        if np.ndim(token) or not np.issubdtype(np.asarray(token).dtype, np.integer):
            raise Wrong("a token number", token, f"{given}: token that step was given")
        calls.append((int(token), state))
        if state == len(table):
            hint = "stop at the limit, and as soon as end is chosen"
            raise Wrong(f"at most {len(table)} calls of step", "one more", given, hint)
        return np.array(table[state], dtype=float), state + 1

    return step


def check_translate_greedily(translate_greedily):
    ties = [[0, 0.1, 0.2, 5, 1], [9, 0, 0, 0, 0], [0, 0, 7, 7, 1], [0, 1, 9, 0, 0], [0, 0, 0, 0, 1]]
    close = np.random.default_rng(6).normal(size=(12, 4)).round(2)
    close[:, 0] -= 9
    best = close.argmax(axis=1).tolist()
    stop = (
        "stop at end or at the limit; neither the first start nor end belongs to what is written; lowest number "
        "on ties"
    )
    likeliest = (
        "always the token with the highest score, be it the one that was just read, or start once more"
    )
    for table, start, end, limit, expected, hint in (
        (ties, 1, 4, 3, [3, 0, 2], stop),
        (ties, 1, 2, 9, [3, 0], stop),
        (ties, 1, 3, 9, [], stop),
        (ties, 1, 4, 1, [3], stop),
        (ties, 1, 4, 5, [3, 0, 2, 2], stop),
        (ties, 2, 2, 9, [3, 0], "start and end are one number here: reading start is no reason to stop"),
        ([[-5.0, -3.0, -9.0], [-1.0, -7.0, -7.0]], 2, 0, 4, [1], "scores may all be below 0"),
        (close.tolist(), best[2], 0, 12, best, likeliest),
    ):
        given = f"start={start}, end={end}, limit={limit}, scores of the steps {table}"
        calls = []
        got = translate_greedily(_stepper(table, calls, given), 0, start, end, limit)
        expect_equal(got, expected, given, hint)
        if len(got) and np.asarray(got).dtype.kind not in "iu":
            raise Wrong("ints", got, given, "a token is a whole number, not a float or a truth value")
        reads = [start, *expected][: min(limit, len(expected) + 1)]
        expect_equal(
            [token for token, _ in calls], reads, f"{given}: tokens that step was given",
            "read start first, then always the token that was just written, and do not step once more at the end",
        )  # fmt: skip
        expect_equal(
            [state for _, state in calls], list(range(len(reads))), f"{given}: states that step was given",
            "hand the state that step returned to the next step",
        )  # fmt: skip


TASKS = (
    Task("masked_softmax", "Weights that are zero where nothing may be looked at", check_masked_softmax),
    Task("attend_additive", "Additive attention, as the captioner's decoder has it", check_attend_additive),
    Task("attend_dot_product", "Scaled dot-product attention, with a causal mask", check_attend_dot_product),
    Task("attention_gradient", "The way back through attention", check_attention_gradient),
    Task("attend_multi_head", "Several heads over regions, as the encoder has them", check_attend_multi_head),
    Task("translate_greedily", "Writing a sequence token by token", check_translate_greedily),
)
