"""How the cost of beam search grows: with beam, batch, vocabulary, regions and threads.

Every curve changes one size of the decode row's shape, at a batch of one picture and of many. Contenders are all
precisions of pycap and the eager peer; both curves of a point are measured side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch

from bench import report
from bench.case import Settings, measure
from bench.rows.decode import Shape, make_case
from pycap import ops

MANY = 64  # pictures of the larger batch
ROUNDS = 3
EAGER = "eager"  # the one peer of the curves, by name
VALUES: dict[str, tuple[int, ...]] = {
    "beam": (1, 2, 3, 5, 8, 12, 16, 20),
    "batch": (1, 2, 4, 8, 16, 32, 64, 128, 256),
    "vocab": (1_000, 2_500, 5_000, 10_000, 20_000, 50_000),
    "regions": (49, 81, 121, 144, 196),
    "threads": (),  # filled by the machine
}
QUICK = {"beam": (1, 3), "batch": (1, 2), "vocab": (40, 60), "regions": (4, 9), "threads": (1, 2)}


def run(
    axes: Sequence[str], settings: Settings, machine: dict[str, Any]
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield the wanted axes with their curves, one a batch size.

    A curve is {"shape", "values", "series": name -> {"seconds": [...], "spread": [...]} of one caption}.
    """
    base = Shape(1, 40, beam=3, regions=4, dim=16, steps=4) if settings.quick else Shape(1, 2_500)
    known = QUICK if settings.quick else {**VALUES, "threads": tuple(range(1, settings.threads + 1))}
    peers = tuple(kind for kind in settings.peers if kind == EAGER)
    settings = replace(settings, peers=peers, rounds=min(settings.rounds, ROUNDS))
    for axis in axes:
        batches = (1,) if axis == "batch" else (1, 2 if settings.quick else MANY)
        yield (
            axis,
            [
                run_curve(axis, known[axis], replace(base, batch=batch), settings, machine)
                for batch in batches
            ],
        )


def run_curve(
    axis: str, values: tuple[int, ...], base: Shape, settings: Settings, machine: dict[str, Any]
) -> dict[str, Any]:
    """Measure one curve."""
    series: dict[str, dict[str, list[float]]] = {}
    for value in values:
        measured = measure_point(axis, value, base, settings, machine)
        for result in measured["results"]:
            line = series.setdefault(result["name"], {"kind": result["kind"], "seconds": [], "spread": []})
            line["seconds"].append(result["seconds"] / measured["items"])
            line["spread"].append(result["spread"] / measured["items"])
    return {"shape": {**vars(base), axis: None}, "values": list(values), "series": series}


def measure_point(
    axis: str, value: int, base: Shape, settings: Settings, machine: dict[str, Any]
) -> dict[str, Any]:
    """Measure one point with pycap and the eager peer."""
    if axis == "threads":
        with_threads(value)
        case = make_case(base, replace(settings, threads=value))
    else:
        case = make_case(replace(base, **{axis: value}), settings)
    kept = [contender for contender in case.contenders if contender.ours or contender.name == EAGER]
    try:
        return measure(replace(case, contenders=kept), settings, machine)
    finally:
        with_threads(settings.threads)


def with_threads(count: int) -> None:
    """Set the threads of PyTorch and of pycap."""
    torch.set_num_threads(count)
    ops.set_threads(count)


def text_lines(axis: str, curves: list[dict[str, Any]], bold: Callable[[str], str] = str) -> list[str]:
    """Return an axis' curves as a table of times a caption."""
    lines = []
    for curve in curves:
        batch = "" if axis == "batch" else f", batch {curve['shape']['batch']}"
        lines.append(bold(f"by {axis}{batch} (times a caption)"))
        lines.append("")
        lines.append(f"| {axis} | " + " | ".join(f"{value:,}" for value in curve["values"]) + " |")
        lines.append("|" + " --- |" * (1 + len(curve["values"])))
        for name, line in curve["series"].items():
            lines.append(f"| {name} | " + " | ".join(map(report.show_time, line["seconds"])) + " |")
        lines.append("")
    return lines
