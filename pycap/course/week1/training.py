"""The loop that every network of the course goes through: batch, forward, loss, backward, step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pycap.course.scratch.dense import SGD, Network, softmax_cross_entropy


@dataclass
class History:
    """What happened, one entry an epoch: mean loss over the batches, loss and accuracy on held-out rows."""

    loss: list[float] = field(default_factory=list)
    held_out_loss: list[float] = field(default_factory=list)
    held_out_accuracy: list[float] = field(default_factory=list)


def draw_batches(count: int, size: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Yield the rows of one epoch in random order, `size` at a time; the last batch may be smaller."""
    order = rng.permutation(count)
    for start in range(0, count, size):
        yield order[start : start + size]


def score(network: Network, images: NDArray, labels: NDArray[np.int64]) -> tuple[float, float]:
    """Return mean loss and accuracy of a network on `images (count, pixels)`."""
    scores = network.forward(images)
    return softmax_cross_entropy(scores, labels)[0], float((scores.argmax(axis=1) == labels).mean())


def train(
    network: Network,
    train: tuple[NDArray, NDArray[np.int64]],
    held_out: tuple[NDArray, NDArray[np.int64]] | None,
    *,
    epochs: int,
    learning_rate: float,
    rng: np.random.Generator,
    momentum: float = 0.9,
    batch: int = 32,
    cool: bool = False,
) -> Iterator[History]:
    """Train a network in place, one epoch for each value taken from this generator.

    Args:
        network: changed in place.
        train, held_out: pictures `(count, pixels)` and labels `(count,)`; nothing is learnt from `held_out`.
        epochs: passes over the training rows.
        learning_rate, momentum: of `SGD`; the rate is kept, or falls in a straight line to 0 with `cool`.
        rng: orders the rows.
        batch: rows a step.
        cool: let the rate fall to 0 over the epochs.

    Yields:
        The same `History` after each epoch, one entry longer.
    """
    images, labels = train
    history, optimizer = History(), SGD(network.parameters, learning_rate, momentum)
    steps, step = epochs * -(-len(labels) // batch), 0
    for _ in range(epochs):
        total = 0.0
        for rows in draw_batches(len(labels), batch, rng):
            if cool:
                optimizer.learning_rate = learning_rate * (1 - step / steps)
            loss, grad_scores = softmax_cross_entropy(network.forward(images[rows]), labels[rows])
            optimizer.step(network.backward(grad_scores))
            total, step = total + loss * len(rows), step + 1
        history.loss.append(total / len(labels))
        if held_out is not None:
            loss, accuracy = score(network, *held_out)
            history.held_out_loss.append(loss)
            history.held_out_accuracy.append(accuracy)
        yield history
