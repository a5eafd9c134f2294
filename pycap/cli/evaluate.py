"""`pycap evaluate`: scores of a checkpoint on a split, as coco-caption computes them."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from pycap import cli
from pycap.cli.options import add_batch_option, add_data_options, add_model_options, add_search_options

SHOWN = ("bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider", "meteor")


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "evaluate",
        help="score a checkpoint on held-out pictures",
        description="Caption every picture of a split and score the captions. The table goes to stderr, "
        "--json to stdout.",
    )
    add_data_options(parser)
    parser.add_argument(
        "--split",
        choices=("train", "dev", "test"),
        default="dev",
        help="which pictures (default: %(default)s)",
    )
    add_batch_option(parser)
    parser.add_argument(
        "--captions", type=Path, metavar="FILE", help="also write captions as COCO results JSON"
    )
    parser.add_argument("--no-meteor", action="store_true", help="leave out METEOR, which starts Java")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    add_search_options(parser)
    add_model_options(parser)


def run(args: argparse.Namespace) -> int:
    """Evaluate; return 0, or 1 if a picture could not be read."""
    from tqdm import tqdm

    from pycap.captioner import Captioner
    from pycap.data import load_dataset
    from pycap.evaluation import evaluate

    if args.captions and not args.captions.absolute().parent.is_dir():
        raise cli.UsageError(f"--captions {args.captions}: its folder does not exist; make it first")
    dataset = load_dataset(args.data, args.format)
    captioner = Captioner.load(args.checkpoint, args.device, args.backend, args.threads)
    options = {name: getattr(args, name) for name in ("beam", "max_length", "length_penalty", "batch_size")}
    with tqdm(
        total=len(dataset.split(args.split)), desc="captioning", unit="picture", dynamic_ncols=True
    ) as bar:
        result = evaluate(captioner, dataset, args.split, not args.no_meteor, bar.update, **options)
    for line in result.failures:
        cli.report(line)
    scores = result.scores
    for name in SHOWN:
        value = "not computed" if scores[name] is None else f"{scores[name]:.4f}"
        print(f"{name:10} {value}", file=sys.stderr)
    print(f"{scores['images']} pictures, {scores['captions_per_second']:.1f} a second", file=sys.stderr)
    if args.json:
        print(json.dumps(scores))
    if args.captions:
        rows = [{"image_id": name, "caption": text} for name, text in result.captions.items()]
        args.captions.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return int(bool(result.failures))
