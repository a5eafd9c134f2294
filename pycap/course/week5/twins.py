"""A task that regions can only solve by looking at each other: which of us has a twin in the picture?

Every region is a random vector. Half of them are noisy copies of one another, two by two; the others are alone.
A region by itself cannot know, and the mean of all beside it is no more than a faint hint.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from pycap.nn.attention import ChannelAttention, RegionSelfAttention
from pycap.nn.dense import Dense

REGIONS, CHANNELS, NOISE = 12, 16, 0.1
LAYERS = ("none", "channel", "self")


def draw_pictures(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return regions `(count, 12, 16)` and whether each has a twin, `(count, 12)`; half of them do."""
    regions = torch.randn(count, REGIONS, CHANNELS, generator=generator)
    half = REGIONS // 4
    noise = NOISE * torch.randn(count, half, CHANNELS, generator=generator)
    regions[:, half : 2 * half] = regions[:, :half] + noise
    place = torch.rand(count, REGIONS, generator=generator).argsort(1)  # a permutation for each picture
    twin = (torch.arange(REGIONS) < 2 * half).expand(count, -1)
    return regions.gather(1, place[:, :, None].expand_as(regions)), twin.gather(1, place)


class TwinFinder(nn.Module):
    """Project regions, let one of the captioner's encoder layers work on them, and judge each region by itself.

    Args:
        layer: "none", "channel" or "self", as in `model.encoder_attention` (and `encoder_layers=0`).
        feature_dim: width inside.
    """

    def __init__(self, layer: str, feature_dim: int = 64):
        super().__init__()
        self.project = Dense(CHANNELS, feature_dim)
        makers = {
            "channel": lambda: ChannelAttention(feature_dim, dropout=0.0),
            "self": lambda: RegionSelfAttention(feature_dim, heads=4, dropout=0.0),
        }
        self.layer = makers[layer]() if layer in makers else None
        self.hidden = Dense(feature_dim, feature_dim)
        self.judge = Dense(feature_dim, 1)

    def forward(self, regions: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return a logit for each region `(batch, regions)`, and weights `(batch, heads, regions, regions)`."""
        features, weights = self.project(regions), None
        if self.layer is not None:
            features, weights = self.layer(features, with_attention=True)
        return self.judge(torch.relu(self.hidden(features)))[..., 0], weights


def train_finder(layer: str, steps: int, seed: int) -> tuple[TwinFinder, float]:
    """Train on fresh pictures in every step; return the network and its accuracy on 2,000 new ones."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    finder = TwinFinder(layer)
    optimizer = torch.optim.Adam(finder.parameters(), lr=1e-3)
    for _ in range(steps):
        regions, twin = draw_pictures(128, generator)
        loss = functional.binary_cross_entropy_with_logits(finder(regions)[0], twin.float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    regions, twin = draw_pictures(2000, torch.Generator().manual_seed(seed + 1))
    with torch.no_grad():
        found = finder(regions)[0] > 0
    return finder, float((found == twin).float().mean())
