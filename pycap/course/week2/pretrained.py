"""What the captioner's CNN, trained on ImageNet, makes of photos: maps layer by layer, and features."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pycap.cnn import EfficientNetLite
from pycap.course.readers.photos import load_pixels

SIZE = 224  # pixels a side


def prepare(pixels: np.ndarray) -> Tensor:
    """Turn uint8 photos `(photos, size, size, 3)` into what EfficientNet-Lite was trained on, `(photos, 3, ...)`."""
    scaled = (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() - 127) / 128
    return scaled.contiguous(memory_format=torch.channels_last)


@torch.inference_mode()
def watch_layers(
    network: EfficientNetLite, photo: np.ndarray, blocks: Iterable[int]
) -> dict[str, np.ndarray]:
    """Return the feature maps of one photo after the stem and in the middle of some blocks, behind their filters.

    Args:
        photo: uint8 `(size, size, 3)`.
        blocks: numbers of blocks, from 0; not the first, which has no middle.

    Returns:
        name of the layer -> maps `(channels, rows, cols)`, values 0 to 6.
    """
    out = network.stem(prepare(photo[None]))
    maps, wanted = {"stem": out[0].numpy()}, set(blocks)
    for number, block in enumerate(network.blocks):
        if number in wanted:
            maps[f"block {number + 1}"] = block.depthwise(block.expand(out))[0].numpy()
        out = block(out)
    return maps


@torch.inference_mode()
def extract_features(
    network: EfficientNetLite, paths: list[Path], progress: Callable[[Iterable], Iterable] = iter
) -> np.ndarray:
    """Return one vector a photo, the average of the last map over its regions, `(photos, 1280)`."""
    parts = []
    for start in progress(range(0, len(paths), 16)):
        pixels = load_pixels(paths[start : start + 16], SIZE)
        parts.append(network(prepare(pixels)).mean(dim=1).numpy())
    return np.concatenate(parts)


def find_neighbours(features: np.ndarray, count: int) -> np.ndarray:
    """Return the nearest others of each row by the angle between centred rows, nearest first.

    Args:
        features: `(photos, width)`.

    Returns:
        positions `(photos, count)`.
    """
    centred = features - features.mean(axis=0)
    unit = centred / (np.linalg.norm(centred, axis=1, keepdims=True) + 1e-12)
    likeness = unit @ unit.T
    np.fill_diagonal(likeness, -np.inf)
    return np.argsort(-likeness, axis=1, kind="stable")[:, :count]


def vote(labels: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
    """Return the commonest class among each photo's neighbours, the smallest label of equals, `(photos,)`."""
    return np.array([np.bincount(labels[row]).argmax() for row in neighbours])


def project(features: np.ndarray) -> np.ndarray:
    """Return the two directions in which the rows differ most, `(photos, 2)` (principal components)."""
    centred = features - features.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    return left[:, :2] * sizes[:2]


def choose_typical(features: np.ndarray, labels: np.ndarray) -> list[int]:
    """Return of each class the photo that lies nearest to the mean of its class, by features."""
    chosen = []
    for label in np.unique(labels):
        of = np.flatnonzero(labels == label)
        distances = np.linalg.norm(features[of] - features[of].mean(axis=0), axis=1)
        chosen.append(int(of[distances.argmin()]))
    return chosen
