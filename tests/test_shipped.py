"""The checkpoint inside the package: there, small, documented, and the same sentences from both backends."""

from __future__ import annotations

import json
import re

import pytest
from matplotlib import cbook

from pycap import checkpoint
from pycap.captioner import Captioner
from pycap.data import load_dataset
from pycap.ops import library
from pycap.training.card import SCORES

BOUND = 1e-4  # scores that differ by less are a tie for single precision


def test_shipped_checkpoint_is_complete_and_small():
    files = {path.name: path.stat().st_size for path in checkpoint.SHIPPED.iterdir()}
    assert set(files) == {*checkpoint.FILES, checkpoint.CNN, checkpoint.PHRASES, "README.md"}
    assert sum(files.values()) <= 25_000_000
    loaded = checkpoint.load()
    loaded.config.check()
    assert len(loaded.vocabulary) > 2000


def test_model_card_states_scores_recipe_and_terms():
    card = (checkpoint.SHIPPED / "README.md").read_text()
    for name in SCORES:
        assert re.search(rf"^\| {name} \| 0\.\d{{4}} \|$", card, re.MULTILINE), name
    for word in ("pycap train", "seed", "non-commercial", "Limits"):
        assert word in card


def test_shipped_captioner_says_a_sentence_about_a_photo():
    caption = Captioner.load()(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False), beam=5)
    assert len(caption.words) >= 3
    assert {"man", "woman", "person", "girl", "boy", "lady"} & set(caption.words)
    assert caption.attention.shape == (len(caption.words), 9, 9)


@pytest.mark.slow
@pytest.mark.skipif(not library.native_available(), reason=library.missing_reason())
def test_native_and_reference_caption_200_dev_pictures_alike(shared_data):
    dev = load_dataset(shared_data / "flickr8k", "flickr8k").split("dev")
    images = [example.image for example in dev.examples[:200]]
    native, reference = (
        Captioner.load(backend=name, precision="full")(images, beam=5) for name in ("native", "reference")
    )
    different = [(a, b) for a, b in zip(native, reference, strict=True) if a.text != b.text]
    for a, b in different:
        print(json.dumps({"native": [a.text, a.score], "reference": [b.text, b.score]}))
        assert abs(a.score - b.score) < BOUND
    assert len(different) <= 4
    for a, b in zip(native, reference, strict=True):
        assert abs(a.score - b.score) < BOUND

    reduced = Captioner.load(backend="native", precision="reduced")(images, beam=5)
    same = sum(a.text == b.text for a, b in zip(native, reduced, strict=True))
    assert same >= 0.8 * len(images)  # observed: 177
