"""Week 5: attention.

Write the body of each function below; NumPy is all you need. Then run

    pycap course check 5 .

All arrays are float64. No function may change its arguments. In every task scores and energies may be as large as
+-1e5 and must not overflow.
"""

from __future__ import annotations

import numpy as np  # noqa: F401 (for your answers)


def masked_softmax(scores, mask):
    """Turn scores into weights that are zero where nothing may be looked at.

    For each row, weights[i] = exp(scores[i]) / (sum of exp(scores[j]) over all allowed j) where the mask is true,
    and exactly 0 where it is false. Scores may be as large as +-1e5, masked ones too, and must not overflow. Every
    row has at least one true place.

    Args:
        scores: `(rows, places)`.
        mask: booleans, `(rows, places)`.

    Returns:
        `(rows, places)`, each row summing to 1.

    Example:
        masked_softmax([[0, 0, 7]], [[True, True, False]]) -> [[0.5, 0.5, 0.0]]
    """
    raise NotImplementedError("masked_softmax: your turn")


def attend_additive(features, keys, query, score, mask):
    """Average features by additive attention (Bahdanau et al. 2015; the captioner's decoder).

    energy[b, r] = score . tanh(keys[b, r] + query[b]);  weights = softmax of a row's energies over its allowed
    regions;  context[b] = sum over r of weights[b, r] * features[b, r].

    Args:
        features: `(batch, regions, feature_dim)`.
        keys: `(batch, regions, attention_dim)`; already projected, as the query is.
        query: `(batch, attention_dim)`.
        score: `(attention_dim,)`.
        mask: booleans, `(batch, regions)`; at least one is true in a row.

    Returns:
        context `(batch, feature_dim)` and weights `(batch, regions)`.
    """
    raise NotImplementedError("attend_additive: your turn")


def attend_dot_product(query, key, value, causal=False):
    """Average values by scaled dot-product attention (Vaswani et al. 2017, eq. 1).

    scores = query key^T / sqrt(head_dim); weights = softmax of every row; averages = weights value. With `causal`,
    query number i may look at places 0 to i only.

    Args:
        query: `(queries, head_dim)`.
        key: `(places, head_dim)`.
        value: `(places, value_dim)`; value_dim may differ from head_dim.
        causal: see above; then there are as many places as queries.

    Returns:
        averages `(queries, value_dim)` and weights `(queries, places)`.
    """
    raise NotImplementedError("attend_dot_product: your turn")


def attention_gradient(query, key, value, grad_averages):
    """Carry a gradient backward through scaled dot-product attention (without a mask).

    Forward: scores = query key^T / sqrt(head_dim); weights = softmax of every row; averages = weights value.
    You are given how a loss changes with `averages`; return how it changes with the three inputs.
    A softmax row w with gradient g passes back w * (g - sum(w * g)).

    Args:
        query: `(queries, head_dim)`.
        key: `(places, head_dim)`.
        value: `(places, value_dim)`.
        grad_averages: `(queries, value_dim)`.

    Returns:
        gradients of query, key and value, each of its argument's shape.
    """
    raise NotImplementedError("attention_gradient: your turn")


def attend_multi_head(features, project, merge, heads):
    """Let regions look at each other with several heads (Vaswani et al. 2017, section 3.2.2).

    1. `features @ project` gives every region its query, key and value side by side: the first third of the columns
       are queries, the second keys, the last values.
    2. Each third is cut into `heads` equal blocks of neighbouring columns: head h has columns
       h * head_dim to (h + 1) * head_dim, with head_dim = feature_dim / heads.
    3. Every head runs scaled dot-product attention by itself, with its own head_dim in the square root.
    4. The heads' averages are put side by side in order, and multiplied by `merge`.

    Args:
        features: `(regions, feature_dim)`.
        project: `(feature_dim, 3 * feature_dim)`.
        merge: `(feature_dim, feature_dim)`.
        heads: divides feature_dim; if it does not, raise ValueError.

    Returns:
        new features `(regions, feature_dim)` and weights `(heads, regions, regions)`.
    """
    raise NotImplementedError("attend_multi_head: your turn")


def translate_greedily(step, state, start, end, limit):
    """Write a sequence token by token, always the likeliest one next.

    Begin by reading `start`. `step(token, state)` reads one token and returns `(scores, state)`: a score for every
    token as a 1-D array, and the state for the next step. Take the token with the highest score (the lowest number
    on ties), read that one, and so on, until it is `end` or until `limit` tokens are written. If `start` is
    chosen later, it is written like any other token.

    Args:
        step: see above.
        state: before the first step.
        start, end: token numbers, which may be equal.
        limit: tokens at most, at least 1. Do not call `step` more often than needed.

    Returns:
        a list of ints: what was written, without the `start` that was given and without `end`.
    """
    raise NotImplementedError("translate_greedily: your turn")
