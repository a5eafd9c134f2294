"""`pycap train`: from a folder of captioned pictures to a checkpoint."""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import fields, replace
from pathlib import Path

from pycap import cli
from pycap.cli.options import add_data_options, add_threads_option
from pycap.config import SHIPPED, Config

SHORTCUTS = {  # option -> setting
    "epochs": "train.epochs",
    "images_per_batch": "train.images_per_batch",
    "learning_rate": "train.learning_rate",
    "seed": "train.seed",
    "cnn": "model.cnn",
    "beam": "search.beam",
}


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "train",
        help="train a captioner on pictures with captions",
        description="Train a captioner. Any setting of the recipe can be changed with --set section.name=value.",
    )
    add_data_options(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="RUN", help="folder of the run")
    parser.add_argument("--resume", action="store_true", help="continue the run in --out")
    defaults = Config()
    for option, setting in SHORTCUTS.items():
        section, name = setting.split(".")
        default = getattr(getattr(defaults, section), name)
        parser.add_argument(
            f"--{option.replace('_', '-')}", type=type(default), help=f"{setting} (default: {default})"
        )
    parser.add_argument(
        "--set", action="append", default=[], metavar="S.N=V", help="change a setting, repeatable"
    )
    parser.add_argument(
        "--from",  # not --start, which torchrun takes for one of its own
        dest="start",
        type=Path,
        nargs="?",
        const=SHIPPED,
        metavar="CHECKPOINT",
        help="go on from a trained captioner (without a name: the shipped one), with its words, sizes and search",
    )
    parser.add_argument(
        "--teacher",
        type=Path,
        action="append",
        default=[],
        metavar="CHECKPOINT",
        help="learn from a captioner trained on the same captions as well (train.distillation), repeatable",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    parser.add_argument(
        "--precision",
        choices=("auto", "fp32", "bf16"),
        default="auto",
        help="auto: bf16 on CUDA, else fp32 (default: %(default)s)",
    )
    add_threads_option(parser)
    parser.add_argument(
        "--cache", type=Path, default=None, metavar="DIR", help="feature cache (default: ~/.cache/pycap)"
    )


def build_config(args: argparse.Namespace) -> Config:
    """Return the settings the options ask for.

    Raises:
        ValueError: a setting does not exist or fit; the message names it.
        CheckpointError: `--from` is no checkpoint.
    """
    config = Config() if args.start is None else inherit(args.start)
    for option, setting in SHORTCUTS.items():
        if getattr(args, option) is not None:
            config = change(config, setting, str(getattr(args, option)))
    for assignment in args.set:
        setting, equals, value = assignment.partition("=")
        if not equals:
            raise ValueError(f"--set {assignment}: write it as section.name=value")
        config = change(config, setting, value)
    return config


def inherit(start: Path) -> Config:
    """Return the settings to go on from a checkpoint with: its pictures, sizes and search, and today's recipe."""
    from pycap import checkpoint

    return replace(checkpoint.load(start).config, train=Config().train)


def change(config: Config, setting: str, value: str) -> Config:
    """Return settings with one changed.

    Args:
        config: the settings.
        setting: "section.name".
        value: as typed; read as the type of the default.

    Raises:
        ValueError: no such setting, or a value of another type.
    """
    section, _, name = setting.partition(".")
    known = {
        f"{part.name}.{field.name}" for part in fields(config) for field in fields(getattr(config, part.name))
    }
    if setting not in known:
        raise ValueError(f"--set {setting}: no such setting; there are {', '.join(sorted(known))}")
    kind = type(getattr(getattr(config, section), name))
    try:
        typed = {"true": True, "false": False}[value.lower()] if kind is bool else kind(value)
    except (ValueError, KeyError):
        raise ValueError(f"--set {setting}={value}: expected {kind.__name__}") from None
    return replace(config, **{section: replace(getattr(config, section), **{name: typed})})


def run(args: argparse.Namespace) -> int:
    """Train; return the exit code."""
    try:
        config = build_config(args)
        config.check()
    except ValueError as error:
        raise cli.UsageError(str(error)) from None
    from pycap.training import train

    try:
        state = train(
            data=args.data,
            format=args.format,
            out=args.out,
            config=config,
            resume=args.resume,
            device=args.device,
            precision=args.precision,
            threads=args.threads,
            cache=args.cache,
            command=shlex.join(["pycap", *sys.argv[1:]]),
            teachers=args.teacher,
            start=args.start,
        )
    except KeyboardInterrupt:
        print(f"pycap: stopped; go on with the same command and --resume (run {args.out})", file=sys.stderr)
        raise
    if state is not None:
        print(args.out / "best")
    return 0
