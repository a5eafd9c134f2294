"""Attention by hand: additive and dot-product, forward and backward, in NumPy.

The same arithmetic as `pycap.nn.attention`, which leaves the way back to autograd; the tests compare the two. A mask
is true where a place may be looked at.
"""

from __future__ import annotations

import math

import numpy as np


def softmax(scores: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """Turn scores `(..., places)` into weights that sum to 1 over the places that the mask allows."""
    if mask is not None:
        scores = np.where(mask, scores, -np.inf)
    raised = np.exp(scores - scores.max(axis=-1, keepdims=True))  # the largest becomes exp(0): no overflow
    return raised / raised.sum(axis=-1, keepdims=True)


def softmax_backward(grad_weights: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the gradient of the scores: a weight that grows takes from all others of its row.

    Places that were masked have weight 0, and so their scores get no gradient.
    """
    return weights * (grad_weights - (weights * grad_weights).sum(axis=-1, keepdims=True))


def attend_dot_product(
    query: np.ndarray, key: np.ndarray, value: np.ndarray, mask: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Average values by how well keys match queries (Vaswani et al. 2017, eq. 1).

    Args:
        query: `(..., queries, head_dim)`.
        key: `(..., places, head_dim)`.
        value: `(..., places, value_dim)`.
        mask: `(..., queries, places)`.

    Returns:
        averages `(..., queries, value_dim)` and weights `(..., queries, places)`.
    """
    weights = softmax(query @ key.swapaxes(-1, -2) / math.sqrt(query.shape[-1]), mask)
    return weights @ value, weights


def attend_dot_product_backward(
    grad_averages: np.ndarray, query: np.ndarray, key: np.ndarray, value: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the gradients of query, key and value.

    Args:
        grad_averages: of the loss with respect to the averages, `(..., queries, value_dim)`.
        query, key, value: as given to `attend_dot_product`.
        weights: as it returned them.
    """
    grad_scores = softmax_backward(grad_averages @ value.swapaxes(-1, -2), weights) / math.sqrt(
        query.shape[-1]
    )
    return grad_scores @ key, grad_scores.swapaxes(-1, -2) @ query, weights.swapaxes(-1, -2) @ grad_averages


def attend_additive(
    features: np.ndarray,
    keys: np.ndarray,
    query: np.ndarray,
    score: np.ndarray,
    mask: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Average features by their relevance to a query (Bahdanau et al. 2015; Xu et al. 2015, eq. 4-6 and 13).

    Args:
        features: `(batch, regions, feature_dim)`.
        keys: the same projected, `(batch, regions, attention_dim)`.
        query: the state that looks, projected, `(batch, attention_dim)`.
        score: `(attention_dim,)`.
        mask: `(batch, regions)`.

    Returns:
        context `(batch, feature_dim)` and weights `(batch, regions)`.
    """
    weights = softmax(np.tanh(keys + query[:, None]) @ score, mask)
    return (weights[:, None] @ features)[:, 0], weights


def attend_additive_backward(
    grad_context: np.ndarray,
    features: np.ndarray,
    keys: np.ndarray,
    query: np.ndarray,
    score: np.ndarray,
    weights: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the gradients of features, keys, query and score.

    `tanh(keys + query)`, the largest array of the computation, is made again instead of kept; the captioner's
    compiled op does the same.

    Args:
        grad_context: of the loss with respect to the context, `(batch, feature_dim)`.
        features, keys, query, score: as given to `attend_additive`.
        weights: as it returned them.
    """
    grad_weights = (features @ grad_context[:, :, None])[:, :, 0]  # (batch, regions)
    grad_energy = softmax_backward(grad_weights, weights)
    matched = np.tanh(keys + query[:, None])  # (batch, regions, attention_dim)
    grad_keys = grad_energy[:, :, None] * score * (1 - matched**2)
    grad_score = (grad_energy[:, :, None] * matched).sum(axis=(0, 1))
    return weights[:, :, None] * grad_context[:, None], grad_keys, grad_keys.sum(axis=1), grad_score
