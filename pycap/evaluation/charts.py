"""Charts as inline SVG that takes its colours from the page, so that they fit light and dark."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

WIDTH, HEIGHT = 440, 230
LEFT, RIGHT, TOP, BOTTOM = 40, 12, 26, 40  # room for axes
TICKS = (1, 2, 2.5, 5, 10)


def draw_histogram(
    bars: Mapping[str, np.ndarray],
    edges: np.ndarray,
    axis: str,
    says: str,
    median: float | None = None,
    digits: int = 1,
) -> str:
    """Draw how values are spread.

    Args:
        bars: name -> share of the values in each bin, `(bins,)`, 0-1; the first as full bars, a second as a line.
        edges: of the bins, `(bins + 1,)`; what lies above is in the last one.
        axis: what is counted.
        says: the chart in words, for those who cannot see it.
        median: marked, if given.
        digits: decimals of the numbers along the axis; with 0, bins are around whole numbers.

    Returns:
        an `<svg>` element.
    """
    top = max(float(values.max()) for values in bars.values())
    step = _choose_step(top, 4)
    high = step * max(1, np.ceil(top / step))
    across, up = _scale(edges[0], edges[-1]), _scale_up(0, high)
    parts = [_level(up(value), f"{value:.0%}") for value in np.arange(0, high + step / 2, step)]
    (_, values), *others = bars.items()
    for value, low, above in zip(values, edges, edges[1:], strict=False):
        left, width = across(low) + 0.75, across(above) - across(low) - 1.5
        title = (
            f"{low:.2f} to {above:.2f}: {value:.1%}" if digits else f"{(low + above) / 2:.0f}: {value:.1%}"
        )
        parts.append(
            f'<rect class="bar" x="{left:.1f}" y="{up(value):.1f}" width="{max(width, 0.5):.1f}" '
            f'height="{up(0) - up(value):.1f}"><title>{escape(title)}</title></rect>'
        )
    for _, values in others:
        corners = [
            f"{across(edge):.1f},{up(value):.1f}"
            for value, low, above in zip(values, edges, edges[1:], strict=False)
            for edge in (low, above)
        ]
        parts.append(f'<polyline class="line" points="{" ".join(corners)}"/>')
    if median is not None:
        place, right = across(min(median, edges[-1])), median > (edges[0] + edges[-1]) / 2
        parts.append(f'<path class="median" d="M{place:.1f} {TOP - 6}V{up(0):.1f}"/>')
        parts.append(
            f'<text class="note" x="{place + (-5 if right else 5):.1f}" y="{TOP + 2}"'
            f' text-anchor="{"end" if right else "start"}">median {median:.{max(digits, 2)}f}</text>'
        )
    stride = _choose_step(float(edges[-1] - edges[0]), 6)
    for value in np.arange(np.ceil(edges[0] / stride) * stride, edges[-1] + stride / 100, stride):
        parts.append(_mark(across(value), f"{value + 0.0:.{digits}f}"))
    return _frame(parts, axis, says, list(bars) if len(bars) > 1 else [])


def draw_line(rows: Sequence[Mapping[str, Any]], key: str, along: str, says: str, digits: int) -> str:
    """Draw a value against a row's `along`, the rows evenly spaced.

    Args:
        rows: in the order of the axis.
        key: of the value in the rows.
        along: key of the axis, which is also its name.
        says: the chart in words, for those who cannot see it.
        digits: decimals of the numbers at the points.

    Returns:
        an `<svg>` element; the vertical axis begins at 0 unless `digits` is 3, then near the smallest value.
    """
    values = [row[key] for row in rows]
    room = max(max(values) - min(values), max(values) / 1000, 1e-6)  # also where all are the same, or 0
    low = max(0.0, min(values) - room / 3) if digits == 3 else 0.0
    high = max(values) + (room / 3 if digits == 3 else max(max(values) / 5, 1e-6))
    up, across = _scale_up(low, high), _scale(-0.5, len(rows) - 0.5)
    step = _choose_step(high - low, 4)
    halves = f"{step:e}".startswith("2.5")
    decimals = max(0, halves - int(np.floor(np.log10(step) + 1e-9)))
    levels = np.arange(np.ceil(low / step) * step, high + step / 100, step)
    parts = [_level(up(value), f"{value:.{decimals}f}") for value in levels]
    points = [(across(place), up(value)) for place, value in enumerate(values)]
    parts.append(f'<polyline class="line" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>')
    for (x, y), row in zip(points, rows, strict=True):
        parts.append(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="4"/>')
        parts.append(
            f'<text class="note" x="{x:.1f}" y="{y - 10:.1f}" text-anchor="middle">{row[key]:.{digits}f}</text>'
        )
        parts.append(_mark(x, str(row[along])))
    return _frame(parts, along, says, [])


def count_shares(values: Sequence[float], edges: np.ndarray) -> np.ndarray:
    """Return the share of values in each bin, `(bins,)`; what lies beyond the ends is in the outer bins."""
    inside = np.clip(values, edges[0], np.nextafter(edges[-1], edges[0]))
    return np.histogram(inside, edges)[0] / max(len(values), 1)


def _choose_step(span: float, most: int) -> float:
    """Return a round number that divides a span into at most so many parts."""
    rough = max(span, 1e-9) / most
    size = 10.0 ** np.floor(np.log10(rough))
    return float(size * next(factor for factor in TICKS if factor * size >= rough * 0.999))


def _scale(low: float, high: float) -> Callable[[float], float]:
    return lambda value: LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT)


def _scale_up(low: float, high: float) -> Callable[[float], float]:
    return lambda value: HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)


def _level(y: float, text: str) -> str:
    return (
        f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
        f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>'
    )


def _mark(x: float, text: str) -> str:
    return f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{text}</text>'


def _frame(parts: list[str], axis: str, says: str, names: list[str]) -> str:
    parts.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 6}" text-anchor="middle">{axis}</text>'
    )
    place = WIDTH - RIGHT
    for name, kind in reversed(list(zip(names, ("main", "other"), strict=False))):
        parts.append(f'<text x="{place}" y="12" text-anchor="end">{escape(name)}</text>')
        place -= 7 * len(name) + 16
        parts.append(f'<rect class="key {kind}" x="{place}" y="3" width="10" height="10" rx="2"/>')
        place -= 14
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(says)}">{"".join(parts)}</svg>'
    )
