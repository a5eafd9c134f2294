"""How the checkpoint's networks are trained: augmentation, AdamW on a cosine, and an average of the weights."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

Progress = Callable[[Iterable], Iterable]


@dataclass(frozen=True)
class Recipe:
    """Settings of one training.

    Attributes:
        epochs, batch: how often and in how large bites the data is seen.
        rate: highest learning rate.
        slow_rate: the same for parameters under "tail.", which know something already.
        decay: weight decay of filters and matrices (not of biases and norms).
        smoothing: share of the target spread over all classes.
        average: how much of the averaged weights survives a step; 0: no average.
    """

    epochs: int
    batch: int = 64
    rate: float = 2e-3
    slow_rate: float = 2e-4
    decay: float = 0.05
    smoothing: float = 0.1
    average: float = 0.99


def fit(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    recipe: Recipe,
    augment: Callable[[Tensor, float], Tensor],
    progress: Progress = iter,
) -> tuple[nn.Module, list[float]]:
    """Train a network.

    Args:
        network: changed in place.
        images: all training examples, of any shape `(examples, ...)`.
        labels: `(examples,)`.
        augment: turns the examples of a batch into what the network takes, a little different every time; told how
            much of the training is over, 0 to 1.
        progress: wraps the epochs.

    Returns:
        a network with the averaged weights, in eval mode, and the mean loss of every epoch.
    """
    network.to(memory_format=torch.channels_last)  # half the time on most CPUs
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            rate = recipe.slow_rate if name.startswith("tail.") else recipe.rate
            groups.setdefault((rate, recipe.decay if parameter.dim() > 1 else 0.0), []).append(parameter)
    optimizer = torch.optim.AdamW(
        [{"params": part, "lr": rate, "weight_decay": decay} for (rate, decay), part in groups.items()],
        betas=(0.9, 0.99),
    )
    batches = max(
        1, len(labels) // recipe.batch
    )  # the rest of an epoch is left out: batch norm wants full batches
    steps = recipe.epochs * batches
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate_at(step, steps, 2 * batches))
    averaged, losses = copy.deepcopy(network), []
    for epoch in progress(range(recipe.epochs)):
        network.train()
        total = 0.0
        for number, chosen in enumerate(torch.randperm(len(labels)).split(recipe.batch)[:batches]):
            step = epoch * batches + number
            outputs = network(augment(images[chosen], step / steps))
            loss = functional.cross_entropy(outputs, labels[chosen], label_smoothing=recipe.smoothing)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
            follow(averaged, network, min(recipe.average, (1 + step) / (10 + step)))
        losses.append(total / batches)
    return averaged.eval(), losses


def rate_at(step: int, steps: int, warmup: int) -> float:
    """Return the learning rate's factor: up on a line, down on a cosine (Loshchilov & Hutter 2017)."""
    return min(1.0, (step + 1) / max(1, min(warmup, steps // 4))) * (
        0.5 + 0.5 * math.cos(math.pi * step / steps)
    )


@torch.no_grad()
def follow(averaged: nn.Module, network: nn.Module, keep: float) -> None:
    """Move averaged weights a little towards the network's: `keep * average + (1 - keep) * weight`."""
    for mean, value in zip(averaged.state_dict().values(), network.state_dict().values(), strict=True):
        if mean.dtype.is_floating_point:
            mean.lerp_(value, 1 - keep)
        else:
            mean.copy_(value)  # batch norm's counter


def scale(pixels: Tensor) -> Tensor:
    """Turn pixels 0 to 255 into numbers -1 to 1, in the layout of memory that convolutions like."""
    return (pixels.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)


def mirror_half(pixels: Tensor, done: float = 0.0) -> Tensor:
    """Scale pictures `(batch, channels, rows, cols)`, every second one by chance mirrored left to right."""
    coins = torch.rand(len(pixels)) < 0.5
    return scale(torch.where(coins[:, None, None, None], pixels.flip(3), pixels))


def vary_photos(pixels: Tensor, size: int, least: float = 0.4, colour: float = 0.15) -> Tensor:
    """Look at photos as if taken otherwise: another crop, mirrored or not, other light.

    Args:
        pixels: uint8 `(batch, 3, side, side)`.
        size: side of the result.
        least: smallest share of the photo's area that a crop keeps.
        colour: how far brightness, contrast and tint may stray.

    Returns:
        float `(batch, 3, size, size)`, about -1 to 1.
    """
    count = len(pixels)
    side = torch.empty(count).uniform_(least, 1).sqrt()
    stretch = torch.empty(count).uniform_(-0.1, 0.1).exp()
    width, height = (side * stretch).clamp(max=1), (side / stretch).clamp(max=1)
    mirrored = torch.randint(0, 2, (count,)) * 2.0 - 1
    zeros = torch.zeros(count)
    left, top = ((torch.rand(count) * 2 - 1) * (1 - extent) for extent in (width, height))
    rows = [torch.stack([width * mirrored, zeros, left], 1), torch.stack([zeros, height, top], 1)]
    grid = functional.affine_grid(torch.stack(rows, 1), (count, 3, size, size), align_corners=False)
    out = functional.grid_sample(scale(pixels), grid, padding_mode="reflection", align_corners=False)

    def draw(low: float, high: float, channels: int = 1) -> Tensor:
        return torch.empty(count, channels, 1, 1).uniform_(low, high)

    mean = out.mean((1, 2, 3), keepdim=True)
    out = (out - mean) * draw(1 - colour, 1 + colour) + mean + draw(-colour, colour)  # contrast, brightness
    grey = out.mean(1, keepdim=True)
    out = (out - grey) * draw(1 - 1.5 * colour, 1 + 1.5 * colour) + grey  # saturation
    out = out + draw(-colour / 4, colour / 4, 3)  # tint
    return out.contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def ask(
    network: nn.Module, inputs: Tensor, prepare: Callable[[Tensor], list[Tensor]], batch: int = 64
) -> Tensor:
    """Return the probabilities of classes, the mean over the views that `prepare` makes of an example.

    Args:
        network: in eval mode.
        inputs: `(examples, ...)`.
        prepare: turns a batch of examples into a list of views, each what the network takes.

    Returns:
        `(examples, classes)`.
    """
    parts = []
    for part in inputs.split(batch):
        views = prepare(part)
        parts.append(sum(torch.softmax(network(view), dim=1) for view in views) / len(views))
    return torch.cat(parts)


def both_sides(pixels: Tensor) -> list[Tensor]:
    """Return pictures as they are and mirrored, scaled."""
    return [scale(pixels), scale(pixels.flip(3))]
