"""`pycap check`: what is wrong with a data set, before anything is trained on it."""

from __future__ import annotations

import argparse
import json
import sys

from pycap.cli.options import add_data_options


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "check",
        help="report what is wrong with a data set",
        description="Look at every picture and caption of a data set and report what training would leave out.",
    )
    add_data_options(parser)
    parser.add_argument("--fast", action="store_true", help="do not decode pictures")
    parser.add_argument("--json", action="store_true", help="one JSON object a problem on stdout")


def run(args: argparse.Namespace) -> int:
    """Check; return 0 if every picture can be used, 1 if some have to be left out."""
    from tqdm import tqdm

    from pycap.data import check_dataset, load_dataset

    dataset = load_dataset(args.data, args.format)
    with tqdm(
        total=len(dataset), desc="checking", unit="picture", disable=args.fast or not sys.stderr.isatty()
    ) as bar:
        report = check_dataset(dataset, decode=not args.fast, progress=lambda *_: bar.update())
    for problem in report.problems:
        print(json.dumps(vars(problem)) if args.json else problem)
    for line in report.summary():
        print(line, file=sys.stderr)
    return int(len(report.usable) < len(dataset))
