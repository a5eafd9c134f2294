"""An RNN by hand that explodes, and the same one with its gradients clipped."""

from __future__ import annotations

import numpy as np

from pycap.course.scratch import recurrent
from pycap.course.week3.gradients import draw_weights

TIME, HIDDEN_DIM, BATCH = 20, 32, 32
SCALE = 1.2  # of the recurrent matrix: a little above 1, so that gradients can grow
RATE = 0.1


def train_by_hand(steps: int, limit: float | None, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Teach an RNN to say at the end which number came first, by plain gradient descent in NumPy.

    Args:
        steps: of gradient descent.
        limit: gradients longer than this are clipped; None: never.
        seed: of weights and data.

    Returns:
        mean squared error before each step and length of its gradient before clipping, `(steps,)` each.
    """
    rng = np.random.default_rng(seed)
    weights = draw_weights(rng, "rnn", 1, HIDDEN_DIM, SCALE)
    reading = rng.normal(0, HIDDEN_DIM**-0.5, HIDDEN_DIM)
    losses, lengths = np.empty(steps), np.empty(steps)
    for step in range(steps):
        x = rng.normal(0, 0.3, (BATCH, TIME, 1))
        x[:, 0, 0] = first = rng.choice([-1.0, 1.0], BATCH)
        hiddens = recurrent.rnn_forward(x, np.zeros((BATCH, HIDDEN_DIM)), weights)
        error = hiddens[:, -1] @ reading - first  # (batch,)
        to_answer = 2 * error / BATCH
        gradient = np.zeros((BATCH, TIME, HIDDEN_DIM))
        gradient[:, -1] = to_answer[:, None] * reading
        to_weights = recurrent.rnn_backward(gradient, x, hiddens, weights)[0]
        clipped, length = recurrent.clip_norm(
            [*to_weights, to_answer @ hiddens[:, -1]], np.inf if limit is None else limit
        )
        for parameter, change in zip([*weights, reading], clipped, strict=True):
            parameter -= RATE * change
        losses[step], lengths[step] = (error**2).mean(), length
    return losses, lengths
