"""Checkpoint 1's pictures: curves, the confusion matrix, the surest mistakes, a photo on its way."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from pycap.course.checkpoint1.photo import Steps


def draw_curves(lab, histories: dict[str, list[tuple[float, float, float]]]) -> None:
    """Draw losses and held-out accuracy by epoch; a history is (training loss, held-out loss, accuracy) an epoch."""
    alt = "Left: training and held-out loss by epoch, linear and network. Right: held-out accuracy by epoch"
    with lab.picture("curves", alt, columns=2, size=(8.2, 3.3)) as (_, axes):
        for (name, history), colour in zip(histories.items(), ("tab:orange", "tab:blue"), strict=True):
            epochs = range(1, len(history) + 1)
            training, surprise, accuracy = zip(*history, strict=True)
            axes[0].plot(epochs, training, color=colour, label=f"{name}, training")
            axes[0].plot(epochs, surprise, "--", color=colour, label=f"{name}, held out")
            axes[1].plot(epochs, accuracy, color=colour, label=name)
        axes[0].set(xlabel="epoch", ylabel="loss", title="Loss (training: with dropout, mirrored)")
        axes[1].set(xlabel="epoch", ylabel="held-out accuracy", title="Accuracy on held-out clothes")
        axes[0].legend()
        axes[1].legend(loc="lower right")
        for axis in axes:
            axis.xaxis.get_major_locator().set_params(integer=True)


def draw_confusions(lab, table: NDArray[np.int64], classes: Sequence[str]) -> None:
    """Draw a confusion matrix, truth by row; the colours leave the diagonal out, or nothing else would show."""
    alt = "Confusion matrix on the test pictures: shirts are taken for T-shirts, pullovers and coats"
    with lab.picture("confusion", alt, size=(6.4, 5.6)) as (_, axis):
        axis.imshow(table * (1 - np.eye(len(table), dtype=int)), cmap="Oranges")
        for row, line in enumerate(table):
            for column, count in enumerate(line):
                weight = "bold" if row == column else "normal"
                colour = (
                    "white"
                    if row != column and count > 0.6 * (table - np.diag(np.diag(table))).max()
                    else "black"
                )
                if count:
                    axis.text(
                        column,
                        row,
                        count,
                        ha="center",
                        va="center",
                        fontsize=8,
                        fontweight=weight,
                        color=colour,
                    )
        axis.set_xticks(range(len(classes)), classes, rotation=40, ha="right", rotation_mode="anchor")
        axis.set_yticks(range(len(classes)), classes)
        axis.set(xlabel="the network says", ylabel="it is")
        axis.grid(False)


def draw_mistakes(
    lab, images: NDArray[np.uint8], labels: NDArray[np.int64], probabilities: NDArray, classes: Sequence[str]
) -> None:
    """Draw the wrong answers that the network is surest of."""
    answers = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(answers != labels)
    surest = wrong[np.argsort(-probabilities[wrong, answers[wrong]])]
    alt = "Fourteen pictures that the network is surest of and wrong about"
    with lab.picture("mistakes", alt, rows=2, columns=7, size=(8.2, 3.9)) as (_, axes):
        for axis in axes.flat:
            axis.axis("off")
        for axis, row in zip(axes.flat, surest, strict=False):
            axis.imshow(images[row], cmap="gray", vmin=0, vmax=255)
            sure = (
                min(999, int(1000 * probabilities[row, answers[row]])) / 10
            )  # cut, not rounded: 100 % is never true
            axis.set_title(f"{classes[answers[row]]}\n{sure:.1f} %", fontsize=8, color="#9c1127")
            axis.text(
                0.5, -0.1, classes[labels[row]], ha="center", va="top", fontsize=8, transform=axis.transAxes
            )


def draw_photo(lab, photo: Image.Image, steps: Steps, answer: str) -> None:
    """Draw what becomes of a photo until the network sees it."""
    alt = (
        "A drawn T-shirt as a photo, its difference from the background, trimmed, and as 28 x 28 grey values"
    )
    with lab.picture("photo", alt, columns=4, size=(8.2, 2.5)) as (_, axes):
        shown = {
            "the photo": np.asarray(photo),
            "unlike the corners": steps.difference,
            "trimmed": steps.trimmed,
            "28 x 28: " + answer: steps.small,
        }
        for axis, (title, pixels) in zip(axes, shown.items(), strict=True):
            axis.imshow(pixels, cmap="gray", vmin=0, vmax=255)
            axis.set_title(title)
            axis.axis("off")


def paint_shirt() -> Image.Image:
    """Return a photo-like drawing of a navy T-shirt on a bright, unevenly lit wall, 400 x 480 pixels."""
    light = np.linspace(236, 218, 480)[:, None, None] + np.linspace(0, 8, 400)[None, :, None]
    photo = Image.fromarray(np.broadcast_to(light, (480, 400, 3)).astype(np.uint8))
    brush = ImageDraw.Draw(photo)
    shirt = [(150, 90), (250, 90), (300, 112), (352, 190), (305, 222), (282, 190), (282, 400)]
    shirt += [(118, 400), (118, 190), (95, 222), (48, 190), (100, 112)]
    brush.polygon(shirt, fill=(34, 48, 92))
    brush.ellipse((160, 62, 240, 122), fill=(226, 226, 226))
    brush.line([(118, 190), (112, 150)], fill=(22, 32, 66), width=4)
    brush.line([(282, 190), (288, 150)], fill=(22, 32, 66), width=4)
    return photo.filter(ImageFilter.GaussianBlur(1.5))
