"""Week 8: the shipped captioner scored, a small one trained, its attention taken away, its kernels swapped."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from pycap.captioner import Captioner
from pycap.course.lab import Lab
from pycap.course.week8.ablation import ablate
from pycap.course.week8.parts import count_weights
from pycap.course.week8.recipe import Corpus, only, prepare, small_recipe, train_captioner
from pycap.course.week8.speed import time_captioning, time_training_step
from pycap.data import CaptionDataset, load_dataset, read_image
from pycap.evaluation import Evaluation
from pycap.evaluation import evaluate as score_captioner
from pycap.training.objectives import CrossEntropy

SCORES = ("bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider")
DRAWN = 3  # dev pictures whose attention is drawn


def run(lab: Lab) -> None:
    """Say what the captioner is made of, score it, train a small one, ablate it and swap its backends."""
    path = lab.data("flickr8k")
    dataset = load_dataset(path, "flickr8k")
    lab.table("the shipped captioner, part by part", count_weights())
    shipped = _score_shipped(lab, dataset)
    corpus = _prepare(lab, path)
    _train(lab, corpus, dataset, shipped)
    ablate(lab, corpus)
    _swap_kernels(lab, corpus, dataset)
    _draw(lab, dataset)


def _score_shipped(lab: Lab, dataset: CaptionDataset) -> dict:
    """Caption all dev pictures with the model in the package; in a quick run 100 in reduced precision alone."""
    rows, dataset = [], only(dataset, "dev", 100 if lab.quick else None)
    for precision in ("reduced",) if lab.quick else ("full", "reduced"):
        found = score_captioner(Captioner.load(precision=precision), dataset, "dev", meteor=False)
        rows.append({"precision": precision, "pictures": found.scores["images"], **_round(found)})
        rows[-1]["pictures/s"] = round(found.scores["captions_per_second"], 1)
    lab.table(f"the shipped model on Flickr8k dev, beam {found.scores['beam']}", rows)
    return {name: rows[0][name] for name in SCORES}


def _round(found: Evaluation) -> dict[str, float]:
    return {name: round(found.scores[name], 4) for name in SCORES}


def _prepare(lab: Lab, path: Path) -> Corpus:
    corpus = prepare(path, *((120, 40) if lab.quick else (2000, 1000)), lab.seed)
    lab.say(
        f"\nregions of {len(corpus.seen.keys) + len(corpus.held.keys)} pictures: {corpus.fresh} made now by the CNN, "
        f"{corpus.seconds:.0f} s, the others were in the cache"
    )
    return corpus


def _train(lab: Lab, corpus: Corpus, dataset: CaptionDataset, shipped: dict) -> None:
    """Train the student's captioner and score it, once, on dev."""
    config = small_recipe(2 if lab.quick else 5, lab.seed + 1, lab.quick)
    state, _, _ = train_captioner(corpus, config, lab.folder / "captioner")
    columns = ("epoch", "loss", "bleu_4", "cider")
    rows = [{name: round(row[name], 3) for name in columns} for row in state.history]
    lab.table(f"your captioner by epoch, {len(corpus.held.keys)} pictures held out of train", rows)
    dev = only(dataset, "dev", 40 if lab.quick else None)
    found = score_captioner(Captioner.load(lab.folder / "captioner" / "best"), dev, "dev", meteor=False)
    first = "" if not lab.quick else " (40 pictures for yours, 100 for the other)"
    lab.table(
        f"dev, never looked at before{first}",
        [
            {"model": f"yours: {len(corpus.seen.keys)} pictures, {len(rows)} epochs", **_round(found)},
            {"model": "shipped: 6000 pictures, 65 minutes", **shipped},
        ],
    )


def _swap_kernels(lab: Lab, corpus: Corpus, dataset: CaptionDataset) -> None:
    with tempfile.TemporaryDirectory() as folder:
        small = corpus.take(64)
        config = small_recipe(1, 1, lab.quick)
        _, model, batches = train_captioner(small, config, Path(folder))
    batch = next(batches.epoch(0))
    rows = time_training_step(model, batch, CrossEntropy(config.train), 3 if lab.quick else 9)
    lab.table(f"one training step, {len(batch.lengths)} captions, width {config.model.hidden_dim}", rows)
    dev = only(dataset, "dev", 16 if lab.quick else 200)
    lab.table(f"captioning {len(dev)} dev pictures, shipped model", time_captioning(None, dev, "dev"))


def _draw(lab: Lab, dataset: CaptionDataset) -> None:
    """Draw where decoder and encoder of the shipped model look on dev pictures."""
    from pycap.figure import draw_attention

    captioner, examples = Captioner.load(), only(dataset, "dev").examples
    for number, place in enumerate(
        np.random.default_rng(lab.seed).choice(len(examples), DRAWN, replace=False)
    ):
        image = read_image(examples[place].image)
        caption = captioner(image)
        picture = draw_attention(image, caption)
        picture.thumbnail((860, 860))
        target = lab.folder / f"attention_{number + 1}.jpg"
        picture.save(target, quality=82, optimize=True)
        lab.say(f"{examples[place].image.name}: {caption.text}\npicture: {target}")


def predict(lab: Lab, what: str) -> None:
    """Print the trained captioner's sentence for a photo."""
    if not what.strip():
        raise ValueError("--predict needs the path of a photo")
    lab.say(Captioner.load(_trained(lab))(what).text)


def evaluate(lab: Lab, path: Path) -> None:
    """Print the trained captioner's scores on captioned pictures in Flickr8k's format: their test split if they have
    one, else dev, else train."""
    dataset = load_dataset(path, "flickr8k")
    split = next((name for name in ("test", "dev") if dataset.splits.get(name)), "train")
    found = score_captioner(Captioner.load(_trained(lab)), dataset, split, meteor=False)
    lab.table(
        f"your captioner on {path}", [{"split": split, "pictures": found.scores["images"], **_round(found)}]
    )


def _trained(lab: Lab) -> Path:
    folder = lab.folder / "captioner" / "best"
    if not (folder / "model.safetensors").is_file():
        raise FileNotFoundError(
            f"no trained captioner in {lab.folder}; train it: pycap course run {lab.unit.name}"
        )
    return folder
