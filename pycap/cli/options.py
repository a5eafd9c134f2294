"""Options that several commands share, spelled and explained once."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable
from pathlib import Path

from pycap.config import DATA_FORMATS, LIMITS, SearchConfig

MOST = 10_000  # of what an option counts that has no limits of its own: pictures, say


def positive_int(text: str) -> int:
    """Read an option's value that must be a whole number from 1 to `MOST`."""
    return _read(text, int, 1, MOST)


def thread_count(text: str) -> int:
    """Read an option's value that is a number of threads; more than the machine has cores would only wait."""
    return min(positive_int(text), os.cpu_count() or 1)


def search_value(name: str) -> Callable[[str], float]:
    """Return the reader of an option that stands for a setting of the search: within the setting's limits."""
    kind = type(getattr(SearchConfig(), name))
    return lambda text: _read(text, kind, *LIMITS[f"search.{name}"])


def beam_list(text: str) -> tuple[int, ...]:
    """Read an option's value that must be beams, all different, with commas between."""
    beams = tuple(map(search_value("beam"), text.split(",")))
    if len(set(beams)) < len(beams):
        raise argparse.ArgumentTypeError(f"expected different numbers, got {text!r}")
    return beams


def _read(text: str, kind: type[float], low: float, high: float) -> float:
    """Return an option's value, a whole number where `kind` is int."""
    try:
        value = kind(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        whole = "whole " if kind is int else ""
        raise argparse.ArgumentTypeError(f"expected a {whole}number from {low} to {high}, got {text!r}")
    return value


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Add `--data` and `--format`, the arguments of `load_dataset`."""
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the data set")
    parser.add_argument(
        "--format", choices=DATA_FORMATS, default="flickr8k", help="how it is laid out (default: %(default)s)"
    )


def add_batch_option(parser: argparse.ArgumentParser) -> None:
    """Add `--batch-size`: pictures encoded and searched together."""
    parser.add_argument(
        "--batch-size",
        type=positive_int,
        default=16,
        metavar="N",
        help="pictures at a time (default: %(default)s)",
    )


def add_threads_option(parser: argparse._ActionsContainer) -> None:
    """Add `--threads` to a parser or a group of one."""
    parser.add_argument(
        "--threads",
        type=thread_count,
        metavar="N",
        help="CPU threads, at most one a core (default: all the machine allows)",
    )


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add `--checkpoint`, `--device`, `--backend`, `--threads` and `--precision`, the arguments of `Captioner.load`."""
    group = parser.add_argument_group("model")
    group.add_argument(
        "--checkpoint",
        type=Path,
        metavar="DIR",
        help="folder made by `pycap train` (default: the shipped one)",
    )
    group.add_argument("--device", default="cpu", help="cpu, cuda, cuda:N or auto (default: %(default)s)")
    group.add_argument(
        "--backend",
        choices=("native", "reference"),
        help="compiled kernels or plain PyTorch (default: native where it is built)",
    )
    add_threads_option(group)
    group.add_argument(
        "--precision",
        choices=("reduced", "full"),
        default="reduced",
        help="of the native kernels: 8-bit decoder and, on CPUs with AMX or VNNI, 16-bit encoder, or float32 "
        "throughout (default: %(default)s)",
    )


def add_search_options(parser: argparse.ArgumentParser, sweep: bool = False) -> None:
    """Add `--beam`, `--max-length`, `--length-penalty` and `--phrase-weight`; None stands for the checkpoint's setting.

    With `sweep`, `--beam` takes several numbers and its value is a tuple.
    """
    group = parser.add_argument_group("search")
    group.add_argument(
        "--beam",
        type=beam_list if sweep else search_value("beam"),
        metavar="N[,N...]" if sweep else "N",
        help=_shipped(
            "sentences kept alive; 1 is greedy" + ("; several are compared" if sweep else ""), "beam"
        ),
    )
    group.add_argument(
        "--max-length",
        type=search_value("max_length"),
        metavar="N",
        help=_shipped("words at most", "max_length"),
    )
    group.add_argument(
        "--length-penalty",
        type=search_value("length_penalty"),
        metavar="X",
        help=_shipped("0 favours short captions, 1 long ones", "length_penalty"),
    )
    group.add_argument(
        "--phrase-weight",
        type=search_value("phrase_weight"),
        metavar="X",
        help=_shipped(
            "what counts when the best of the beam is chosen: 0 only how likely it is, more also how well its "
            "phrases fit the picture",
            "phrase_weight",
        ),
    )


def _shipped(text: str, name: str) -> str:
    return f"{text} (default: the checkpoint's, {getattr(SearchConfig(), name)} unless it says otherwise)"
