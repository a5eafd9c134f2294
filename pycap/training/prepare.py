"""From a data set on disk to cached regions, ready for `fit`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from pycap.config import Config
from pycap.data import CaptionDataset
from pycap.data.features import FeatureCache, content_key, default_cache
from pycap.encoder import EfficientNetLite, cnn_fingerprint

HELD_OUT = 0.05  # share of train that becomes dev when a data set has no dev split


def open_cache(config: Config, folder: Path | None) -> FeatureCache:
    """Open the cache of this configuration's CNN and preprocessing."""
    model = config.model
    name = f"{model.cnn}-{cnn_fingerprint(model.cnn)}"
    return FeatureCache(
        folder or default_cache(), name, config.preprocess, (model.grid**2, model.region_channels)
    )


def fill_cache(
    cache: FeatureCache, images: list[Path], config: Config, device: str, mirror: bool, title: str
) -> dict[Path, str]:
    """Encode pictures that are not cached yet, with a progress bar; return those that could not be read, and why."""
    network = EfficientNetLite.pretrained(config.model.cnn).to(device)

    @torch.inference_mode()
    def encode(pixels: np.ndarray) -> np.ndarray:
        batch = torch.from_numpy(pixels).to(device, memory_format=torch.channels_last)
        return network(batch).cpu().numpy()

    with tqdm(total=len(images), desc=title, unit="picture", dynamic_ncols=True) as bar:
        return cache.fill(images, encode, mirror, progress=bar.update)


def split_train_dev(dataset: CaptionDataset) -> tuple[CaptionDataset, CaptionDataset, str]:
    """Return training and dev examples, and a note when dev had to be made from train.

    A picture is held out by a digest of its name, so the choice never changes.

    Raises:
        ValueError: there is nothing to train on.
    """
    train, dev = dataset.split("train"), dataset.split("dev")
    if not len(train):
        raise ValueError(f"{dataset.name}: no usable picture in the train split; see `pycap check`")
    if len(dev):
        return train, dev, ""

    def held_out(name: str) -> bool:
        return (
            int(hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:8], 16)
            < HELD_OUT * 2**32
        )

    chosen = [held_out(example.image.name) for example in train]
    if all(chosen) or not any(chosen):  # tiny data sets: the first picture by name
        first = min(range(len(chosen)), key=lambda index: train.examples[index].image.name)
        chosen = [index == first for index in range(len(chosen))]
        if len(chosen) == 1:
            raise ValueError(f"{dataset.name}: one picture is not enough to train and validate on; add more")
    pick = [
        tuple(e for e, out in zip(train.examples, chosen, strict=True) if out is side)
        for side in (False, True)
    ]
    note = f"no dev split: {sum(chosen)} of {len(chosen)} training pictures are held out as dev"
    return replace(train, examples=pick[0]), replace(train, examples=pick[1]), note


@dataclass(frozen=True)
class Prepared:
    """Examples of one split and the cache keys of their pictures, in the same order."""

    dataset: CaptionDataset
    keys: list[str]


def cached_examples(
    dataset: CaptionDataset,
    cache: FeatureCache,
    config: Config,
    device: str,
    mirror: bool,
    say: Callable[[str], None],
    fill: bool = True,
) -> Prepared:
    """Cache a split's regions and leave out pictures that cannot be read, saying so.

    Args:
        dataset: the split.
        cache: filled on the way.
        config: CNN and preprocessing.
        device: where the CNN runs.
        mirror: cache mirrored pictures as well.
        say: receives one line per unreadable picture.
        fill: False for processes that only read what rank 0 cached.
    """
    images = [example.image for example in dataset]
    if fill:
        for line in fill_cache(cache, images, config, device, mirror, "features").values():
            say(line)
    kept, keys = [], []
    for example in dataset:
        try:
            key = content_key(example.image)
        except OSError:
            continue
        if key in cache:
            kept.append(example)
            keys.append(key)
    return Prepared(replace(dataset, examples=tuple(kept)), keys)


def leave_out(examples: Prepared, keys: set[str], say: Callable[[str], None]) -> Prepared:
    """Leave out pictures whose very bytes are in another split, so that dev stays unseen; say how many."""
    kept = [
        (example, key)
        for example, key in zip(examples.dataset, examples.keys, strict=True)
        if key not in keys
    ]
    if len(kept) < len(examples.keys):
        say(f"left out of training: {len(examples.keys) - len(kept)} pictures that are also dev pictures")
    return Prepared(
        replace(examples.dataset, examples=tuple(example for example, _ in kept)), [key for _, key in kept]
    )
