"""A stack of dense layers that names what is in a small grey picture."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pycap.nn.dense import Dense


class DenseClassifier(nn.Module):
    """Flatten, normalise, then dense layers with ReLU and dropout between them.

    The training pictures' mean and spread are part of the network, so that nobody who uses it can forget or repeat
    the normalisation.

    Args:
        pixels: of a picture.
        hidden: units of each hidden layer; none makes the network linear.
        classes: number of scores.
        dropout: share of the hidden units silenced in each training step.
    """

    def __init__(self, pixels: int, hidden: Sequence[int], classes: int, dropout: float = 0.0):
        super().__init__()
        self.register_buffer("mean", torch.zeros(pixels))
        self.register_buffer("spread", torch.ones(()))
        layers: list[nn.Module] = []
        for width in hidden:
            layers += [Dense(pixels, width), nn.ReLU(), nn.Dropout(dropout)]
            pixels = width
        self.layers = nn.Sequential(*layers, Dense(pixels, classes))

    def fit_normalisation(self, images: Tensor) -> None:
        """Take the mean of each pixel and the spread of all from training pictures `(count, rows, columns)`, uint8."""
        rows = images.flatten(1).float() / 255
        self.mean.copy_(rows.mean(dim=0))
        self.spread.copy_(rows.std())

    def forward(self, images: Tensor) -> Tensor:  # uint8 (batch, rows, columns) -> (batch, classes)
        return self.layers((images.flatten(1).float() / 255 - self.mean) / self.spread)


@torch.no_grad()
def score_images(network: nn.Module, images: Tensor) -> Tensor:
    """Return the probabilities `(count, classes)` of pictures `(count, rows, columns)`, 1,000 at a time."""
    network.eval()  # or dropout would go on silencing units
    return torch.cat([network(part).softmax(dim=1) for part in images.split(1000)])
