"""`pycap evaluate`: scores of a checkpoint or of another system's captions, as coco-caption computes them."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pycap import cli
from pycap.cli.options import (
    add_batch_option,
    add_data_options,
    add_model_options,
    add_search_options,
    positive_int,
)
from pycap.cli.sidecar import check_writable, is_replaced, write_atomically

if TYPE_CHECKING:
    from pycap.captioner import Captioner
    from pycap.data import CaptionDataset
    from pycap.evaluation import Evaluation

SEARCH_OPTIONS = ("max_length", "length_penalty", "phrase_weight")
QUALITY = ("bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider", "meteor", "spice")
MODEL_OPTIONS = (
    "checkpoint",
    "device",
    "backend",
    "threads",
    "precision",
    "beam",
    *SEARCH_OPTIONS,
)
MODEL_OPTIONS += ("batch_size", "captions", "picture")  # those that --results leaves nothing to do
SUFFIXES = {"captions": (), "sentences": (".csv", ".json"), "picture": (".png", ".svg")}
SUFFIXES["report"] = (".html", ".htm")


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "evaluate",
        help="score a checkpoint or a results file on held-out pictures",
        description="Caption every picture of a split and score the captions, or score the captions that another\n"
        "system wrote. The table goes to stderr, --json to stdout. Of a sweep (--beam 1,3,5), --captions,\n"
        "--sentences and --report show the beam with the best CIDEr.",
    )
    add_data_options(parser)
    parser.add_argument(
        "--split",
        choices=("train", "dev", "test"),
        default="dev",
        help="which pictures (default: %(default)s)",
    )
    parser.add_argument(
        "--results",
        type=Path,
        metavar="FILE",
        help='score these captions, COCO results JSON: [{"image_id": ..., "caption": ...}, ...]; no model needed',
    )
    add_batch_option(parser)
    parser.add_argument("--no-meteor", action="store_true", help="leave out METEOR, which starts Java")
    parser.add_argument(
        "--spice", action="store_true", help="also SPICE, which needs Java and Stanford CoreNLP"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    group = parser.add_argument_group("files to write")
    group.add_argument(
        "--captions", type=Path, metavar="FILE", help="the captions as COCO results JSON, for --results"
    )
    group.add_argument(
        "--sentences",
        type=Path,
        metavar="FILE",
        help="every caption with its own scores and references, worst first, .csv or .json",
    )
    group.add_argument(
        "--picture", type=Path, metavar="FILE", help="quality and speed of a sweep by beam, .png or .svg"
    )
    group.add_argument(
        "--report", type=Path, metavar="FILE", help="all of it as one page with pictures, .html"
    )
    group.add_argument(
        "--report-pictures",
        type=positive_int,
        default=12,
        metavar="N",
        help="the best, median and worst N in the report (default: %(default)s)",
    )
    add_search_options(parser, sweep=True)
    add_model_options(parser)


def run(args: argparse.Namespace) -> int:
    """Evaluate; return 0, or 1 if a picture could not be read."""
    from pycap.data import load_dataset

    check_options(args)
    dataset = load_dataset(args.data, args.format)
    if args.results:
        captioner, evaluations = None, [score_results(args, dataset)]
    else:
        captioner, evaluations = score_model(args, dataset)
    best = max(evaluations, key=lambda evaluation: evaluation.scores["cider"])
    for line in best.failures:
        cli.report(line)
    print_table(evaluations)
    if args.json:
        print(json.dumps(describe(evaluations)), flush=True)
    write_files(args, dataset, captioner, evaluations, best)
    return int(bool(best.failures))


def check_options(args: argparse.Namespace) -> None:
    """Raise UsageError for options that do not fit together and files that cannot be written."""
    if args.results:
        given = [name for name in MODEL_OPTIONS if getattr(args, name) != args.parser.get_default(name)]
        if given:
            option = "--" + given[0].replace("_", "-")
            raise cli.UsageError(
                f"{option} is for captions that pycap makes; --results has its own: leave one out"
            )
    if args.picture and len(args.beam or ()) < 2:
        raise cli.UsageError("--picture draws a sweep: give several beams, such as --beam 1,3,5,10")
    taken = {args.results.resolve(): "--results"} if args.results else {}
    for name, suffixes in SUFFIXES.items():
        path = getattr(args, name)
        if path is None:
            continue
        if not path.absolute().parent.is_dir():
            raise cli.UsageError(f"--{name} {path}: its folder does not exist; make it first")
        try:
            check_writable(path)
        except OSError as error:
            raise cli.UsageError(f"--{name} {path}: cannot be written ({error.strerror})") from None
        if path.is_dir():
            raise cli.UsageError(f"--{name} {path}: is a folder; name a file")
        if suffixes and path.suffix.lower() not in suffixes:
            raise cli.UsageError(f"--{name} {path}: end it in {' or '.join(suffixes)}")
        target = path.resolve()
        if target in taken:
            raise cli.UsageError(f"--{name} {path}: {taken[target]} names the same file; choose another")
        if is_replaced(path):
            taken[target] = f"--{name}"


def score_results(args: argparse.Namespace, dataset: CaptionDataset) -> Evaluation:
    """Score captions from a file."""
    from pycap.evaluation import Corpus, read_results, select_examples

    examples = select_examples(dataset, args.split)
    captions = read_results(args.results, dataset, args.split, examples)
    return Corpus(examples, args.split, not args.no_meteor, args.spice).score(captions)


def score_model(args: argparse.Namespace, dataset: CaptionDataset) -> tuple[Captioner, list[Evaluation]]:
    """Caption and score, once for each beam."""
    from tqdm import tqdm

    from pycap.captioner import Captioner
    from pycap.evaluation import evaluate, sweep

    captioner = Captioner.load(args.checkpoint, args.device, args.backend, args.threads, args.precision)
    options = {name: getattr(args, name) for name in (*SEARCH_OPTIONS, "batch_size", "spice")}
    options |= {"keep": args.report is not None, "meteor": not args.no_meteor}
    total = len(dataset.split(args.split))
    with tqdm(total=total, desc="captioning", unit="picture", dynamic_ncols=True, disable=None) as bar:
        options["progress"] = bar.update
        if len(args.beam or ()) > 1:
            return captioner, sweep(captioner, dataset, args.split, args.beam, **options)
        beam = args.beam[0] if args.beam else None
        return captioner, [evaluate(captioner, dataset, args.split, beam=beam, **options)]


def describe(evaluations: list[Evaluation]) -> dict:
    """Return the JSON answer: the scores, or with several beams a list of them under "sweep"."""
    if len(evaluations) == 1:
        return evaluations[0].scores
    shared = {name: evaluations[0].scores[name] for name in ("split", "images")}
    rows = [evaluation.scores for evaluation in evaluations]
    return shared | {
        "sweep": [{name: value for name, value in row.items() if name not in shared} for row in rows]
    }


def print_table(evaluations: list[Evaluation]) -> None:
    """Write scores to stderr: one a line, or one beam a line."""
    first = evaluations[0].scores
    if len(evaluations) == 1:
        for name in QUALITY:
            if first[name] is not None or name != "spice":
                value = "not computed" if first[name] is None else f"{first[name]:.4f}"
                print(f"{name:10} {value}", file=sys.stderr)
        speed = first["captions_per_second"]
        ending = "" if speed is None else f", {speed:.1f} a second"
        print(
            f"{first['images']} pictures, {first['mean_words']:.1f} words a caption{ending}", file=sys.stderr
        )
        return
    rows = [evaluation.scores for evaluation in evaluations]
    shown = [name for name in QUALITY if all(row[name] is not None for row in rows)]
    print("beam", *(f"{name:>7}" for name in shown), "  words  search/s  all/s", file=sys.stderr)
    for row in rows:
        cells = [f"{row['beam']:4}", *(f"{row[name]:7.4f}" for name in shown), f"{row['mean_words']:7.2f}"]
        cells += [f"{row['searches_per_second']:9.1f}", f"{row['captions_per_second']:6.1f}"]
        print(*cells, file=sys.stderr)
    print(
        f"{first['images']} pictures; search/s is captions a second of the search alone, all/s of reading the "
        "picture, CNN, encoder and search",
        file=sys.stderr,
    )


def write_files(
    args: argparse.Namespace,
    dataset: CaptionDataset,
    captioner: Captioner | None,
    evaluations: list[Evaluation],
    best: Evaluation,
) -> None:
    """Write the files that were asked for, each whole or not at all."""
    from pycap.evaluation import format_results, format_sentences, list_sentences

    if args.captions:
        write_atomically(args.captions, format_results(best.captions).encode())
    if args.sentences:
        suffix = args.sentences.suffix.lower()
        write_atomically(args.sentences, format_sentences(list_sentences(best), suffix))
    if args.picture:
        from pycap.evaluation.picture import draw_sweep

        title = f"{dataset.name} {args.split}, {best.scores['images']} pictures"
        rows = [evaluation.scores for evaluation in evaluations]
        write_atomically(args.picture, draw_sweep(rows, title, args.picture.suffix.lower()))
    if args.report:
        write_atomically(args.report, build_page(args, dataset, captioner, evaluations, best))


def build_page(
    args: argparse.Namespace,
    dataset: CaptionDataset,
    captioner: Captioner | None,
    evaluations: list[Evaluation],
    best: Evaluation,
) -> bytes:
    """Return the report."""
    from datetime import datetime

    from pycap.evaluation import Subject, build_report
    from pycap.ops import library

    system, settings, vocabulary = (args.results.name if args.results else "shipped checkpoint"), {}, None
    if captioner is not None:
        search, vocabulary = captioner.search, captioner.checkpoint.vocabulary
        system = str(args.checkpoint or system)
        settings = {"beam": best.scores["beam"]}
        for name in SEARCH_OPTIONS:
            given = getattr(args, name)
            settings[name.replace("_", " ")] = getattr(search, name) if given is None else given
        settings |= {"precision": args.precision, "batch": args.batch_size, "device": args.device}
        settings |= {"backend": captioner.backend or library.backend(), "threads": captioner.threads}
        settings["captions a second"] = f"{best.scores['captions_per_second']:.1f}"
    training = []
    if args.split != "train" and dataset.splits.get("train"):
        training = [caption for example in dataset.split("train") for caption in example.captions]
    subject = Subject(
        system,
        dataset.name,
        settings,
        args.command,
        datetime.now().astimezone(),
        vocabulary,
        training,
        args.format != "folder",
    )
    rows = [evaluation.scores for evaluation in evaluations]
    return build_report(best, subject, rows, args.report_pictures).encode("utf-8", "replace")
