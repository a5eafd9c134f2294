"""A captioner in minutes: the package's own data, network, loss and loop with a small recipe.

Nothing here is a second captioner. `pycap.training.train` puts the same pieces together for a whole data set.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from torch import Tensor

from pycap.config import Config, ModelConfig, PreprocessConfig, SearchConfig, TrainConfig
from pycap.data import CaptionDataset, check_dataset, load_dataset
from pycap.data.batches import TrainingBatches
from pycap.data.features import FeatureCache, content_key
from pycap.encoder import RegionEncoder
from pycap.metrics import References
from pycap.model import CaptionModel
from pycap.text import Vocabulary
from pycap.training import make_phases
from pycap.training.distributed import Workers
from pycap.training.loop import Fit, Run
from pycap.training.prepare import Prepared, cached_examples, content_keys, leave_out, open_cache
from pycap.training.state import TrainState
from pycap.training.validation import validate

WIDTH = 256
SMALL = Config(
    preprocess=PreprocessConfig(size=260),
    model=ModelConfig(
        tuned_blocks=0,  # the CNN stays as ImageNet left it, so its regions are computed once
        window=1.0,  # zoom below is 1 too
        feature_dim=WIDTH,
        encoder_heads=4,
        embed_dim=WIDTH,
        hidden_dim=WIDTH,
        attention_dim=WIDTH,
        dropout=0.3,
    ),
    search=SearchConfig(beam=3),
    train=TrainConfig(
        learning_rate=1.5e-3,
        captions_per_image=3,
        min_count=3,
        mirror=False,
        zoom=1.0,
        self_critical_epochs=0,
        patience=0,
        ema=0.99,
    ),
)


def small_recipe(epochs: int, seed: int, quick: bool = False, **model: object) -> Config:
    """Return the small recipe for so many epochs, with other settings of the model if any are named."""
    train = replace(SMALL.train, epochs=epochs, seed=seed, captions_per_image=2 if quick else 3)
    return replace(SMALL, model=replace(SMALL.model, **model), train=train)


@dataclass(frozen=True)
class Corpus:
    """Pictures to learn from and to choose the epoch by, both from the training split.

    Attributes:
        seen, held: examples with the keys of their cached regions.
        cache: where these regions are.
        fresh, seconds: how many regions had to be computed, and how long that took.
    """

    seen: Prepared
    held: Prepared
    cache: FeatureCache
    fresh: int
    seconds: float

    def take(self, count: int) -> Corpus:
        """Return the corpus with its first `count` training pictures alone."""
        examples = replace(self.seen.dataset, examples=self.seen.dataset.examples[:count])
        return replace(self, seen=Prepared(examples, self.seen.keys[:count]))


def prepare(path: Path, train: int, held: int, seed: int) -> Corpus:
    """Draw pictures from Flickr8k's training split and run the frozen CNN over those that are not cached yet.

    The dev split is left alone: it is scored once, at the end. Pictures that are in it twice over are left out.

    Args:
        path: Flickr8k's folder.
        train, held: pictures to train on, and to choose the epoch by.
        seed: of the draw.
    """
    whole = check_dataset(load_dataset(path, "flickr8k"), decode=False).usable
    pool = [example for example in whole if example.split == "train"]
    drawn = [pool[i] for i in np.random.default_rng(seed).permutation(len(pool))[: train + held]]
    cache = open_cache(SMALL, None)
    keys = {example: content_key(example.image) for example in drawn}
    fresh = sum(key not in cache for key in keys.values())
    began = perf_counter()
    parts = []
    for examples in (drawn[:train], drawn[train:]):
        split = replace(whole, examples=tuple(examples))
        parts.append(cached_examples(split, cache, SMALL, "cpu", False, _ignore))
    seen, held_out = parts
    later = content_keys(example for example in whole if example.split != "train")
    seen = leave_out(seen, {*held_out.keys, *later}, _ignore)
    return Corpus(seen, held_out, cache, fresh, perf_counter() - began)


def _ignore(line: str) -> None:
    pass


class PooledEncoder(RegionEncoder):
    """The encoder with the mean of its regions in the place of all of them: nothing is left to choose from."""

    def forward(self, regions: Tensor, with_attention: bool = False) -> tuple[Tensor, Tensor | None]:
        """Return features `(images, 1, feature_dim)`, and the attention of the regions before they were averaged."""
        features, attention = super().forward(regions, with_attention)
        return features.mean(dim=1, keepdim=True), attention


def train_captioner(
    corpus: Corpus, config: Config, folder: Path, pooled: bool = False
) -> tuple[TrainState, CaptionModel, TrainingBatches]:
    """Train a captioner as `pycap train` does, from cached regions to the best epoch.

    Args:
        corpus: from `prepare`.
        config: the recipe.
        folder: receives `best/` (a checkpoint), `log.csv` and `loss.png`.
        pooled: average the regions before the decoder sees them.

    Returns:
        the final state (`history` has the scores of every epoch), the network and its batches.
    """
    captions = [caption for example in corpus.seen.dataset for caption in example.captions]
    vocabulary = Vocabulary.build(captions, config.train.min_count)
    torch.manual_seed(config.train.seed)
    model = CaptionModel(config.model, len(vocabulary))
    if pooled:
        model.encoder = PooledEncoder(config.model)
    batches = TrainingBatches(corpus.seen.dataset, corpus.seen.keys, corpus.cache, vocabulary, config.train)
    rows, ids = corpus.cache.rows(corpus.held.keys), [str(i) for i in range(len(corpus.held.keys))]
    references = References(
        {name: example.captions for name, example in zip(ids, corpus.held.dataset, strict=True)}
    )
    fit = Fit(
        model,
        vocabulary,
        batches,
        make_phases(config, vocabulary, corpus.seen.dataset),
        lambda scored: validate(scored, vocabulary, corpus.cache, rows, ids, references, config.search),
        config,
        Run(folder),
        Workers(),
        card=lambda state: "# A captioner of the course\n\nTrained for minutes on a part of Flickr8k.\n",
    )
    folder.mkdir(parents=True, exist_ok=True)
    return fit.train(), model, batches


def only(dataset: CaptionDataset, split: str, count: int | None = None) -> CaptionDataset:
    """Return the first pictures of a split as a data set of their own; None: all."""
    examples = [example for example in dataset if example.split == split]
    return replace(dataset, examples=tuple(examples[:count]))
