"""The pictures of the checkpoint."""

from __future__ import annotations

import numpy as np

from pycap.course.checkpoint4.report import Verdict
from pycap.course.lab import Lab

PRAISE, BLAME = "#2b7bba", "#c8553d"


def draw_curves(lab: Lab, curves: dict[str, np.ndarray], baseline: float) -> None:
    """Draw validation accuracy after each epoch: each seed thin, their mean thick."""
    with lab.picture(
        "curves", "Validation accuracy after each epoch, with and without attention", size=(6.2, 3.4)
    ) as (_, axes):
        for (name, runs), colour in zip(curves.items(), (PRAISE, BLAME), strict=False):
            epochs = np.arange(1, runs.shape[1] + 1)
            axes.plot(epochs, runs.T, color=colour, linewidth=0.8, alpha=0.45)
            axes.plot(epochs, runs.mean(0), color=colour, linewidth=2.2, label=name)
        axes.axhline(
            baseline, color="0.35", linestyle="--", linewidth=1, label="TF-IDF, same validation part"
        )
        axes.set(xlabel="epoch", ylabel="accuracy", title="On a part cut from the training sentences")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend(loc="lower right")


def draw_attention(lab: Lab, verdicts: list[Verdict]) -> None:
    """Draw sentences, each word on a ground as dark as its attention, red or blue by its effect."""
    lines = 5.6
    with lab.picture(
        "attention",
        "Sentences with the attention and the effect of every word",
        size=(lines, 0.72 * len(verdicts) + 0.5),
    ) as (figure, axes):
        axes.set_axis_off()
        axes.set(xlim=(0, 1), ylim=(len(verdicts), -0.35))
        figure.canvas.draw()
        renderer = figure.canvas.get_renderer()
        place = axes.transData.inverted()
        for row, verdict in enumerate(verdicts):
            title = f"{verdict.label} {verdict.probability:.2f}"
            axes.text(0.0, row, title, fontsize=8, color="0.35", va="center")
            left, top = 0.0, row + 0.38
            largest = verdict.attention.max()
            for word, weight, effect in zip(verdict.words, verdict.attention, verdict.effect, strict=True):
                ground = PRAISE if effect >= 0 else BLAME
                shade = 0.85 * float(weight / largest)
                text = axes.text(
                    left + 0.006,
                    top,
                    word,
                    fontsize=9,
                    va="center",
                    color="white" if shade > 0.6 else "black",
                    bbox={"facecolor": ground, "alpha": shade, "edgecolor": "none", "pad": 1.6},
                )
                box = text.get_window_extent(renderer)
                (start, _), (end, _) = place.transform([(box.x0, 0), (box.x1, 0)])
                left += end - start + 0.016


def draw_lengths(lab: Lab, lengths: np.ndarray, right: dict[str, np.ndarray]) -> None:
    """Draw accuracy by sentence length, in quarters of the held-out sentences.

    Args:
        lengths: words of each sentence.
        right: whether each sentence was classified rightly, by method.
    """
    edges = np.quantile(lengths, (0, 0.25, 0.5, 0.75, 1))
    group = np.clip(np.searchsorted(edges, lengths, side="left") - 1, 0, 3)
    names = [f"{int(lengths[group == i].min())}-{int(lengths[group == i].max())}" for i in range(4)]
    with lab.picture("lengths", "Held-out accuracy by length of the sentence", size=(6.2, 3.4)) as (_, axes):
        width = 0.8 / len(right)
        for i, (name, hits) in enumerate(right.items()):
            heights = [hits[group == g].mean() for g in range(4)]
            errors = [2 * (h * (1 - h) / (group == g).sum()) ** 0.5 for g, h in enumerate(heights)]
            places = np.arange(4) + (i - (len(right) - 1) / 2) * width
            axes.bar(
                places, heights, width * 0.9, yerr=errors, label=name, color=("0.6", BLAME, PRAISE)[i % 3],
                error_kw={"linewidth": 0.8, "ecolor": "0.3"},
            )  # fmt: skip
        axes.set_xticks(range(4), names)
        axes.set(
            xlabel="words in the sentence (a quarter of the sentences each)",
            ylabel="accuracy",
            ylim=(0.5, 1.0),
            title="Bars: two standard errors",
        )
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=3)
