"""`pycap export`: a checkpoint that captions without PyTorch."""

from __future__ import annotations

import argparse
from pathlib import Path

from pycap import cli


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "export",
        help="make a checkpoint complete, to caption without PyTorch",
        description="Add to a checkpoint what captioning without PyTorch needs: the weights of the CNN's frozen part "
        "(cnn.safetensors). Checkpoints that `pycap train` writes today have it.",
    )
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="folder made by `pycap train`")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="make a copy there (default: complete the checkpoint itself)",
    )


def run(args: argparse.Namespace) -> int:
    """Complete the checkpoint; print where it is."""
    from pycap.checkpoint import export

    if not export(args.checkpoint, args.out):
        cli.report(f"{args.checkpoint}: is complete, nothing to do")
    print(args.out or args.checkpoint)
    return 0
