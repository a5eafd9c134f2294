"""A captioner that learns in minutes: cached regions, a small network, a plain loop."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from pycap.config import Config, ModelConfig, PreprocessConfig, SearchConfig, TrainConfig
from pycap.course.lab import Lab
from pycap.data import load_dataset
from pycap.data.batches import TrainingBatches
from pycap.data.features import FeatureCache
from pycap.metrics import References
from pycap.model import CaptionModel
from pycap.text import Vocabulary
from pycap.training.loop import learning_rate, make_optimizer
from pycap.training.objectives import CrossEntropy
from pycap.training.prepare import Prepared, cached_examples, leave_out, open_cache
from pycap.training.state import averaged_update
from pycap.training.validation import validate

CONFIG = Config(  # a quarter of the shipped model's widths, the CNN frozen, people's captions only
    preprocess=PreprocessConfig(size=224),
    model=ModelConfig(
        tuned_blocks=0,
        grid=7,
        feature_dim=256,
        embed_dim=256,
        hidden_dim=256,
        attention_dim=256,
        encoder_heads=4,
        dropout=0.3,
    ),
    search=SearchConfig(beam=5),
    train=TrainConfig(
        learning_rate=1e-3, min_count=3, mirror=False, zoom=1.0, ema=0.99, self_critical_epochs=0
    ),
)


@dataclass(frozen=True)
class Material:
    """What every variant learns from and is scored on.

    Attributes:
        train, dev: pictures and the keys of their regions in the cache.
        cache: the regions.
        vocabulary: the words of the training captions.
    """

    train: Prepared
    dev: Prepared
    cache: FeatureCache
    vocabulary: Vocabulary


def prepare(lab: Lab, train_count: int, dev_count: int) -> Material:
    """Read the data set and run the frozen CNN once over the pictures that are used.

    Args:
        lab: says where the data is.
        train_count, dev_count: pictures that are used, the first ones of each split.
    """
    dataset = load_dataset(lab.data("flickr8k"), "flickr8k")
    cache = open_cache(CONFIG, None)

    def take(split: str, count: int) -> Prepared:
        part = dataset.split(split)
        part = replace(part, examples=part.examples[:count])
        return cached_examples(part, cache, CONFIG, "cpu", False, lab.say)

    dev = take("dev", dev_count)
    train = leave_out(take("train", train_count), set(dev.keys), lab.say)
    captions = [caption for example in train.dataset for caption in example.captions]
    return Material(train, dev, cache, Vocabulary.build(captions, CONFIG.train.min_count))


@dataclass(frozen=True)
class Learned:
    """A trained captioner and how it got there.

    Attributes:
        model: the averaged weights.
        losses: cross-entropy a word, one for each step.
        scores: of `pycap.metrics.score` on the dev pictures, after the last epoch.
    """

    model: CaptionModel
    losses: list[float]
    scores: dict[str, float]


def learn(
    lab: Lab, material: Material, title: str, epochs: int, seed: int, look: bool = True, **encoder: int | str
) -> Learned:
    """Train a captioner by teacher forcing and score it.

    Args:
        lab: shows the progress.
        material: from `prepare`.
        title: of the progress bar.
        epochs: passes over the captions.
        seed: of weights, order and dropout.
        look: False keeps the decoder from choosing: it sees the plain mean of all regions at every step.
        encoder: settings of `ModelConfig` that differ, such as `encoder_layers=0`.
    """
    recipe = replace(CONFIG.train, epochs=epochs, seed=seed)
    torch.manual_seed(seed)
    model = CaptionModel(replace(CONFIG.model, **encoder), len(material.vocabulary))
    if not look:
        stop_looking(model)
    averaged = copy.deepcopy(model).eval().requires_grad_(False)
    batches = TrainingBatches(
        material.train.dataset, material.train.keys, material.cache, material.vocabulary, recipe
    )
    optimizer, objective = make_optimizer(model, recipe), CrossEntropy(recipe)
    total, losses = epochs * batches.steps(), []
    steps = (batch for epoch in range(epochs) for batch in batches.epoch(epoch))
    model.train()
    for step, batch in enumerate(lab.progress(steps, title, total)):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, total, recipe.learning_rate, recipe.warmup)
        outcome = objective(model, model, batch, step)
        loss = outcome.loss / outcome.words
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
        optimizer.step()
        averaged_update(averaged, model, recipe.ema, step + 1)
        losses.append(loss.item())
    return Learned(averaged, losses, score_model(averaged, material))


def stop_looking(model: CaptionModel) -> None:
    """Take the decoder's attention away: energies that are all zero weigh every region the same, for ever."""
    nn.init.zeros_(model.decoder.score).requires_grad_(False)


def score_model(model: CaptionModel, material: Material) -> dict[str, float]:
    """Caption the dev pictures by beam search and score them."""
    ids = [str(number) for number in range(len(material.dev.keys))]
    captions = (example.captions for example in material.dev.dataset)
    references = References(dict(zip(ids, captions, strict=True)))
    rows = material.cache.rows(material.dev.keys)
    return validate(model, material.vocabulary, material.cache, rows, ids, references, CONFIG.search)


def choose_pictures(material: Material, count: int) -> list[Path]:
    """Return some dev pictures, spread over the split."""
    places = np.linspace(0, len(material.dev.keys) - 1, count).astype(int)
    examples = list(material.dev.dataset)
    return [examples[place].image for place in places]
