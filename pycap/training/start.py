"""What training starts from: ImageNet's CNN and random weights, or a trained captioner (fine-tuning).

A captioner's sizes are kept, its words too, and new ones are added.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from pycap import checkpoint
from pycap.checkpoint import Checkpoint
from pycap.config import UNKNOWN, Config
from pycap.model import CaptionModel
from pycap.text import Vocabulary, tokenize
from pycap.weights import Arrays

FREE = ("region_dropout", "layer_dropout", "dropout", "window")  # settings of a model that fit any weights
BY_WORD = (
    "decoder.embedding.weight",
    "decoder.output.weight",
    "decoder.output.bias",
)  # weights with a row a word


def load_start(folder: Path, config: Config) -> Checkpoint:
    """Load the checkpoint that training goes on from.

    Raises:
        CheckpointError: it is none.
        ValueError: these settings want other sizes or pictures than it has.
    """
    start = checkpoint.load(folder)
    own = start.config
    free = {name: getattr(own.model, name) for name in FREE}
    for section, ours, theirs in (
        ("preprocess", config.preprocess, own.preprocess),
        ("model", replace(config.model, **free), own.model),
    ):
        for name, value in vars(theirs).items():
            if getattr(ours, name) != value:
                raise ValueError(
                    f"{start.folder}: has {section}.{name}={value}, which training cannot change, and "
                    f"{getattr(ours, name)} is asked for; leave that setting out"
                )
    return start


def begin(
    start: Checkpoint | None, config: Config, captions: Sequence[str], say: Callable[[str], None]
) -> tuple[Vocabulary, CaptionModel]:
    """Return the words and the network that training begins with; without `start` its weights are drawn.

    Args:
        start: captioner to go on from.
        config: sizes, and `train.min_count`.
        captions: raw captions to train on.
        say: receives a note on new words.
    """
    if start is None:
        vocabulary = Vocabulary.build(captions, config.train.min_count)
        model = CaptionModel(config.model, len(vocabulary))
        model.load_pretrained_tail()
        return vocabulary, model
    vocabulary, weights = add_words(start, captions, config.train.min_count)
    model = CaptionModel(config.model, len(vocabulary))
    model.load_arrays(weights)
    unknown = [word not in vocabulary for caption in captions for word in tokenize(caption)]
    share = sum(unknown) / max(1, len(unknown))
    say(
        f"{start.folder}: {len(vocabulary) - len(start.vocabulary)} words more; {share:.1%} of the captions' words "
        "stay unknown (train.min_count)"
    )
    return vocabulary, model


def add_words(start: Checkpoint, captions: Sequence[str], min_count: int) -> tuple[Vocabulary, Arrays]:
    """Return a checkpoint's words with new ones behind them, and its weights with rows for these.

    A new word begins as what the captioner knows of unknown ones, whose probability all new words share.

    Args:
        start: the checkpoint.
        captions: raw captions to train on.
        min_count: times a word must occur in them to be added.
    """
    own = start.vocabulary
    try:
        frequent = Vocabulary.build(captions, min_count).ordinary
    except ValueError:  # none is frequent enough, and none is needed
        frequent = ()
    new = [word for word in frequent if word not in own]
    weights = dict(start.weights)
    for name in BY_WORD if new else ():
        rows = weights[name].astype(np.float32)
        unknown = rows[UNKNOWN] - (math.log(len(new)) if rows.ndim == 1 else 0)
        weights[name] = np.concatenate([rows, np.repeat(unknown[None], len(new), axis=0)])
    return Vocabulary([*own.ordinary, *new]), weights
