"""What each part of the recipe brings: short trainings that differ from the base in one setting.

    python bench/experiments/ablation.py --data ../shared/data/flickr8k --out runs/ablation
    python bench/experiments/ablation.py --data ... --out runs/ablation --rows base,no-encoder-attention

Every row is one `pycap train` with the base settings below and its own; the table shows its best epoch on dev. Rows
that are finished in --out are not trained again, one that was killed goes on. The base is a cut-down recipe (frozen
CNN at 260 px, three epochs, three captions a picture), so that a row takes minutes and not an hour: compare rows with
each other, not with the shipped model.
"""

from __future__ import annotations

import argparse
import csv
import json
import shlex
import subprocess
import sys
from pathlib import Path

BASE = {
    "preprocess.size": 260,
    "model.tuned_blocks": 0,
    "train.epochs": 3,
    "train.captions_per_image": 3,
    "train.self_critical_epochs": 0,
    "train.phrase_epochs": 0,
    "train.patience": 0,
    "train.zoom": 1.0,
    "model.window": 1.0,
}
ROWS = {
    "base": {},
    "no-encoder-attention": {"model.encoder_layers": 0},
    "channel-attention": {"model.encoder_attention": "channel"},
    "two-encoder-layers": {"model.encoder_layers": 2},
    "doubly-stochastic": {"train.doubly_stochastic": 0.1},
    "no-label-smoothing": {"train.label_smoothing": 0.0},
    "scheduled-sampling": {"train.scheduled_sampling": 0.25},
    "untied-embedding": {"model.tie_embedding": "false"},
    "no-mirror": {"train.mirror": "false"},
    "zoom": {"train.zoom": 0.75},
    "less-dropout": {"model.dropout": 0.3},
    "no-averaging": {"train.ema": 0.0},
    "seed-2": {"train.seed": 2},
    "seed-3": {"train.seed": 3},
}
SHOWN = ("bleu_1", "bleu_4", "rouge_l", "cider")


def train_row(name: str, data: Path, format: str, out: Path, options: list[str]) -> dict[str, float]:
    """Train a row unless it is finished; return the dev scores of its best epoch."""
    run, settings = out / name, {**BASE, **ROWS[name]}
    done = run / "done"
    if not done.exists():
        words = ["train", "--data", str(data), "--format", format, "--out", str(run), *options]
        for setting, value in settings.items():
            words += ["--set", f"{setting}={value}"]
        if (run / "resume.pt").exists():
            words.append("--resume")
        print(shlex.join(["pycap", *words]), file=sys.stderr)
        subprocess.run([sys.executable, "-m", "pycap", *words], check=True, stdout=subprocess.DEVNULL)
        done.touch()
    with open(run / "log.csv", newline="") as file:
        epochs = [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(file)]
    return max(epochs, key=lambda row: row["cider"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--format", default="flickr8k")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rows", default=",".join(ROWS), help=f"of {', '.join(ROWS)}")
    parser.add_argument("--precision", default="auto", help="as for pycap train")
    args = parser.parse_args()
    names = args.rows.split(",")
    if unknown := [name for name in names if name not in ROWS]:
        parser.error(f"no row {unknown[0]!r}; there are {', '.join(ROWS)}")
    results = {}
    for name in names:
        results[name] = train_row(name, args.data, args.format, args.out, ["--precision", args.precision])
        (args.out / "ablation.json").write_text(json.dumps(results, indent=1) + "\n")
    print(f"| row | {' | '.join(SHOWN)} | best epoch |")
    print("| --- |" + " --- |" * (len(SHOWN) + 1))
    for name, row in results.items():
        print(f"| {name} | {' | '.join(f'{row[key]:.3f}' for key in SHOWN)} | {row['epoch']:.0f} |")


if __name__ == "__main__":
    main()
