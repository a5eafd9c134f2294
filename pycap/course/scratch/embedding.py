"""Word embeddings by hand: skip-gram with negative sampling, forward and backward (Mikolov et al. 2013, eq. 4)."""

from __future__ import annotations

import numpy as np
from numpy import ndarray


def sigmoid(x: ndarray) -> ndarray:
    """Return `1 / (1 + exp(-x))`, without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def skip_gram_pairs(ids: list[int], window: int) -> list[tuple[int, int]]:
    """Return (centre, neighbour) for every word and every other word up to `window` places away.

    Args:
        ids: words of one sentence; windows end where the sentence ends.
        window: places to each side, at least 1.
    """
    return [
        (centre, ids[j])
        for i, centre in enumerate(ids)
        for j in range(max(0, i - window), min(len(ids), i + window + 1))
        if j != i
    ]


def noise_distribution(counts: ndarray, power: float = 0.75) -> ndarray:
    """Return how often each word is drawn as a negative, `(vocab_size,)`: counts to the 3/4, summing to 1.

    The power lies between "as often as in text" (1), where negatives are nearly all "a" and ".", and "all alike" (0).
    """
    weights = np.asarray(counts, float) ** power * (np.asarray(counts) > 0)
    return weights / weights.sum()


def negative_samples(
    random: np.random.Generator, noise: ndarray, neighbours: ndarray, number: int
) -> ndarray:
    """Draw words that are not the true neighbour, `(batch, number)`.

    Args:
        random: source of random numbers.
        noise: chance of each word, `(vocab_size,)`; at least two words have one.
        neighbours: true neighbours, `(batch,)`.
        number: negatives for each of them.

    Raises:
        ValueError: fewer than two words can be drawn.
    """
    if np.count_nonzero(noise) < 2:
        raise ValueError("noise must give at least two words a chance, or a negative can equal the neighbour")
    steps = np.cumsum(noise)
    last = np.flatnonzero(noise)[-1]  # rounding may leave the sum just below 1

    def draw(size: int | tuple[int, int]) -> ndarray:
        return np.minimum(np.searchsorted(steps, random.random(size), side="right"), last)

    drawn = draw((len(neighbours), number))
    wrong = drawn == neighbours[:, None]
    while wrong.any():
        drawn[wrong] = draw(int(wrong.sum()))
        wrong = drawn == neighbours[:, None]
    return drawn


class SkipGram:
    """Two vectors a word: one as a centre, one as a neighbour; the first is its embedding.

    Args:
        vocab_size, embed_dim: rows and width of both tables.
        random: source of the beginning, uniform in `+-0.5 / embed_dim` for centres, zero for neighbours.
    """

    def __init__(self, vocab_size: int, embed_dim: int, random: np.random.Generator):
        self.centre = ((random.random((vocab_size, embed_dim)) - 0.5) / embed_dim).astype(np.float32)
        self.neighbour = np.zeros((vocab_size, embed_dim), np.float32)

    def forward(self, centres: ndarray, neighbours: ndarray, negatives: ndarray) -> tuple[float, tuple]:
        """Return the mean loss of a batch, and what `backward` needs.

        The loss of a pair is `-log sigmoid(u_o . v_c) - sum_k log sigmoid(-u_k . v_c)`.

        Args:
            centres, neighbours: true pairs, `(batch,)` each.
            negatives: wrong neighbours, `(batch, number)`.
        """
        rows = np.concatenate(
            [neighbours[:, None], negatives], axis=1
        )  # (batch, 1 + number), the true one first
        v, u = (
            self.centre[centres],
            self.neighbour[rows],
        )  # (batch, embed_dim), (batch, 1 + number, embed_dim)
        scores = (u @ v[:, :, None])[:, :, 0]
        signs = np.ones_like(scores)
        signs[:, 0] = -1
        loss = float(np.logaddexp(0, signs * scores).sum() / len(centres))
        return loss, (centres, rows, v, u, scores)

    def backward(self, kept: tuple) -> tuple[ndarray, ndarray, ndarray, ndarray]:
        """Return the gradients of the mean loss, only for the rows that took part.

        Returns:
            centres `(batch,)`, their gradients `(batch, embed_dim)`, rows of the other table `(batch, 1 + number)` and
            their gradients. A word may occur several times: its gradients are to be added up.
        """
        centres, rows, v, u, scores = kept
        slope = sigmoid(scores)
        slope[:, 0] -= 1  # predicted minus true: the true neighbour should have 1
        slope /= len(centres)
        return centres, (slope[:, None] @ u)[:, 0], rows, slope[:, :, None] * v[:, None]

    def step(self, gradients: tuple, rate: float) -> None:
        """Go down the gradients. Words that occur several times move by the sum of their gradients."""
        centres, of_centres, rows, of_rows = gradients
        _subtract(self.centre, centres, rate * of_centres)
        _subtract(self.neighbour, rows.ravel(), rate * of_rows.reshape(-1, of_rows.shape[-1]))


def _subtract(table: ndarray, rows: ndarray, amounts: ndarray) -> None:
    """Subtract from rows that may repeat: `table[rows] -= amounts` would keep only the last of equal rows."""
    order = np.argsort(rows, kind="stable")
    different, first = np.unique(rows[order], return_index=True)
    table[different] -= np.add.reduceat(amounts[order], first, axis=0)


def nearest(table: ndarray, row: int, number: int) -> list[tuple[int, float]]:
    """Return the rows most alike one row, without itself, with their cosines, best first."""
    lengths = np.linalg.norm(table, axis=1)
    cosines = table @ table[row] / np.maximum(lengths * lengths[row], 1e-12)
    cosines[row] = -np.inf
    best = np.argsort(-cosines, kind="stable")[:number]
    return [(int(i), float(cosines[i])) for i in best]
