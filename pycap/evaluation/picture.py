"""The picture of a sweep: quality against beam, with speed beside it."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from pycap.evaluation.labels import SWEPT

SUFFIXES = (".png", ".svg")
COLOURS = {"cider": "#c2410c", "bleu_4": "#15803d"}
SPEED = "#1d4ed8"  # of the rest of what is swept


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
    from matplotlib.patheffects import withStroke

    if suffix not in SUFFIXES:
        raise ValueError(f"suffix must be {' or '.join(SUFFIXES)}, got {suffix!r}")
    rows = sorted(rows, key=lambda row: row["beam"])
    places = range(len(rows))
    figure = Figure(figsize=(13, 3.3), layout="constrained")
    figure.suptitle(title, fontsize=11, x=0.01, ha="left")
    halo = [withStroke(linewidth=3, foreground="white")]
    for axes, (score, (name, digits)) in zip(figure.subplots(1, len(SWEPT)), SWEPT.items(), strict=True):
        values = [row[score] for row in rows]
        axes.plot(places, values, color=COLOURS.get(score, SPEED), marker="o", markersize=4.5, linewidth=1.8)
        for point in zip(places, values, strict=True):
            text = f"{point[1]:.{digits}f}"
            where = {"xytext": (0, 7), "textcoords": "offset points", "ha": "center"}
            axes.annotate(text, point, **where, fontsize=8.5, path_effects=halo)
        axes.set_title(name, loc="left", fontsize=10)
        axes.set_xticks(list(places), [str(row["beam"]) for row in rows])
        axes.set_xlabel("beam")
        axes.margins(x=0.15, y=0.25)
        if digits < 3:  # speed
            axes.set_ylim(0, max(values) * 1.2)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", alpha=0.25)
    file = io.BytesIO()
    figure.savefig(file, dpi=150, format=suffix[1:])
    return file.getvalue()
