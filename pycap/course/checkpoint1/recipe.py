"""How the classifier learns: settings found on held-out training pictures, and the loop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from pycap.course.checkpoint1.network import DenseClassifier, score_images


@dataclass(frozen=True)
class Recipe:
    """Everything that was chosen.

    Attributes:
        hidden: units of each hidden layer.
        dropout: share of hidden units silenced in a step.
        epochs, batch: passes over the training pictures, and pictures a step.
        learning_rate: the highest; it rises over the first tenth of the steps, then falls to 0 along a cosine.
        weight_decay: of AdamW (Loshchilov & Hutter 2019): every step shrinks the weights by this times the rate.
        mirror: show each picture mirrored half of the time. A shirt stays a shirt.
    """

    hidden: tuple[int, ...] = (1024, 1024)
    dropout: float = 0.4
    epochs: int = 40
    batch: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 3e-2
    mirror: bool = True


NETWORK = Recipe()
LINEAR = Recipe(
    hidden=(), dropout=0.0, epochs=10, learning_rate=3e-3, mirror=False
)  # mirrored: 0.837, not 0.852


def split_rows(count: int, held_out: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return the rows to learn from and the `held_out` rows to choose by, drawn at random without overlap."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    return order[held_out:], order[:held_out]


def learn(
    recipe: Recipe,
    train: tuple[Tensor, Tensor],
    held_out: tuple[Tensor, Tensor],
    classes: int,
    seed: int,
) -> Iterator[tuple[DenseClassifier, float, float, float]]:
    """Train a classifier.

    Args:
        recipe: the settings.
        train: pictures `(count, rows, columns)` uint8 and labels `(count,)` int64.
        held_out: likewise; scored after each epoch, never learnt from.
        classes: number of labels.
        seed: of first weights, order, dropout and mirroring.

    Yields:
        After each epoch: the network, the mean training loss (with dropout, mirrored pictures), and the loss and
        accuracy on the held-out pictures.
    """
    torch.manual_seed(seed)
    images, labels = train
    network = DenseClassifier(images[0].numel(), recipe.hidden, classes, recipe.dropout)
    network.fit_normalisation(images)
    steps = recipe.epochs * -(-len(labels) // recipe.batch)
    optimizer = torch.optim.AdamW(
        network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=steps, pct_start=0.1
    )
    for _ in range(recipe.epochs):
        network.train()
        total = 0.0
        for rows in torch.randperm(len(labels)).split(recipe.batch):
            batch = images[rows]
            if recipe.mirror:
                turned = torch.rand(len(rows)) < 0.5
                batch = torch.where(turned[:, None, None], batch.flip(2), batch)
            loss = functional.cross_entropy(network(batch), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(rows)
        probabilities = score_images(network, held_out[0])
        surprise = functional.nll_loss(probabilities.clamp_min(1e-12).log(), held_out[1]).item()
        accuracy = (probabilities.argmax(dim=1) == held_out[1]).float().mean().item()
        yield network, total / len(labels), surprise, accuracy
