"""Run the performance claims of pycap beside their peers: `python -m bench [ROW ...] [--json FILE]`."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from bench import machine, report, rows
from bench.case import AXES, PEERS, Settings, measure


def parse() -> argparse.Namespace:
    """Read the command line."""
    known = "\n".join(f"  {name:<14}{rows.TITLES[name]}" for name in rows.TITLES)
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=f"{__doc__.splitlines()[0]}\n\nrows:\n{known}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "rows", nargs="*", metavar="ROW", help="which to run (default: all; none: for --sweep alone)"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="also write what was measured; rows not run stay"
    )
    parser.add_argument("--rounds", type=int, help="blocks of each rival (default: 7; with --quick: 1)")
    parser.add_argument("--threads", type=int, help="of every rival (default: usable cores)")
    parser.add_argument("--peers", help=f"of {','.join(PEERS)}, or none (default: all)")
    parser.add_argument(
        "--data", type=Path, help="folder with JPEG files to caption (default: drawn pictures)"
    )
    axes = ",".join(AXES)
    about = f"also measure how beam search grows with its sizes: some of {axes} (default: all)"
    parser.add_argument("--sweep", nargs="?", const=axes, metavar="AXES", help=about)
    parser.add_argument(
        "--quick", action="store_true", help="tiny shapes, one round: does everything run and agree?"
    )
    options = parser.parse_args()
    options.rows = [] if options.rows == ["none"] else options.rows or list(rows.TITLES)
    for name in options.rows:
        if name not in rows.TITLES:
            parser.error(f"no row {name!r}; there are {', '.join(rows.TITLES)}")
    chosen = PEERS if options.peers is None else tuple(filter(None, options.peers.split(",")))
    options.peers = () if chosen == ("none",) else chosen
    for kind in options.peers:
        if kind not in PEERS:
            parser.error(f"no kind of peer {kind!r}; there are {', '.join(PEERS)}")
    options.sweep = options.sweep.split(",") if options.sweep else []
    for axis in options.sweep:
        if axis not in AXES:
            parser.error(f"no axis {axis!r} to sweep; there are {axes}")
    for name in ("rounds", "threads"):
        if (getattr(options, name) or 1) < 1:
            parser.error(f"--{name} must be at least 1")
    return options


def main() -> int:
    """Run the rows; return 1 if any rival's results disagree."""
    options = parse()
    import torch

    from pycap import ops

    threads = options.threads or ops.describe()["threads"] or torch.get_num_threads()
    torch.set_num_threads(threads)
    ops.set_threads(threads)
    rounds = options.rounds or (1 if options.quick else 7)
    settings = Settings(threads, rounds, options.quick, options.peers, options.data)
    found = machine.describe(threads, options.quick)
    for line in [*machine.describe_lines(found), *(f"WARNING: {line}" for line in machine.warn(found))]:
        print(line, flush=True)
    document: dict[str, Any] = {"rows": {}, "sweeps": {}}
    if options.json and options.json.exists():
        document |= json.loads(options.json.read_text())
    document["machine"], document["date"] = found, time.strftime("%Y-%m-%d")

    def save() -> None:
        if options.json:
            options.json.write_text(json.dumps(document, indent=1) + "\n")

    wrong = 0
    for name in options.rows:
        print(f"\n== {name}: {rows.TITLES[name]}", flush=True)
        measured = document["rows"][name] = []
        for case in rows.cases_of(name, settings):
            measured.append(measure(case, settings, found))
            print("\n" + "\n".join(report.text_lines(measured[-1])), flush=True)
            wrong += sum(not result["agrees"] for result in measured[-1]["results"])
            save()
    if options.sweep:
        from bench import sweeps

        for axis, curves in sweeps.run(options.sweep, settings, found):
            document["sweeps"][axis] = curves
            print("\n" + "\n".join(sweeps.text_lines(axis, curves)), flush=True)
            save()
    if wrong:
        print(f"\n{wrong} results DISAGREE with pycap's", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
