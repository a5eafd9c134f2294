"""From a data set on disk to cached regions, ready for `fit`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from pycap.cnn import CnnPart, EfficientNetLite, cnn_fingerprint
from pycap.cnn_plan import frozen_shape
from pycap.config import Config
from pycap.data import CaptionDataset, Example
from pycap.data.features import MIRROR, FeatureCache, content_key, default_cache
from pycap.data.folder import assign_splits


def open_cache(config: Config, folder: Path | None) -> FeatureCache:
    """Open the cache of this configuration's frozen CNN part and preprocessing."""
    model = config.model
    name = f"{model.cnn}-{cnn_fingerprint(model.cnn)}"
    shape = frozen_shape(model, config.preprocess.size)
    return FeatureCache(folder or default_cache(), name, config.preprocess, shape)


def fill_cache(
    cache: FeatureCache, images: list[Path], config: Config, device: str, mirror: bool
) -> dict[Path, str]:
    """Encode pictures that are not cached yet, with a progress bar; return those that could not be read, and why."""

    @functools.cache
    def load_network() -> CnnPart:  # only when a picture is new
        return EfficientNetLite.pretrained(config.model.cnn).split(config.model.tuned_blocks)[0].to(device)

    @torch.inference_mode()
    def encode(pixels: np.ndarray) -> np.ndarray:
        batch = torch.from_numpy(pixels).to(device, memory_format=torch.channels_last)
        return load_network()(batch).cpu().numpy()

    with tqdm(total=len(images), desc="features", unit="picture", disable=None, dynamic_ncols=True) as bar:
        return cache.fill(images, encode, mirror, progress=bar.update)


def split_train_dev(dataset: CaptionDataset) -> tuple[CaptionDataset, CaptionDataset, str]:
    """Return training and dev examples, and a note when dev had to be made from train.

    Raises:
        ValueError: there is nothing to train on, or nothing to validate on.
    """
    train = [example for example in dataset if example.split == "train"]
    dev = [example for example in dataset if example.split == "dev"]
    note = ""
    if not train:
        raise ValueError(f"{dataset.name}: no usable picture in the train split; see `pycap check`")
    if not dev:
        if len(train) == 1:
            raise ValueError(f"{dataset.name}: one picture is not enough to train and validate on; add more")
        sides = assign_splits([str(example.id) for example in train])
        dev = [example for example in train if sides[str(example.id)] == "dev"]
        train = [example for example in train if sides[str(example.id)] == "train"]
        note = f"no dev split: {len(dev)} of {len(train) + len(dev)} training pictures are held out to validate on"
    return replace(dataset, examples=tuple(train)), replace(dataset, examples=tuple(dev)), note


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
        for line in fill_cache(cache, images, config, device, mirror).values():
            say(line)
    kept, keys = [], []
    for example in dataset:
        try:
            key = content_key(example.image)
        except OSError:
            continue
        if key in cache and (not mirror or key + MIRROR in cache):
            kept.append(example)
            keys.append(key)
    return Prepared(replace(dataset, examples=tuple(kept)), keys)


def content_keys(examples: Iterable[Example]) -> set[str]:
    """Return the cache keys of pictures, without those that cannot be read."""
    keys = set()
    for example in examples:
        with suppress(OSError):
            keys.add(content_key(example.image))
    return keys


def leave_out(examples: Prepared, keys: set[str], say: Callable[[str], None]) -> Prepared:
    """Leave out pictures whose very bytes are in a held-out split, so that it stays unseen; say how many."""
    kept = [
        (example, key)
        for example, key in zip(examples.dataset, examples.keys, strict=True)
        if key not in keys
    ]
    if len(kept) < len(examples.keys):
        say(f"left out of training: {len(examples.keys) - len(kept)} pictures that are also held out")
    return Prepared(
        replace(examples.dataset, examples=tuple(example for example, _ in kept)), [key for _, key in kept]
    )
