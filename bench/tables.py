"""Write measured tables into RESULTS.md: `python -m bench.tables [results.json] [RESULTS.md]`.

What stands between the two markers is replaced, so no measured number is typed by hand.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from bench import machine, report, rows, sweeps

HERE = Path(__file__).parent
BEGIN, END = "<!-- measured: begin (written by python -m bench.tables) -->", "<!-- measured: end -->"
PICTURES = {  # file -> caption
    "batch": "Latency by batch",
    "vocab": "Latency by vocabulary",
    "beam": "Latency by beam",
    "regions": "Latency by regions",
    "threads": "Latency by threads",
}


def summary_lines(document: dict[str, Any]) -> list[str]:
    """Return the table of goals: one row each."""
    lines = ["| row | case | pycap | best peer | goal | reached |", "| --- | --- | --- | --- | --- | --- |"]
    for name, cases in document["rows"].items():
        for case in cases:
            best = report.best_of_pycap(case)
            peers = [r for r in case["results"] if r["kind"] != "pycap" and r["counts"] and r["agrees"]]
            peer = min(peers, key=lambda result: result["seconds"], default=None)
            shown = [
                f"{report.show_time(r['seconds'] / case['items'])} ({r['name']})" if r else ""
                for r in (best, peer)
            ]
            for goal in case["goals"] or [None]:
                said, _, reached = report.goal_line(goal)[5:].partition(": ") if goal else ("", "", "")
                lines.append(f"| {name} | {case['title']} | {shown[0]} | {shown[1]} | {said} | {reached} |")
    return lines


def measured_lines(document: dict[str, Any], pictures: Path | None = None) -> list[str]:
    """Return everything that was measured as Markdown.

    Args:
        document: what `python -m bench --json` wrote.
        pictures: folder of pictures, relative to the Markdown file; None: no pictures.
    """
    lines = [f"Measured {document['date']}.", ""]
    lines += [f"- {line}" for line in machine.describe_lines(document["machine"])]
    lines += [f"- {line}" for line in machine.warn(document["machine"])]
    lines += ["", "### Goals", "", *summary_lines(document), ""]
    for name, cases in document["rows"].items():
        lines += [f"### {name}: {rows.TITLES[name]}", "", f"`python -m bench {name}`", ""]
        for case in cases:
            lines += report.markdown_lines(case)
    if document["sweeps"]:
        lines += ["### How beam search grows", "", "`python -m bench none --sweep`", ""]
    for axis, curves in document["sweeps"].items():
        if pictures:
            lines += [f"![{PICTURES[axis]}]({pictures / f'{axis}.png'})", ""]
        lines += sweeps.text_lines(axis, curves, lambda text: f"**{text}**")
    if pictures and document["rows"]:
        lines += ["### Roofline", "", f"![Roofline]({pictures / 'roofline.png'})", ""]
    return lines


def rewrite(text: str, lines: list[str]) -> str:
    """Return a Markdown text with the measured part replaced (appended if it has none)."""
    part = "\n".join([BEGIN, "", *lines, END])
    if BEGIN not in text:
        return f"{text.rstrip()}\n\n{part}\n"
    before, _, rest = text.partition(BEGIN)
    return before + part + rest.partition(END)[2]


def main() -> None:
    """Rewrite the file."""
    source, target = (
        Path(word) for word in [*sys.argv[1:], *("results.json", "RESULTS.md")[len(sys.argv) - 1 :]]
    )
    source = source if source.exists() else HERE / source
    target = target if target.exists() else HERE / target
    document = json.loads(source.read_text())
    pictures = Path("pictures") if (target.parent / "pictures").is_dir() else None
    target.write_text(rewrite(target.read_text(), measured_lines(document, pictures)))


if __name__ == "__main__":
    main()
