"""Draw measured curves and the roofline: `python -m bench.pictures [results.json] [FOLDER]`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

HERE = Path(__file__).parent
LABELS = {
    "batch": "pictures in a batch",
    "vocab": "words in the vocabulary",
    "beam": "width of the beam",
    "regions": "regions of a picture",
    "threads": "threads",
}
COLOURS = {"pycap": ("#0b6e4f", "#08a045", "#6bbf59"), "eager": ("#b3541e", "#e08e45")}
MARKS = ("o", "s", "^", "D")
LOGARITHMIC = {"batch", "vocab"}


def draw_sweep(axis: str, curves: list[dict[str, Any]]) -> Figure:
    """Draw an axis' curves: one panel a batch size."""
    figure, panels = plt.subplots(1, len(curves), figsize=(5 * len(curves) + 0.5, 3.8), squeeze=False)
    for panel, curve in zip(panels[0], curves, strict=True):
        draw_curves(panel, axis, curve)
    figure.tight_layout()
    return figure


def draw_curves(panel: Axes, axis: str, curve: dict[str, Any]) -> None:
    """Draw one panel: milliseconds a caption, spread as bars."""
    used = dict.fromkeys(COLOURS, 0)
    for name, line in curve["series"].items():
        number = used[line["kind"]]
        used[line["kind"]] += 1
        shades = COLOURS[line["kind"]]
        panel.errorbar(
            curve["values"],
            [1e3 * seconds for seconds in line["seconds"]],
            [1e3 * spread for spread in line["spread"]],
            label="eager PyTorch" if name == "eager" else name,
            color=shades[number % len(shades)],
            marker=MARKS[number % len(MARKS)],
            markersize=4,
            capsize=2,
        )
    shape = curve["shape"]
    fixed = {"beam": "beam", "vocab": "vocabulary", "regions": "regions", "batch": "batch"}
    parts = [f"{label} {shape[name]:,}" for name, label in fixed.items() if name != axis and shape[name]]
    panel.set_title(", ".join(parts), fontsize=9)
    if axis in LOGARITHMIC:
        panel.set_xscale("log")
        panel.set_yscale("log")
        panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.yaxis.set_major_formatter("{x:g}")
        panel.yaxis.set_minor_locator(NullLocator())
    else:
        panel.set_ylim(bottom=0)
    panel.set_xticks(curve["values"], [f"{value:,}" for value in curve["values"]], fontsize=8)
    panel.set_xticks([], minor=True)
    panel.set_xlabel(LABELS[axis])
    panel.set_ylabel("milliseconds a caption")
    panel.grid(True, which="both", alpha=0.25)
    panel.legend(fontsize=8, frameon=False)


def draw_roofline(document: dict[str, Any]) -> Figure:
    """Draw what pycap's kernels reach under the measured limits of arithmetic and memory."""
    limits, threads = document["machine"]["limits"], document["machine"]["threads"]
    figure, panel = plt.subplots(figsize=(8, 5))
    peak = limits["gflops"][1]
    intensity = [2 ** (power / 8) for power in range(-16, 81)]
    styles = {"L2": "-", "L3": "--", "DRAM": ":"}
    for level, (_, speed) in limits["gbs"].items():
        roof = [min(peak, speed * flops) for flops in intensity]
        label = f"read from {level}, {speed:.0f} GB/s"
        panel.plot(intensity, roof, color="#444444", linestyle=styles[level], linewidth=1, label=label)
    panel.text(intensity[-1], peak * 1.06, f"multiply-add peak {peak:.0f} GFLOP/s", ha="right", fontsize=8)
    points = find_points(document)
    for number, (name, x, y) in enumerate(points):
        panel.plot(x, y, MARKS[number % len(MARKS)], color=f"C{number}", label=name)
    panel.set_xscale("log", base=2)
    panel.set_yscale("log")
    panel.set_ylim(top=peak * 1.6)
    panel.set_xlabel("operations a byte (of the folded computation, every byte moved once)")
    panel.set_ylabel("GFLOP/s")
    panel.set_title(f"Roofline of {document['machine']['cpu']}, {threads} threads, float32", fontsize=10)
    panel.grid(True, which="both", alpha=0.2)
    panel.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.tight_layout()
    return figure


def find_points(document: dict[str, Any]) -> list[tuple[str, float, float]]:
    """Return name, operations a byte and GFLOP/s of every float32 result of pycap that has a floor."""
    points = []
    for name, cases in document["rows"].items():
        for case in cases:
            for result in case["results"]:
                floor = result["floor"]
                if floor and result["kind"] == "pycap" and result["dtype"] == "float32":
                    shape = case["shape"]
                    sizes = [f"{key} {shape[key]:,}" for key in ("batch", "vocab") if key in shape]
                    label = ", ".join([name, *sizes])
                    rate = floor["operations"] / result["seconds"] / 1e9
                    points.append((label, floor["operations"] / floor["bytes"], rate))
    return points


def main() -> None:
    """Write a picture for every sweep, and the roofline."""
    words = sys.argv[1:]
    source = Path(words[0]) if words else HERE / "results.json"
    folder = Path(words[1]) if len(words) > 1 else HERE / "pictures"
    document = json.loads(source.read_text())
    folder.mkdir(parents=True, exist_ok=True)
    figures = {axis: draw_sweep(axis, curves) for axis, curves in document["sweeps"].items()}
    if document["rows"]:
        figures["roofline"] = draw_roofline(document)
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png", dpi=110, metadata={"Software": None})
        plt.close(figure)


if __name__ == "__main__":
    main()
