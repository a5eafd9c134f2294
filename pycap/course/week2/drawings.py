"""The pictures of week 2."""

from __future__ import annotations

import numpy as np

from pycap.course.lab import Lab
from pycap.course.scratch.convolution import convolve

BY_HAND = {
    "blur": np.full((5, 5), 1 / 25),
    "left-right edges": np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 4,
    "top-bottom edges": np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]]) / 4,
    "spots": np.array([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]]) / 8,
}


def draw_edges(lab: Lab, photo: np.ndarray) -> None:
    """Draw what four filters written down by hand make of a grey photo, `(rows, cols)` from 0 to 1."""
    with lab.picture(
        "edges", "A photo, four filters written by hand, and their feature maps", 2, 5, (7, 3.1)
    ) as (
        _,
        axes,
    ):
        _show(axes[1, 0], photo, "the photo", "gray", 0, 1)
        axes[0, 0].set_axis_off()
        for (name, filter_), (top, low) in zip(BY_HAND.items(), axes[:, 1:].T, strict=True):
            out = convolve(photo[None, None], filter_[None, None], np.zeros(1))[0, 0]
            reach = np.abs(filter_).max()
            _show(top, filter_, name, "RdBu", -reach, reach)
            if name == "blur":
                _show(low, out, "", "gray", 0, 1)
            else:
                _show(low, out, "", "RdBu", -0.5, 0.5)


def draw_filters(lab: Lab, before: np.ndarray, learned: np.ndarray, stem: np.ndarray) -> None:
    """Draw filters that were learned: of Fashion-MNIST before and after, and the stem of the captioner's CNN.

    Args:
        before, learned: `(16, 1, kernel, kernel)`.
        stem: `(32, 3, 3, 3)`.
    """
    alt = (
        "First-layer filters: random, learned on Fashion-MNIST, and learned on ImageNet by EfficientNet-Lite2"
    )
    texts = (
        "before training",
        "learned on Fashion-MNIST",
        "EfficientNet-Lite2's, learned on ImageNet, in colour",
        "",
    )
    with lab.picture("filters", alt, 4, 16, (7.4, 2.7)) as (_, axes):
        for row, filters in ((axes[0], before), (axes[1], learned)):
            for panel, filter_ in zip(row, filters[:, 0], strict=True):
                reach = np.abs(filter_).max()
                _show(panel, filter_, " ", "RdBu", -reach, reach)
        for panel, filter_ in zip(axes[2:].flat, stem, strict=True):
            reach = np.abs(filter_).max() or 1.0
            _show(panel, (filter_.transpose(1, 2, 0) / reach + 1) / 2, " ")
        for row, text in zip(axes, texts, strict=True):
            # No title: the layout would make room for it in the first column.
            row[0].text(0, 1.1, text, transform=row[0].transAxes, va="bottom", fontsize=9, in_layout=False)


def draw_maps(lab: Lab, garment: np.ndarray, maps: list[np.ndarray]) -> None:
    """Draw a garment `(28, 28)` and the strongest maps of layers, each `(channels, rows, cols)`."""
    with lab.picture("maps", "A garment and its feature maps after each layer", len(maps), 9, (7.2, 2.8)) as (
        _,
        axes,
    ):
        for number, (row, layer) in enumerate(zip(axes, maps, strict=True)):
            strongest = np.argsort(-layer.var(axis=(1, 2)))[:8]
            for panel, channel in zip(row[1:], strongest, strict=True):
                _show(panel, layer[channel], "", "magma")
            row[1].set_title(
                f"layer {number + 1}: {layer.shape[1]} x {layer.shape[2]}", loc="left", fontsize=9
            )
            row[0].set_axis_off()
        _show(axes[0, 0], garment, "input", "gray")


def draw_pretrained_maps(lab: Lab, photo: np.ndarray, maps: dict[str, np.ndarray]) -> None:
    """Draw a photo `(rows, cols, 3)` and, for layers of the pretrained network, the maps that vary most."""
    with lab.picture(
        "pretrained-maps",
        "A flower and its feature maps in EfficientNet-Lite2",
        len(maps),
        7,
        (7.2, 1.25 * len(maps)),
    ) as (_, axes):
        for row, (name, layer) in zip(axes, maps.items(), strict=True):
            for panel, channel in zip(row[1:], _choose_maps(layer, 6), strict=True):
                _show(panel, layer[channel], "", "magma")
            count, rows, cols = layer.shape
            row[1].set_title(f"{name}: {count} maps of {rows} x {cols}", loc="left", fontsize=9)
            row[0].set_axis_off()
        _show(axes[0, 0], photo, "")


def draw_losses(lab: Lab, by_hand: list[float], twin: list[float]) -> None:
    """Draw the loss of each step by hand and with the captioner's layers."""
    with lab.picture(
        "losses", "Training loss by hand and with pycap.nn: the curves coincide", size=(5.2, 3)
    ) as (_, axes):
        axes.plot(by_hand, linewidth=3, color="#f4a259", label="by hand, NumPy")
        axes.plot(twin, linewidth=0.9, color="#1b4965", label="pycap.nn, PyTorch")
        axes.set(xlabel="step", ylabel="loss of the batch")
        axes.legend()


def draw_shifts(lab: Lab, rows: list[dict], pixels: list[int]) -> None:
    """Draw accuracy by how far the test pictures are moved; `rows` as in the table of the experiment."""
    with lab.picture(
        "shifts", "Accuracy on pictures moved to the right, three networks", size=(5.2, 3.2)
    ) as (_, axes):
        for row in rows:
            axes.plot(pixels, [row[f"{by} px"] for by in pixels], marker="o", label=row["network"])
        axes.set(xlabel="test pictures moved by, pixels", ylabel="accuracy", ylim=(0, 1), xticks=pixels)
        axes.legend(loc="lower left")


def draw_neighbours(lab: Lab, pixels: np.ndarray, labels: np.ndarray, asked: list[int], found: dict) -> None:
    """Draw photos and their nearest neighbours.

    Args:
        pixels: uint8 `(photos, size, size, 3)`.
        asked: positions of the photos whose neighbours are shown.
        found: how they were compared -> neighbours `(photos, 5)`.
    """
    rows = [(photo, how) for photo in asked for how in found]
    with lab.picture(
        "neighbours",
        "Photos and their nearest neighbours by pixels and by features",
        len(rows),
        6,
        (6.4, 1.15 * len(rows)),
    ) as (_, axes):
        for row, (photo, how) in zip(axes, rows, strict=True):
            _show(row[0], pixels[photo], "")
            row[0].set_ylabel(how, fontsize=8)
            row[0].set_axis_on()
            row[0].set(xticks=[], yticks=[])
            for panel, other in zip(row[1:], found[how][photo], strict=True):
                _show(panel, pixels[other], "")
                panel.set_axis_on()
                panel.set(xticks=[], yticks=[])
                for side in panel.spines.values():
                    side.set(
                        visible=True,
                        linewidth=2.5,
                        color="#2a9d5c" if labels[other] == labels[photo] else "#d1495b",
                    )


def draw_map(lab: Lab, places: dict[str, np.ndarray], labels: np.ndarray, classes: list[str]) -> None:
    """Draw photos as points, `(photos, 2)`, by pixels and by features."""
    with lab.picture("map", "Photos on a map, by pixels and by features", 1, len(places), (7, 3.3)) as (
        _,
        axes,
    ):
        for panel, (how, points) in zip(axes, places.items(), strict=True):
            for label, name in enumerate(classes):
                of = labels == label
                panel.scatter(*points[of].T, s=9, alpha=0.75, linewidths=0, label=name)
            panel.set(title=how, xticks=[], yticks=[])
        axes[-1].legend(loc="center left", bbox_to_anchor=(1, 0.5))


def _choose_maps(maps: np.ndarray, count: int) -> np.ndarray:
    """Return the channels of `(channels, rows, cols)` that vary most over large parts of the picture."""
    cell = max(1, maps.shape[1] // 7)
    coarse = maps[:, : cell * 7, : cell * 7].reshape(len(maps), 7, cell, 7, cell).mean(axis=(2, 4))
    return np.argsort(-coarse.var(axis=(1, 2)), kind="stable")[:count]


def _show(
    panel, pixels: np.ndarray, title: str, colours: str = "gray", low: float | None = None, high=None
) -> None:
    panel.imshow(pixels, cmap=colours, vmin=low, vmax=high, interpolation="nearest")
    panel.set_title(title)
    panel.set_axis_off()
