"""`pycap data`: the course's data sets: list them, get them, check them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "data",
        help="list, get and check the course's data sets",
        description="The data sets of the course: what they are, their terms, where they lie. They are looked for "
        "in the folder PYCAP_DATA names, in ./data, in the user's data folder, and in what packages ship.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True, dest="action")
    listing = actions.add_parser("list", help="name, terms, size and place of each data set")
    listing.add_argument("--json", action="store_true", help="one JSON object a data set on stdout")
    getting = actions.add_parser("get", help="download a data set")
    getting.add_argument("name", metavar="NAME", help="as in pycap data list")
    getting.add_argument(
        "--to", type=Path, metavar="DIR", help="its folder (default: NAME in the user's data folder)"
    )
    getting.add_argument(
        "--url",
        metavar="URL",
        help="a mirror: a folder, ending in /, or one file (default: the public addresses)",
    )
    checking = actions.add_parser("check", help="compare a data set with its checksums and counts")
    checking.add_argument("name", metavar="NAME", help="as in pycap data list")
    checking.add_argument(
        "--data", type=Path, metavar="PATH", help="where it lies (default: where pycap data list found it)"
    )
    checking.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    """List, get or check; return 0 if all is well, 1 if a check found something wrong."""
    return {"list": _list, "get": _get, "check": _check}[args.action](args)


def _list(args: argparse.Namespace) -> int:
    from pycap.catalog import DATASETS, locate

    for dataset in DATASETS.values():
        place = locate(dataset)
        if args.json:
            keys = ("name", "title", "terms", "citation", "size")
            entry = {key: getattr(dataset, key) for key in keys}
            print(json.dumps({**entry, "place": None if place is None else str(place)}))
            continue
        print(f"{dataset.name:<14} {_format_size(dataset.size):>8}  {place or 'not here'}")
        print(f"{'':<14} {dataset.title}")
        print(f"{'':<14} terms: {dataset.terms}")
    if not args.json:
        print("pycap data get NAME downloads, pycap data check NAME looks into the files", file=sys.stderr)
    return 0


def _get(args: argparse.Namespace) -> int:
    from pycap.catalog import get_dataset
    from pycap.catalog.fetch import fetch, find_changed
    from pycap.cli import report

    dataset = get_dataset(args.name)
    for line in (f"terms: {dataset.terms}", f"cite: {dataset.citation}"):
        print(f"{dataset.name}: {line}", file=sys.stderr, flush=True)
    folder = fetch(dataset, args.to, url=args.url, say=lambda line: report(line), bar=_show_bytes)
    changed, _ = find_changed(dataset, _find_files(dataset.name, folder))
    for line in changed:
        report(line)
    print(folder)
    return int(bool(changed))


def _check(args: argparse.Namespace) -> int:
    from pycap.catalog import find, get_dataset
    from pycap.catalog.fetch import find_changed
    from pycap.cli.lines import escape_line
    from pycap.course.readers.inspection import inspect

    dataset = get_dataset(args.name)
    path = find(args.name, args.data)
    changed, compared = find_changed(dataset, path) if path.is_dir() else ([], 0)
    found, wrong = inspect(args.name, path)
    wrong = changed + wrong
    if args.json:
        answer = {"name": args.name, "path": str(path), "checksums": compared, "found": found, "wrong": wrong}
        print(json.dumps(answer))
        return int(bool(wrong))
    sums = f"{compared} checksums compared" if compared else "no checksums are known, counts only"
    for line in (f"{path}: {sums}", *found):
        print(escape_line(line), file=sys.stderr)
    for line in wrong:
        print(escape_line(line))
    if not wrong:
        print(f"{args.name}: nothing wrong")
    return int(bool(wrong))


def _find_files(name: str, folder: Path) -> Path:
    """Return where below what was downloaded the files lie."""
    from pycap.catalog import find

    try:
        return find(name, folder)
    except FileNotFoundError:  # a --url that brought something else; the check says what
        return folder


@contextmanager
def _show_bytes(name: str) -> Iterator[Callable[[int, int | None], None]]:
    """Show a bar on a terminal, nothing elsewhere."""
    from tqdm import tqdm

    with tqdm(desc=name, unit="B", unit_scale=True, disable=not sys.stderr.isatty()) as bar:

        def show(done: int, total: int | None) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield show


def _format_size(size: int) -> str:
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size} B"
