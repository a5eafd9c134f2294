"""The model card that travels with a checkpoint: data, recipe, scores, and how to make it again."""

from __future__ import annotations

import platform
from dataclasses import fields

import torch

from pycap.checkpoint import Checkpoint
from pycap.config import Config
from pycap.training.state import TrainState

SCORES = ("bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider")
FLICKR8K_TERMS = """\
Flickr8k (Hodosh, Young & Hockenmaier 2013, "Framing image description as a ranking task", JAIR 47) is offered for
non-commercial research and education; the pictures belong to their Flickr users. Weights trained on it inherit that
spirit: use them for study and evaluation, and train on data of your own for anything else."""


def model_card(
    state: TrainState,
    config: Config,
    data: str,
    images: tuple[int, int],
    words: int,
    command: str,
    start: Checkpoint | None = None,
) -> str:
    """Return the card of the checkpoint that the run's last epoch made.

    Args:
        state: the run, its last history row belonging to this checkpoint.
        config: its settings.
        data: name and format of the data set.
        images: training and dev pictures.
        words: in the vocabulary, without the special tokens.
        command: what was typed to train it.
        start: the checkpoint that training went on from.
    """
    row, model, train = state.history[-1], config.model, config.train
    scores = "\n".join(f"| {name} | {row[name]:.4f} |" for name in SCORES)
    recipe = "\n".join(f"| {f.name} | {getattr(train, f.name)} |" for f in fields(train))
    told = "The vocabulary comes from the\ntraining captions only."
    if start is not None:
        told = (
            "Training went on from\na trained captioner (`--from`), whose words and knowledge are in it too."
        )
    flickr8k = "flickr8k" in (data if start is None else data + start.card).lower()
    terms = f"\n## Terms of the data\n\n{FLICKR8K_TERMS}\n" if flickr8k else ""
    tuned = f"its last {model.tuned_blocks} blocks tuned" if model.tuned_blocks else "frozen"
    kind = "self-attention over regions" if model.encoder_attention == "self" else "attention over channels"
    phase = ("before training", "cross-entropy", "self-critical", "self-critical")[int(row["phase"])]
    return f"""# A pycap captioner

One sentence about a photo: EfficientNet-{model.cnn.capitalize()} (ImageNet weights, Apache 2.0; {tuned})
at {config.preprocess.size} px, {model.grid}x{model.grid} regions, {model.encoder_layers} layer(s) of {kind},
and an LSTM decoder with additive attention (Xu et al. 2015). {words} words.

## Data

{data}: {images[0]} training pictures, {images[1]} dev pictures. {told} Dev chose the epoch; nothing else was seen.
{terms}
## Scores

Dev pictures, beam {config.search.beam}, length penalty {config.search.length_penalty},
scale 0-1 as coco-caption, of the likeliest sentence (`--phrase-weight 0`), in float32,
epoch {row["epoch"]:.0f} ({phase}):

| score | value |
| --- | --- |
{scores}

## Recipe

`{command}`

| setting | value |
| --- | --- |
{recipe}

Trained with torch {torch.__version__} on {platform.machine()}.

## Limits

It knows the world of its training pictures and says the nearest thing it knows: where they are of people and dogs
outdoors, a lamp becomes a person in a hat. It guesses gender and age from appearance and repeats the habits of the
people who wrote the captions. It does not read text or count beyond a few. Do not use it where a wrong sentence
does harm.
"""
