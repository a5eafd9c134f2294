"""`pycap export`: a checkpoint that captions without PyTorch."""

from __future__ import annotations

import argparse
from pathlib import Path

from pycap import cli


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "export",
        help="make a checkpoint complete, to caption without PyTorch, or small",
        description="Add to a checkpoint what captioning without PyTorch needs: the weights of the CNN's frozen part "
        "(cnn.safetensors). Checkpoints that `pycap train` writes today have it. With --int8, make a smaller copy.",
    )
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="folder made by `pycap train`")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="make a copy there (default: complete the checkpoint itself)",
    )
    parser.add_argument(
        "--int8",
        action="store_true",
        help="store the matrices of decoder (as the search rounds them anyway) and region encoder in 8 bits, and "
        "the CNN's frozen part in float16; wants --out",
    )


def run(args: argparse.Namespace) -> int:
    """Complete the checkpoint; print where it is."""
    from pycap.checkpoint import export

    if args.int8 and args.out is None:
        raise cli.UsageError("--int8 rounds weights for good; name the smaller copy with --out FOLDER")
    if not export(args.checkpoint, args.out, args.int8):
        cli.report(f"{args.checkpoint}: is complete, nothing to do")
    print(args.out or args.checkpoint)
    return 0
