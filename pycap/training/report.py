"""What a run leaves for people: a CSV log, a picture of the loss, a model card."""

from __future__ import annotations

import csv
import os
from math import isnan
from pathlib import Path

from pycap.training.state import TrainState


def write_log(state: TrainState, path: Path) -> None:
    """Write one CSV line per epoch, all of them anew, so that the log always fits the state."""
    fresh = path.with_suffix(".tmp")
    with open(fresh, "w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(state.history[0]))
        writer.writeheader()
        for row in state.history:
            writer.writerow({name: "" if isnan(value) else f"{value:.6g}" for name, value in row.items()})
    os.replace(fresh, path)


def write_loss_picture(state: TrainState, path: Path) -> None:
    """Draw training loss by step, and dev CIDEr and BLEU-4 by epoch, side by side."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    if state.losses:
        steps, losses = zip(*state.losses, strict=True)
        left.plot(steps, losses, color="#9ecae1", linewidth=0.8, label="every 10th step")
    first = [row for row in state.history if row["phase"] == 1]
    later = [row["epoch"] for row in state.history if row["phase"] > 1]
    left.plot(
        [row["step"] for row in first],
        [row["loss"] for row in first],
        color="#08519c",
        marker="o",
        markersize=3,
        label="mean of epoch",
    )
    left.set(xlabel="step", ylabel="loss per word", title="training loss")
    left.legend(frameon=False)
    epochs = [row["epoch"] for row in state.history]
    for score, name, colour in (("cider", "CIDEr", "#d94801"), ("bleu_4", "BLEU-4", "#238b45")):
        values = [row[score] for row in state.history]
        right.plot(epochs, values, color=colour, marker="o", markersize=3, label=name)
    if later:
        right.axvline(later[0] - 0.5, color="#999999", linestyle=":", label="self-critical from here")
    right.set(xlabel="epoch", title="dev scores, beam search", ylim=(0, None))
    right.legend(frameon=False)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    fresh = path.with_suffix(".tmp")
    figure.savefig(fresh, dpi=130, format="png")
    os.replace(fresh, path)
