"""`pycap caption`: one line on stdout for every picture, in the order given."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pycap import cli
from pycap.cli.options import add_batch_option, add_model_options, add_search_options, positive_int
from pycap.cli.output import FIGURE_SUFFIXES, Output, open_source
from pycap.cli.sidecar import KINDS, sidecar_path

if TYPE_CHECKING:
    from pycap.cli.sources import Source

EPILOG = """\
A folder is walked for pictures, hidden ones left out; a quoted glob ('trip/**/*.jpg') is matched.
- reads standard input: a picture, or names of files and folders, one a line or separated by NUL.
With one picture the line is its caption; with several, or a folder, a glob or a list, PATH<TAB>CAPTION.
With --n-best above 1 each picture has N lines, best first, with the score in a last column.
What cannot be captioned gets one line on stderr, the rest goes on, and the exit code is 1.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "caption",
        help="describe pictures",
        description="Describe pictures in one sentence each.",
        epilog=EPILOG,
    )
    parser.add_argument("inputs", nargs="+", metavar="FILE|FOLDER|GLOB|-", help="what to caption")
    output = parser.add_argument_group("output")
    output.add_argument(
        "--json",
        action="store_true",
        help="one object a line: image, caption, score, n_best, words, attention",
    )
    output.add_argument(
        "--n-best",
        type=positive_int,
        default=1,
        metavar="N",
        help="captions a picture (default: %(default)s)",
    )
    output.add_argument(
        "--attention",
        type=Path,
        metavar="OUT",
        help="draw where the model looked: a file (.png) for one picture; for several a folder, or a file "
        "name that each picture's name is added to (out.png: out-dog.png)",
    )
    output.add_argument(
        "--sidecar", choices=KINDS, help="also write PICTURE.txt or PICTURE.json beside each picture"
    )
    output.add_argument("--resume", action="store_true", help="skip pictures that have their sidecar")
    add_search_options(parser)
    add_model_options(parser)
    add_batch_option(parser)


def run(args: argparse.Namespace) -> int:
    """Caption every picture; return 1 if any failed."""
    _check_options(args)
    from pycap.cli.sources import expand_sources

    try:
        sources = expand_sources(args.inputs, sys.stdin.buffer)
    except ValueError as error:
        raise cli.UsageError(str(error)) from None
    _check_figure_path(args.attention, sources.single)
    if args.sidecar and any(source.data is not None for source in sources.items):
        raise cli.UsageError("--sidecar needs a file: a picture on standard input has no folder to write to")
    wanted = [item for item in sources.items if not (args.resume and _is_done(item, args.sidecar))]
    if len(wanted) < len(sources.items):
        done = len(sources.items) - len(wanted)
        cli.report(f"skipped, sidecar is there: {done} of {len(sources.items)}")
    if not wanted:
        return 0
    output = Output(args.json, args.n_best, sources.single, args.attention, args.sidecar)
    return 0 if _caption_all(args, wanted, output) else 1


def _check_options(args: argparse.Namespace) -> None:
    if args.beam is not None and args.n_best > args.beam:
        raise cli.UsageError(f"--n-best {args.n_best} is more than --beam {args.beam}: widen the beam")
    if args.resume and not args.sidecar:
        raise cli.UsageError(
            "--resume skips pictures that have a sidecar: give --sidecar txt or --sidecar json too"
        )


def _check_figure_path(path: Path | None, single: bool) -> None:
    if path is not None and single and not path.is_dir() and path.suffix.lower() not in FIGURE_SUFFIXES:
        raise cli.UsageError(
            f"--attention {path}: end it in {', '.join(FIGURE_SUFFIXES)}, or name a folder that exists"
        )


def _is_done(source: Source, kind: str) -> bool:
    return not source.problem and sidecar_path(source.name, kind).exists()


def _caption_all(args: argparse.Namespace, sources: list[Source], output: Output) -> bool:
    """Caption sources in order; return whether all went well."""
    from pycap.data.images import ImageError

    results = _stream(args, [source for source in sources if not source.problem])
    failed = False
    with _progress(len(sources)) as bar:
        for source in sources:
            result = source.problem or next(results)
            bar.clear()  # the line about to be printed may be for the same terminal
            problem = str(result) if isinstance(result, (str, ImageError)) else output.write(source, result)
            if problem:
                cli.report(problem)
                failed = True
            bar.update()
    return not failed


def _stream(args: argparse.Namespace, sources: list[Source]) -> Iterator[Any]:
    """Load the model when the first result is asked for, so that wrong names alone cost nothing."""
    from pycap.captioner import Captioner

    captioner = Captioner.load(args.checkpoint, args.device, args.backend, args.threads, args.precision)
    if args.n_best > (args.beam or captioner.search.beam):
        raise cli.UsageError(f"--n-best {args.n_best} is more than the checkpoint's beam: give --beam too")
    yield from captioner.caption_each(
        map(open_source, sources),
        beam=args.beam,
        n_best=args.n_best,
        max_length=args.max_length,
        length_penalty=args.length_penalty,
        phrase_weight=args.phrase_weight,
        batch_size=args.batch_size,
    )


class _Silence:
    """A progress bar that nobody sees, without the time that importing a real one takes."""

    def clear(self) -> None: ...
    def update(self) -> None: ...


@contextmanager
def _progress(total: int) -> Iterator[Any]:
    """Yield a progress bar on stderr; it stays silent for one picture or where nobody watches."""
    if total < 2 or not _watched():
        yield _Silence()
        return
    from tqdm import tqdm

    with tqdm(total=total, unit="picture", file=sys.stderr) as bar:
        yield bar


def _watched() -> bool:
    return sys.stderr.isatty()
