"""What the captioner's CNN makes of photos: its frozen part, run once a photo, and how a new head learns on that."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from pycap.cnn import CnnPart, EfficientNetLite
from pycap.course.checkpoint2.network import TUNED_BLOCKS, VARIANT
from pycap.course.checkpoint2.recipe import Recipe
from pycap.course.readers.photos import load_pixels

SIZE = 256  # photos of 128 pixels are enlarged: the network learned to see objects at about this size


@lru_cache(maxsize=1)
def cut_network() -> tuple[CnnPart, CnnPart]:
    """Return EfficientNet-Lite2 with its ImageNet weights, cut in two: what stays frozen, what is tuned."""
    first, last = EfficientNetLite.pretrained(VARIANT).split(TUNED_BLOCKS)
    return first, last


@torch.no_grad()
def run_frozen_part(
    paths: list, size: int = SIZE, progress: Callable[[Iterable], Iterable] = iter, batch: int = 16
) -> Tensor:
    """Run the frozen part over photos and their mirror images.

    Args:
        paths: of the photos.
        size: side they are brought to, in pixels.
        progress: wraps the batches.

    Returns:
        `(photos, 2, regions, channels)` in half precision, to save memory.
    """
    network, cells = cut_network()[0], []
    for start in progress(range(0, len(paths), batch)):
        pixels = torch.from_numpy(load_pixels(paths[start : start + batch], size)).permute(0, 3, 1, 2)
        scaled = ((pixels.float() - 127) / 128).contiguous(memory_format=torch.channels_last)
        cells.append(torch.stack([network(scaled).half(), network(scaled.flip(3)).half()], dim=1))
    return torch.cat(cells)


@torch.no_grad()
def pool_features(cells: Tensor, batch: int = 32) -> np.ndarray:
    """Return the average of the last feature map over regions and over both sides, `(photos, 1280)`.

    Args:
        cells: as `run_frozen_part` returns them.
    """
    tail = cut_network()[1]
    parts = [
        tail(part.flatten(0, 1).float()).mean(1).unflatten(0, (-1, 2)).mean(1) for part in cells.split(batch)
    ]
    return torch.cat(parts).numpy()


def fit_linear(features: np.ndarray, labels: np.ndarray, classes: int, decay: float = 0.01) -> Callable:
    """Fit a softmax layer on standardised features, by L-BFGS.

    Args:
        features: `(photos, width)`.
        labels: `(photos,)`.
        decay: weight of the squared weights in the loss.

    Returns:
        a function from features to scores `(photos, classes)`.
    """
    mean, deviation = features.mean(0), features.std(0) + 1e-3  # of the training photos alone
    inputs, targets = torch.from_numpy((features - mean) / deviation), torch.from_numpy(labels)
    weight = torch.zeros(classes, features.shape[1], requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=100, line_search_fn="strong_wolfe")

    def measure() -> Tensor:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(inputs @ weight.T + bias, targets) + decay * weight.square().sum()
        loss.backward()
        return loss

    optimizer.step(measure)
    final = weight.detach().numpy(), bias.detach().numpy()
    return lambda rows: (rows - mean) / deviation @ final[0].T + final[1]


def pick_side(cells: Tensor, done: float = 0.0) -> Tensor:
    """Return, of each photo's cells `(batch, 2, regions, channels)`, the plain or the mirrored ones by chance."""
    return cells[torch.arange(len(cells)), torch.randint(0, 2, (len(cells),))].float()


def each_side(cells: Tensor) -> list[Tensor]:
    """Return plain and mirrored cells."""
    return [cells[:, 0].float(), cells[:, 1].float()]


def count_regions(size: int = SIZE) -> int:
    """Return the regions that the frozen part makes of a photo: its stride is 16."""
    return math.ceil(size / 16) ** 2


RECIPE = Recipe(epochs=5, batch=32, rate=1e-3, slow_rate=2e-4, average=0.98)
