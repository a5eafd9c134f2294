"""The checkpoint's pictures: who is taken for whom, losses, variants of a photo, the surest mistakes."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pycap.course.checkpoint2.recipe import vary_photos
from pycap.course.lab import Lab
from pycap.course.readers.photos import Photos, load_pixels


def draw_confusion(lab: Lab, name: str, labels: np.ndarray, guesses: np.ndarray, classes: list[str]) -> None:
    """Draw how many of each class, a row, were called what, a column."""
    count = len(classes)
    table = np.zeros((count, count), int)
    np.add.at(table, (labels, guesses), 1)
    shares = table / np.maximum(table.sum(1, keepdims=True), 1)
    side = 2.2 + 0.42 * count
    with lab.picture(
        name, "Confusion matrix: rows are true classes, columns guesses", size=(side + 0.6, side)
    ) as (
        _,
        axes,
    ):
        axes.imshow(shares**0.5, cmap="Blues", vmin=0, vmax=1)
        for row in range(count):
            for col in range(count):
                if table[row, col]:
                    ink = "white" if shares[row, col] > 0.35 else "black"
                    axes.text(col, row, table[row, col], ha="center", va="center", color=ink, fontsize=8)
        axes.set_xticks(range(count), classes, rotation=40, ha="right")
        axes.set_yticks(range(count), classes)
        axes.set(xlabel="guessed", ylabel="true", title=f"{np.trace(table) / table.sum():.1%} right")
        axes.grid(False)


def draw_losses(lab: Lab, curves: dict[str, list[float]]) -> None:
    """Draw the training loss of each epoch."""
    with lab.picture("losses", "Training loss by epoch, from scratch and by transfer", size=(5.2, 3)) as (
        _,
        axes,
    ):
        for label, losses in curves.items():
            axes.plot(range(1, len(losses) + 1), losses, marker="o", markersize=3, label=label)
        axes.set(xlabel="epoch", ylabel="training loss (smoothed targets)")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend()


def draw_variants(lab: Lab, photo: Tensor) -> None:
    """Draw a photo, uint8 `(3, rows, cols)`, and what the network gets to see of it in nine epochs."""
    with torch.random.fork_rng():
        torch.manual_seed(lab.seed)
        seen = vary_photos(photo[None].repeat(9, 1, 1, 1), 96)
    varied = ((seen.permute(0, 2, 3, 1) + 1) / 2).clip(0, 1).numpy()
    shown = [photo.permute(1, 2, 0).numpy(), *varied]
    with lab.picture("variants", "A photo and nine variants of it", 2, 5, (6.4, 2.8)) as (_, axes):
        for panel, pixels, title in zip(axes.flat, shown, ["the photo", *[""] * 9], strict=True):
            panel.imshow(pixels)
            panel.set_title(title)
            panel.set_axis_off()


def draw_mistakes(lab: Lab, held: Photos, guesses: np.ndarray, count: int = 10) -> None:
    """Draw the photos whose wrong class the network was surest of."""
    wrong = np.flatnonzero(guesses.argmax(1) != held.labels)
    surest = wrong[np.argsort(-guesses[wrong].max(1))][:count]
    if not len(surest):
        return
    pixels = load_pixels([held.paths[number] for number in surest], 128)
    with lab.picture("mistakes", "The surest mistakes by transfer", 2, 5, (6.8, 3.6)) as (_, axes):
        for panel in axes.flat:
            panel.set_axis_off()
        for panel, number, photo in zip(axes.flat, surest, pixels, strict=False):
            said, true = guesses[number].argmax(), held.labels[number]
            panel.imshow(photo)
            panel.set_title(
                f"{held.classes[said]} {guesses[number, said]:.0%}\nlabel: {held.classes[true]}", fontsize=8
            )
