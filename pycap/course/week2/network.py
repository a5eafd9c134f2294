"""A CNN by hand in NumPy, its twin made of the captioner's layers, and three networks that are shifted for a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pycap.course.scratch import convolution
from pycap.nn.conv import SameConv2d
from pycap.nn.dense import Dense

Weights = dict[str, np.ndarray]


def draw_weights(seed: int, classes: int = 10) -> Weights:
    """Return the first weights of the network by hand: deviation `sqrt(2 / inputs)` (He et al. 2015), float32."""
    generator = np.random.default_rng(seed)
    shapes = {"first": (8, 1, 5, 5), "second": (16, 8, 3, 3), "dense": (classes, 16 * 7 * 7)}
    weights = {}
    for name, shape in shapes.items():
        deviation = np.sqrt(2 / np.prod(shape[1:]))
        weights[name] = (generator.normal(size=shape) * deviation).astype(np.float32)
        weights[f"{name} bias"] = np.zeros(shape[0], np.float32)
    return weights


def step_by_hand(weights: Weights, images: np.ndarray, labels: np.ndarray) -> tuple[float, Weights]:
    """Run two convolutions, each with ReLU and pooling, and a dense layer, forward and backward.

    Args:
        weights: as `draw_weights` makes them.
        images: `(batch, 1, 28, 28)`.
        labels: `(batch,)`.

    Returns:
        the mean cross-entropy and its gradient by every weight.
    """
    before_first = convolution.convolve(images, weights["first"], weights["first bias"], padding=2)
    first = np.maximum(before_first, 0)  # (batch, 8, 28, 28)
    pooled = convolution.max_pool(first)  # (batch, 8, 14, 14)
    before_second = convolution.convolve(pooled, weights["second"], weights["second bias"], padding=1)
    second = np.maximum(before_second, 0)  # (batch, 16, 14, 14)
    last = convolution.max_pool(second)  # (batch, 16, 7, 7)
    flat = last.reshape(len(images), -1)
    scores = flat @ weights["dense"].T + weights["dense bias"]

    exponents = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares = exponents / exponents.sum(axis=1, keepdims=True)
    rows = np.arange(len(labels))
    loss = -float(np.log(shares[rows, labels]).mean())

    grad = shares  # of the loss by the scores: shares, less 1 at the label, over the batch
    grad[rows, labels] -= 1
    grad /= np.float32(len(labels))
    grads = {"dense": grad.T @ flat, "dense bias": grad.sum(axis=0)}
    grad = (grad @ weights["dense"]).reshape(last.shape)
    grad = convolution.max_pool_backward(grad, second) * (before_second > 0)
    grad, grads["second"], grads["second bias"] = convolution.convolve_backward(
        grad, pooled, weights["second"], padding=1
    )
    grad = convolution.max_pool_backward(grad, first) * (before_first > 0)
    _, grads["first"], grads["first bias"] = convolution.convolve_backward(
        grad, images, weights["first"], padding=2
    )
    return loss, grads


class Twin(nn.Module):
    """The network by hand, made of the layers that the captioner uses.

    Args:
        weights: where it begins.
    """

    def __init__(self, weights: Weights):
        super().__init__()
        self.first, self.second = (
            SameConv2d(1, 8, 5, activation=False),
            SameConv2d(8, 16, 3, activation=False),
        )
        self.dense = Dense(16 * 7 * 7, len(weights["dense"]))
        with torch.no_grad():
            for name in ("first", "second", "dense"):
                layer = getattr(self, name)
                layer.weight.copy_(torch.from_numpy(weights[name]))
                layer.bias.copy_(torch.from_numpy(weights[f"{name} bias"]))

    def forward(self, images: Tensor) -> Tensor:  # (batch, 1, 28, 28) -> (batch, classes)
        pooled = functional.max_pool2d(torch.relu(self.first(images)), 2)
        return self.dense(functional.max_pool2d(torch.relu(self.second(pooled)), 2).flatten(1))

    def read_weights(self) -> Weights:
        """Return its weights under the names of the network by hand."""
        parts = {"weight": "", "bias": " bias"}
        return {
            name.split(".")[0] + parts[name.split(".")[1]]: value.detach().numpy()
            for name, value in self.named_parameters()
        }


def plan_batches(count: int, batch: int, epochs: int, seed: int) -> Iterator[np.ndarray]:
    """Yield which examples make each batch; full batches only."""
    generator = np.random.default_rng(seed)
    for _ in range(epochs):
        order = generator.permutation(count)
        for start in range(0, count - batch + 1, batch):
            yield order[start : start + batch]


class ShiftTested(nn.Module):
    """One of three networks for 28 x 28 pixels with about as many numbers to learn.

    Args:
        kind: "dense"; "conv, place kept", whose dense layer sees every cell of the last map; or "conv, place
            forgotten", whose dense layer sees only the largest value of each map.
    """

    KINDS = ("dense", "conv, place kept", "conv, place forgotten")

    def __init__(self, kind: str):
        super().__init__()
        if kind == "dense":
            self.body = nn.Sequential(nn.Flatten(), Dense(784, 32), nn.ReLU())
            self.head = Dense(32, 10)
            return
        wide, forget = (16, False) if kind == "conv, place kept" else (80, True)
        self.body = nn.Sequential(
            SameConv2d(1, 16, 7),
            nn.MaxPool2d(2),
            SameConv2d(16, 24 if forget else 32, 3),
            nn.MaxPool2d(2),
            SameConv2d(24 if forget else 32, wide, 3),
            nn.AdaptiveMaxPool2d(1) if forget else nn.Identity(),
            nn.Flatten(),
        )
        self.head = Dense(wide if forget else wide * 49, 10)

    def forward(self, images: Tensor) -> Tensor:  # (batch, 1, 28, 28) -> (batch, 10)
        return self.head(self.body(images))


def train(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    batches: Callable[[], Iterator[np.ndarray]],
    rate: float,
) -> None:
    """Train a network with Adam, the rate falling on a line to zero."""
    plan = list(batches())
    optimizer = torch.optim.Adam(network.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / len(plan))
    for chosen in plan:
        loss = functional.cross_entropy(network(images[chosen]), labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


@torch.no_grad()
def score(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the share of pictures that a network names rightly."""
    parts = zip(images.split(500), labels.split(500), strict=True)
    right = sum(int((network(part).argmax(1) == of).sum()) for part, of in parts)
    return right / len(labels)


def shift(images: Tensor, pixels: int) -> Tensor:
    """Move pictures `(batch, channels, rows, cols)` to the right; zeros come in from the left."""
    return functional.pad(images, (pixels, 0))[..., : images.shape[-1]]
