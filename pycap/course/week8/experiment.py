"""Week 8's experiment: score the shipped captioner, train a small one, take its attention away, swap its kernels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from PIL import Image

from pycap import checkpoint, ops
from pycap.captioner import Captioner
from pycap.config import Config
from pycap.course.lab import Lab
from pycap.course.week8.learning import CONFIG, Learned, Material, choose_pictures, learn, prepare
from pycap.data import load_dataset
from pycap.evaluation import evaluate as evaluate_captioner
from pycap.figure import draw_attention

SHOWN = ("bleu_1", "bleu_4", "rouge_l", "cider")
MODEL = "captioner"  # the folder of the trained checkpoint
VARIANTS = {  # row -> how it differs from the whole captioner
    "attention in encoder and decoder": {},
    "channel attention in the encoder": {"encoder_attention": "channel"},
    "none in the encoder": {"encoder_layers": 0},
    "none in the decoder": {"look": False},
    "none at all": {"encoder_layers": 0, "look": False},
}


def run(lab: Lab) -> None:
    """Do all of it; `--quick` on few pictures, with two variants and one seed."""
    score_shipped(lab)
    sizes = (160, 40) if lab.quick else (3000, 500)
    epochs, seeds = (8, 1) if lab.quick else (6, 2)
    lab.say(f"\nencoding {sum(sizes)} pictures once with the frozen CNN (kept for the next time)")
    material = prepare(lab, *sizes)
    whole = compare(lab, material, epochs, [lab.seed + 1 + number for number in range(seeds)])
    checkpoint.save(lab.folder / MODEL, whole.model, material.vocabulary, config_of(whole), card(lab, whole))
    lab.say(f"model: {lab.folder / MODEL} (pycap caption --checkpoint {lab.folder / MODEL} photo.jpg)")
    swap_kernels(lab, whole, material)
    draw(lab, material)


def score_shipped(lab: Lab) -> None:
    """Score the captioner that comes with pycap on Flickr8k's dev pictures."""
    dataset = load_dataset(lab.data("flickr8k"), "flickr8k")
    captioner, dev = Captioner.load(), dataset.split("dev")
    dev = replace(dev, examples=dev.examples[: 60 if lab.quick else None])
    started = perf_counter()
    found = evaluate_captioner(captioner, dev, "dev", meteor=False)
    rate = found.scores["images"] / (perf_counter() - started)
    row = {"model": "shipped", "dev pictures": found.scores["images"]}
    row |= {name: found.scores[name] for name in SHOWN} | {"pictures/s": rate}
    lab.table("The captioner that comes with pycap (beam 5)", [row])


def compare(lab: Lab, material: Material, epochs: int, seeds: list[int]) -> Learned:
    """Train every variant with every seed, show table and curves, and return the whole captioner."""
    rows, curves, kept = [], {}, None
    variants = [*VARIANTS.items()]
    for title, change in variants[:: len(variants) - 1] if lab.quick else variants:
        learned = [learn(lab, material, f"{title}, seed {seed}", epochs, seed, **change) for seed in seeds]
        ciders = [one.scores["cider"] for one in learned]
        row = {"variant": title}
        row |= {name: float(np.mean([one.scores[name] for one in learned])) for name in SHOWN}
        row |= {"cider by seed": " ".join(f"{cider:.3f}" for cider in ciders)}
        rows.append(row)
        curves[title] = learned[0].losses
        kept = kept or learned[0]
    pictures = len(material.train.keys)
    lab.table(f"A small captioner after {epochs} epoch(s) on {pictures} pictures, without parts of it", rows)
    draw_losses(lab, curves)
    return kept


def draw_losses(lab: Lab, curves: dict[str, list[float]]) -> None:
    """Draw how the variants learn."""
    with lab.picture("learning", "Cross-entropy a word over the training steps, one line a variant") as (
        _,
        axes,
    ):
        for title, losses in curves.items():
            width = max(1, len(losses) // 30)
            smooth = np.convolve(losses, np.ones(width) / width, mode="valid")
            axes.plot(np.arange(len(smooth)) + width, smooth, label=title)
        axes.set(xlabel="step", ylabel="cross-entropy a word (nats)", title="Learning to caption")
        axes.legend()


def swap_kernels(lab: Lab, whole: Learned, material: Material) -> None:
    """Time search and training step with PyTorch alone and with the kernels; the results are the same."""
    rows = material.cache.rows(material.dev.keys[:32])
    features, _ = whole.model.encode(torch.from_numpy(material.cache.read(rows)))
    table, found = [], {}
    for backend in ("reference", "native"):
        if backend == "native" and not ops.native_available():
            lab.say("the kernels are not built here: pycap info says why")
            break
        with ops.use(backend):
            whole.model.train(False)
            search = _time(lambda: whole.model.search(features, CONFIG.search))
            found[backend] = whole.model.search(features, CONFIG.search).tokens
            table.append({"backend": backend, "beam search, ms a picture": search * 1000 / len(rows)})
    same = len(found) == 2 and torch.equal(found["reference"], found["native"])
    lab.table("The same captions, by PyTorch and by the kernels" if same else "Search by backend", table)


def _time(call: Callable[[], object]) -> float:
    """Return the median of three calls, in seconds, after one that warms up."""
    call()
    seconds = []
    for _ in range(3):
        started = perf_counter()
        call()
        seconds.append(perf_counter() - started)
    return float(np.median(seconds))


def draw(lab: Lab, material: Material) -> None:
    """Draw where the trained captioner looks on dev pictures, encoder's and decoder's attention."""
    captioner = Captioner.load(lab.folder / MODEL)
    for number, path in enumerate(choose_pictures(material, 2), 1):
        caption = captioner(path)
        with Image.open(path) as image:
            figure = draw_attention(image.convert("RGB"), caption)
        target = lab.folder / f"attention{number}.jpg"
        figure.resize((figure.width // 2, figure.height // 2), Image.Resampling.LANCZOS).save(
            target, quality=85
        )
        lab.say(f"picture: {target}")


def config_of(learned: Learned) -> Config:
    """Return the settings that a checkpoint of this model stores."""
    return replace(CONFIG, model=learned.model.config)


def card(lab: Lab, learned: Learned) -> str:
    """Return the model card of the small captioner."""
    scores = ", ".join(f"{name} {learned.scores[name]:.3f}" for name in SHOWN)
    how = "pycap course run week8" + (" --quick" if lab.quick else "")
    body = f"By `{how}`; on its dev pictures: {scores}. To learn from, not to use."
    return f"# A captioner trained in minutes\n\n{body}\n"


def trained(lab: Lab) -> Captioner:
    """Load the captioner that `run` left.

    Raises:
        FileNotFoundError: there is none.
    """
    folder = lab.folder / MODEL
    if not folder.is_dir():
        raise FileNotFoundError(f"no trained model in {folder}; train it: pycap course run {lab.unit.name}")
    return Captioner.load(folder)


def predict(lab: Lab, what: str) -> None:
    """Caption a photo with the small captioner."""
    caption = trained(lab)(what)
    lab.say(f"{caption.text}  ({caption.score:.3f})")


def evaluate(lab: Lab, path: Path) -> None:
    """Score the small captioner on another data set in Flickr8k's layout, its test split if it has one, else dev."""
    captioner, dataset = trained(lab), load_dataset(path, "flickr8k")
    split = "test" if "test" in dataset.splits else "dev"
    found = evaluate_captioner(captioner, dataset, split, meteor=False)
    row = {"split": split, "pictures": found.scores["images"]} | {name: found.scores[name] for name in SHOWN}
    lab.table(f"The small captioner on {path}", [row])
