"""The picture of a sweep: quality against beam, with speed beside it."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

SUFFIXES = (".png", ".svg")
PANELS = (  # title, what is drawn: score, colour, label
    ("CIDEr", [("cider", "#c2410c", None)]),
    ("BLEU-4", [("bleu_4", "#15803d", None)]),
    (
        "captions a second",
        [
            ("searches_per_second", "#1d4ed8", "search alone"),
            ("captions_per_second", "#7c93c4", "reading, encoding and search"),
        ],
    ),
)


def draw_sweep(rows: Sequence[Mapping[str, Any]], title: str, suffix: str = ".png") -> bytes:
    """Draw a sweep's scores and speed.

    Args:
        rows: `Evaluation.scores` of each beam.
        title: a line above.
        suffix: ".png" or ".svg".

    Returns:
        the content of the picture file.

    Raises:
        ValueError: another suffix.
    """
    from matplotlib.figure import Figure

    if suffix not in SUFFIXES:
        raise ValueError(f"suffix must be {' or '.join(SUFFIXES)}, got {suffix!r}")
    rows = sorted(rows, key=lambda row: row["beam"])
    places = range(len(rows))
    figure = Figure(figsize=(11, 3.5), layout="constrained")
    figure.suptitle(title, fontsize=11, x=0.01, ha="left")
    for axes, (name, series) in zip(figure.subplots(1, len(PANELS)), PANELS, strict=True):
        for score, colour, label in series:
            values = [row[score] for row in rows]
            axes.plot(places, values, color=colour, marker="o", markersize=4.5, linewidth=1.8, label=label)
            for place, value in zip(places, values, strict=True):
                text = f"{value:.3f}" if len(series) == 1 else f"{value:.0f}"
                axes.annotate(
                    text,
                    (place, value),
                    (0, 7),
                    textcoords="offset points",
                    ha="center",
                    fontsize=8,
                    color=colour,
                )
        axes.set_title(name, loc="left", fontsize=10)
        axes.set_xticks(list(places), [str(row["beam"]) for row in rows])
        axes.set_xlabel("beam")
        axes.margins(x=0.12, y=0.22)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", alpha=0.25)
        if len(series) > 1:
            axes.set_ylim(0, max(row[score] for row in rows for score, *_ in series) * 1.25)
            axes.legend(frameon=False, fontsize=8)
    file = io.BytesIO()
    figure.savefig(file, dpi=150, format=suffix[1:])
    return file.getvalue()
