"""The checkpoint's networks, made of the captioner's own layers: two that learn from nothing, one that borrows."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from pycap.cnn import CnnPart, EfficientNetLite
from pycap.nn.conv import SameConv2d
from pycap.nn.dense import Dense

VARIANT, TUNED_BLOCKS = "lite2", 6  # the captioner's CNN, cut where the captioner cuts it
FEATURES = 1280


class ConvNorm(nn.Sequential):
    """A convolution, batch normalisation, and a ReLU unless a sum follows.

    Args:
        inputs, outputs: channels.
        kernel, stride: in pixels.
        rectify: end with the ReLU.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, rectify: bool = True):
        layers = [SameConv2d(inputs, outputs, kernel, stride, activation=False), nn.BatchNorm2d(outputs)]
        super().__init__(*layers, *([nn.ReLU()] if rectify else []))


class Residual(nn.Module):
    """Two convolutions whose result is added to their input (He et al. 2016); begins as the identity.

    Args:
        width: channels.
    """

    def __init__(self, width: int):
        super().__init__()
        self.first = ConvNorm(width, width)
        self.second = ConvNorm(width, width, rectify=False)
        nn.init.zeros_(
            self.second[1].weight
        )  # so that a new block changes nothing, and learns what to change

    def forward(self, x: Tensor) -> Tensor:  # (batch, width, rows, cols), the same shape
        return torch.relu(x + self.second(self.first(x)))


class FashionNet(nn.Module):
    """Four convolutions and a dense layer, for grey pictures of 28 x 28 pixels.

    Args:
        classes: width of the answer.
    """

    def __init__(self, classes: int = 10):
        super().__init__()
        self.body = nn.Sequential(
            ConvNorm(1, 32, kernel=5, stride=2),  # (batch, 32, 14, 14)
            ConvNorm(32, 64),
            ConvNorm(64, 128, stride=2),  # (batch, 128, 7, 7)
            ConvNorm(128, 128),
        )
        self.dropout = nn.Dropout(0.3)
        self.head = Dense(128 * 7 * 7, classes)

    def forward(self, pixels: Tensor) -> Tensor:  # (batch, 1, 28, 28) -> (batch, classes)
        return self.head(self.dropout(self.body(pixels).flatten(1)))


class FlowerNet(nn.Module):
    """A small residual network for colour photos; every stage halves the side and widens.

    Args:
        classes: width of the answer.
        widths: channels after the stem and after each stage.
    """

    def __init__(self, classes: int = 5, widths: tuple[int, ...] = (32, 64, 128, 256)):
        super().__init__()
        layers: list[nn.Module] = [ConvNorm(3, widths[0], stride=2)]
        for inputs, outputs in pairwise(widths):
            layers += [ConvNorm(inputs, outputs, stride=2), Residual(outputs)]
        self.body = nn.Sequential(*layers)
        self.dropout = nn.Dropout(0.2)
        self.head = Dense(widths[-1], classes)

    def forward(self, pixels: Tensor) -> Tensor:  # (batch, 3, size, size) -> (batch, classes)
        return self.head(self.dropout(self.body(pixels).mean(dim=(2, 3))))


class TransferNet(nn.Module):
    """The end of EfficientNet-Lite2, which may learn along, and a new dense layer on its average.

    Args:
        classes: width of the answer.
        tail: the end of the CNN; None: with random weights, to be loaded.
    """

    def __init__(self, classes: int = 5, tail: CnnPart | None = None):
        super().__init__()
        self.tail = tail or EfficientNetLite(VARIANT).split(TUNED_BLOCKS)[1]
        self.dropout = nn.Dropout(0.3)
        self.head = Dense(FEATURES, classes)

    def forward(
        self, cells: Tensor
    ) -> Tensor:  # (batch, regions, channels) of the frozen part -> (batch, classes)
        return self.head(self.dropout(self.tail(cells).mean(dim=1)))
