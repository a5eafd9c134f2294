"""Batches are the same for the same seed and epoch, complete, and mirrored only where sides do not matter."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from pycap.config import END, PAD, START, PreprocessConfig, TrainConfig
from pycap.data.batches import Advice, TrainingBatches, collate, draw_windows
from pycap.data.dataset import CaptionDataset, Example
from pycap.data.features import MIRROR, FeatureCache
from pycap.text import Vocabulary

CAPTIONS = [
    ("a dog", "the dog runs"),
    ("a man on the left",),
    ("a cat", "one cat", "a cat sits"),
    ("grass",),
    ("a dog and a cat",),
]


@pytest.fixture
def cache(tmp_path):
    """Regions of five pictures: all `number`, mirrored all `-number`."""
    cache = FeatureCache(tmp_path, "numbers", PreprocessConfig(), (4, 3))
    rows = [np.full((4, 3), value, np.float16) for number in range(5) for value in (number, -number)]
    (cache.folder / "regions.f16").write_bytes(np.stack(rows).tobytes())
    (cache.folder / "index.txt").write_text("".join(f"{n}\n{n}{MIRROR}\n" for n in range(5)))
    cache._reload()
    return cache


def make(cache, **settings) -> TrainingBatches:
    examples = tuple(Example(Path(str(n)), captions, "train", n) for n, captions in enumerate(CAPTIONS))
    vocabulary = Vocabulary.build([c for captions in CAPTIONS for c in captions], 1)
    config = TrainConfig(images_per_batch=2, captions_per_image=2, **settings)
    return TrainingBatches(CaptionDataset("five", examples), list("01234"), cache, vocabulary, config)


def pictures(batches) -> list[float]:
    return [float(regions[0, 0]) for batch in batches for regions in batch.regions]


def test_an_epoch_shows_every_picture_once_with_its_own_captions(cache):
    batches = make(cache)
    assert batches.steps() == 3
    shown = list(batches.epoch(0))
    assert sorted(map(abs, pictures(shown))) == [0, 1, 2, 3, 4]
    for batch in shown:
        assert len(batch.targets) == batch.lengths.sum()
        assert (batch.tokens[:, 0] == START).all()
        assert (batch.image_index.diff() >= 0).all()
        ends = batch.lengths.cumsum(0) - 1
        assert (batch.targets[ends] == END).all()
        counts = torch.bincount(batch.image_index).tolist()
        assert counts == [min(2, len(CAPTIONS[int(abs(regions[0, 0]))])) for regions in batch.regions]


def test_the_same_epoch_is_the_same_and_another_is_not(cache):
    assert pictures(make(cache).epoch(3)) == pictures(make(cache).epoch(3))
    orders = {tuple(pictures(make(cache).epoch(number))) for number in range(8)}
    assert len(orders) > 4


def test_resuming_inside_an_epoch_skips_what_was_shown(cache):
    whole = list(make(cache).epoch(1))
    rest = list(make(cache).epoch(1, first=2))
    assert len(rest) == 1
    assert torch.equal(rest[0].regions, whole[2].regions)
    assert torch.equal(rest[0].tokens, whole[2].tokens)


def test_processes_share_an_epoch_without_gaps(cache):
    parts = [pictures(make(cache).epoch(0, rank=rank, world=2)) for rank in (0, 1)]
    assert len(parts[0]) == len(parts[1])
    assert {abs(value) for part in parts for value in part} == {0, 1, 2, 3, 4}


def test_a_picture_described_by_sides_is_never_mirrored(cache):
    shown = [value for epoch in range(30) for value in pictures(make(cache).epoch(epoch))]
    assert 1 in shown
    assert -1 not in shown
    assert {-2, 2} <= set(shown)


def test_mirroring_can_be_switched_off(cache):
    assert (
        min(value for epoch in range(10) for value in pictures(make(cache, mirror=False).epoch(epoch))) == 0
    )


def test_fingerprint_follows_the_captions(cache, monkeypatch):
    before = make(cache).fingerprint()
    assert before == make(cache).fingerprint()
    monkeypatch.setattr(sys.modules[__name__], "CAPTIONS", [*CAPTIONS[:3], ("grass a",), CAPTIONS[4]])
    assert make(cache).fingerprint() != before


def test_advice_follows_the_captions_that_are_drawn(cache):
    batches = make(cache)
    words = [word for captions in batches.captions for caption in captions for word in caption]
    steps = torch.arange(len(words))
    batches.advice = Advice(torch.tensor(words).short()[:, None], (steps / len(words)).half()[:, None], "key")
    for batch in [*batches.epoch(0), *batches.epoch(1), batches.whole(np.array([2, 0]), batches.plain)]:
        assert torch.equal(batch.advice.words[:, 0], batch.targets)
        assert batch.advice.words.dtype == torch.int64
        assert batch.advice.shares.dtype == torch.float32
        found = (batch.advice.shares[:, 0] * len(words)).round().long()
        assert torch.equal(torch.tensor(words)[found], batch.targets)
    assert make(cache).fingerprint() != batches.fingerprint()


def test_whole_has_every_caption_of_a_view(cache):
    batches = make(cache)
    batch = batches.whole(np.array([2, 1]), batches.mirrored)
    assert batch.regions[:, 0, 0].tolist() == [-2, 1]
    assert batch.image_index.tolist() == [0, 0, 0, 1]
    assert batch.examples.tolist() == [2, 1]
    assert batch.advice is None


def test_collate_pads_behind_the_end():
    batch = collate(torch.zeros(1, 2, 3), [[5, 6, END], [7, END]], [0, 0], torch.tensor([4]))
    assert batch.tokens.tolist() == [[START, 5, 6], [START, 7, PAD]]
    assert batch.targets.tolist() == [5, 6, END, 7, END]
    assert batch.regions.dtype == torch.float32


def test_windows_stay_inside_the_picture():
    side, left, top = draw_windows(np.random.default_rng(0), 1000, 0.6).T
    assert side.min() >= 0.6
    assert side.max() <= 1
    for edge in (left, top):
        assert edge.min() >= 0
        assert (edge + side).max() <= 1 + 1e-6


def test_zoom_changes_pictures_but_neither_order_nor_captions(cache):
    plain, zoomed = list(make(cache).epoch(1)), list(make(cache, zoom=0.5).epoch(1))
    for left, right in zip(plain, zoomed, strict=True):
        assert torch.equal(left.targets, right.targets)
        assert torch.equal(left.examples, right.examples)
