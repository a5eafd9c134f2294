"""What `pycap train --from` makes of a few dozen pictures: COCO's 80, in five rounds.

    python bench/experiments/finetune.py --data ../shared/data/coco --out runs/finetune

In every round another fifth of the pictures is scored, the next one chooses the epoch, and the rest is learnt from, so
that each picture is scored once by a captioner that has not seen it. The options are README's; more of them go to
`pycap train` as well. Rounds that are finished in --out are not trained again.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
from pathlib import Path

import numpy as np

from pycap.captioner import Captioner
from pycap.data import Example, check_dataset, load_dataset
from pycap.metrics import References, score

ROUNDS = 5
SEED = 0  # of the order in which pictures are dealt
RECIPE = {"train.patience": 0, "train.self_critical_epochs": 0, "train.min_count": 3}
OPTIONS = ["--learning-rate", "1e-4", "--images-per-batch", "8", "--epochs", "15"]
OPTIONS += [word for setting, value in RECIPE.items() for word in ("--set", f"{setting}={value}")]
SHOWN = ("bleu_1", "bleu_4", "rouge_l", "cider")


def deal(examples: list[Example], number: int) -> dict[str, list[Example]]:
    """Return a round's pictures by split."""
    parts: dict[str, list[Example]] = {"train": [], "dev": [], "test": []}
    for place, index in enumerate(np.random.default_rng(SEED).permutation(len(examples))):
        split = {number: "test", (number + 1) % ROUNDS: "dev"}.get(place % ROUNDS, "train")
        parts[split].append(examples[index])
    return parts


def write_folder(folder: Path, parts: dict[str, list[Example]]) -> None:
    """Lay pictures out as `pycap train --format folder` reads them."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "captions.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("image", "caption", "split"))
        for split, examples in parts.items():
            for example in examples:
                link = folder / example.image.name
                if not link.exists():
                    link.symlink_to(example.image.resolve())
                writer.writerows((link.name, caption, split) for caption in example.captions)


def train_round(folder: Path, run: Path, options: list[str]) -> Path:
    """Train unless the round is finished; return the checkpoint."""
    if not (run / "done").exists():
        words = [
            "train",
            "--from",
            "--data",
            str(folder),
            "--format",
            "folder",
            "--out",
            str(run),
            *OPTIONS,
            *options,
        ]
        resume = ["--resume"] if (run / "resume.pt").exists() else []
        subprocess.run(
            [sys.executable, "-m", "pycap", *words, *resume], check=True, stdout=subprocess.DEVNULL
        )
        (run / "done").touch()
    return run / "best"


def main() -> None:
    """Train all rounds and print the scores before and after."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of a data set in COCO's format")
    parser.add_argument("--out", type=Path, required=True, help="folder for the runs")
    args, options = parser.parse_known_args()
    examples = list(check_dataset(load_dataset(args.data, "coco"), decode=False).usable)
    shipped, before, after = Captioner.load(), {}, {}
    for number in range(ROUNDS):
        parts = deal(examples, number)
        folder = args.out / f"pictures{number}"
        write_folder(folder, parts)
        tuned = Captioner.load(train_round(folder, args.out / f"round{number}", options))
        for found, captioner in ((before, shipped), (after, tuned)):
            pictures = [example.image for example in parts["test"]]
            found.update((e.id, c.text) for e, c in zip(parts["test"], captioner(pictures), strict=True))
    references = References({example.id: example.captions for example in examples})
    print(f"{len(examples)} pictures, {ROUNDS} rounds\n\n| captioner | {' | '.join(SHOWN)} |")
    print(f"| --- |{' --- |' * len(SHOWN)}")
    for name, found in (("shipped", before), ("trained on from there", after)):
        scores = score(found, references)
        print(f"| {name} | {' | '.join(f'{scores[key]:.4f}' for key in SHOWN)} |")


if __name__ == "__main__":
    main()
