"""Measured cases as text: one table each, for the terminal and for Markdown."""

from __future__ import annotations

from typing import Any

HEADER = ("", "dtype", "median", "spread", "ratio", "floor", "share", "same")


def show_time(seconds: float) -> str:
    """Return a time in a unit that fits."""
    for scale, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1e6:.3g} us"


def best_of_pycap(measured: dict[str, Any]) -> dict[str, Any] | None:
    """Return the fastest of pycap's results whose output agrees."""
    ours = [result for result in measured["results"] if result["kind"] == "pycap" and result["agrees"]]
    return min(ours, key=lambda result: result["seconds"], default=None)


def table(measured: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return the header and a row for each contender; times are per item, a ratio is its time over pycap's best."""
    items, best = measured["items"], best_of_pycap(measured)
    with_memory = any(result["memory"] for result in measured["results"])
    lines = [HEADER + (("memory",) if with_memory else ())]
    for result in measured["results"]:
        floor, agreement = result["floor"], result["agreement"]
        same = f"{agreement['same']}/{agreement['of']} {agreement['what']}"
        if agreement["error"]:
            same += f", error {agreement['error']:.1g}"
        line = (
            result["name"] + ("" if result["counts"] else " (not a peer)"),
            result["dtype"],
            show_time(result["seconds"] / items),
            f"± {show_time(result['spread'] / items)}",
            f"{result['seconds'] / best['seconds']:.2f}" if best else "",
            f"{show_time(floor['seconds'] / items)} ({bound_of(floor)})" if floor else "",
            f"{result['share']:.0%}" if floor else "",
            same if result["agrees"] else f"{same}: DISAGREES",
        )
        if with_memory:
            line += (f"{result['memory'] / 2**20:.1f} MB" if result["memory"] else "",)
        lines.append(line)
    return lines


def bound_of(floor: dict[str, Any]) -> str:
    """Return what sets a floor."""
    return "arithmetic" if floor["bound"] == "arithmetic" else f"{floor['level']} reads"


def goal_lines(measured: dict[str, Any]) -> list[str]:
    """Return a line for each goal."""
    return [goal_line(goal) for goal in measured["goals"]]


def goal_line(goal: dict[str, Any]) -> str:
    """Return a goal, what was reached, and whether that is enough."""
    value, reached = goal["value"], goal["reached"]
    of = f" of {' or '.join(goal['against'])}" if goal["against"] else " of the best peer"
    text = {
        "speedup": (f"at least {value:g} x the speed{of}", "{:.2f} x"),
        "share": (f"at least {value:.0%} of the measured multiply-add peak, {goal['dtype']}", "{:.0%}"),
        "seconds": (f"at most {value:g} s", "{:.2f} s"),
        "memory": (f"at most {value:.2f} of the peak memory of the fastest{of[3:]}", "{:.2f}"),
    }[goal["metric"]]
    if reached is None:
        return f"goal {text[0]}: nothing to compare with"
    shown = text[1].format(reached)
    beside = f" ({goal['peer']})" if goal["peer"] else ""
    return f"goal {text[0]}: {shown}{beside}, {'met' if goal['met'] else 'NOT MET'}"


def text_lines(measured: dict[str, Any]) -> list[str]:
    """Return a measured case for a terminal."""
    rows = table(measured)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [f"{measured['title']} (times a {measured['item']})"]
    for row in rows:
        cells = [
            cell.ljust(width) if column in (0, 1) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  " + "  ".join(cells).rstrip())
    lines += [f"  {name}: {why}" for name, why in measured["absent"].items()]
    return lines + [f"  {line}" for line in goal_lines(measured)]


def markdown_lines(measured: dict[str, Any]) -> list[str]:
    """Return a measured case for Markdown."""
    header, *rows = table(measured)
    lines = [f"**{measured['title']}** (times a {measured['item']})", "", f"| {' | '.join(header)} |"]
    lines.append("|" + " --- |" * len(header))
    lines += [f"| {' | '.join(row)} |" for row in rows] + [""]
    lines += [f"- {name}: {why}" for name, why in measured["absent"].items()]
    lines += [f"- {line}" for line in goal_lines(measured)]
    return [*lines, ""] if lines[-1] else lines
