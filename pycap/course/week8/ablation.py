"""Attention taken away: the same budget for every variant, two seeds each, and what their spread allows to say."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from pycap.course.lab import Lab
from pycap.course.week8.recipe import Corpus, small_recipe, train_captioner

VARIANTS = {  # name -> settings of the model, and whether the decoder sees one mean region only
    "self-attention in the encoder, attention in the decoder": ({}, False),
    "the encoder attends to channels": ({"encoder_attention": "channel"}, False),
    "no attention in the encoder": ({"encoder_layers": 0}, False),
    "no attention in the decoder: one mean region": ({}, True),
    "no attention at all": ({"encoder_layers": 0}, True),
}


def ablate(lab: Lab, corpus: Corpus) -> None:
    """Train every variant with every seed and print its best CIDEr on the held-out pictures; draw the epochs."""
    seeds, epochs = ((1,), 2) if lab.quick else ((1, 2), 5)
    part = corpus.take(64) if lab.quick else corpus
    curves = {}  # name -> CIDEr, (seeds, epochs)
    for name, (settings, pooled) in lab.progress(VARIANTS.items(), "ablation"):
        curves[name] = np.array([_train(lab, part, epochs, seed, settings, pooled) for seed in seeds])
    best = {name: runs.max(axis=1) for name, runs in curves.items()}
    rows = [
        {"model": name, **{f"seed {s}": round(float(c), 3) for s, c in zip(seeds, found, strict=True)}}
        | {"mean CIDEr": round(float(found.mean()), 3)}
        for name, found in best.items()
    ]
    counts = f"{len(part.seen.keys)} pictures, {epochs} epochs, CIDEr on {len(part.held.keys)} held out"
    lab.table(f"ablation: {counts}", rows)
    if len(seeds) > 1:
        spread = max(float(np.ptp(found)) for found in best.values())
        lab.say(f"two seeds of one row differ by up to {spread:.3f}: a gap smaller than that says nothing")
    else:
        lab.say("one seed and a few steps: a quick run says nothing about which row is better")
    draw_curves(lab, curves)


def _train(lab: Lab, part: Corpus, epochs: int, seed: int, settings: dict, pooled: bool) -> list[float]:
    """Return CIDEr on the held-out pictures after every epoch."""
    config = small_recipe(epochs, seed, lab.quick, **settings)
    with tempfile.TemporaryDirectory() as folder:
        state, _, _ = train_captioner(part, config, Path(folder), pooled)
    return [row["cider"] for row in state.history]


def draw_curves(lab: Lab, curves: dict[str, np.ndarray]) -> None:
    """Draw CIDEr after each epoch, one panel a variant: each seed a line, the other variants' means in grey."""
    alt = "CIDEr on held-out pictures after each epoch: each variant in its panel, the others in grey"
    with lab.picture("ablation", alt, columns=len(curves), size=(9.6, 2.7)) as (_, axes):
        for axis, (name, runs) in zip(axes, curves.items(), strict=True):
            epochs = np.arange(1, runs.shape[1] + 1)
            for other in curves.values():
                axis.plot(epochs, other.mean(axis=0), color="0.85", linewidth=1)
            axis.plot(epochs, runs.T, color="#2b7bba", linewidth=1.8)
            axis.set(title=_wrap(name), xlabel="epoch", ylim=(0, None))
            axis.title.set_fontsize(8)
            axis.xaxis.get_major_locator().set_params(integer=True)
            if axis is axes[0]:
                axis.set_ylabel("CIDEr")
            else:
                axis.sharey(axes[0])
                axis.tick_params(labelleft=False)


def _wrap(name: str) -> str:
    """Break a variant's name where its second half begins."""
    return name.replace(", ", ",\n").replace(": ", ":\n").replace(" attends", "\nattends")
