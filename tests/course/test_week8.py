"""Week 8: the small recipe is the package's own, and what the experiment says of the captioner is so."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pycap import ops
from pycap.captioner import Captioner
from pycap.checkpoint import load
from pycap.course.lab import Lab
from pycap.course.units import find_unit
from pycap.course.week8 import experiment
from pycap.course.week8.parts import PARTS, count_weights
from pycap.course.week8.recipe import SMALL, Corpus, PooledEncoder, only, prepare, train_captioner
from pycap.course.week8.speed import time_training_step
from pycap.data import load_dataset
from pycap.training.objectives import CrossEntropy

ROOT = Path(experiment.__file__).parents[3]


@pytest.fixture(scope="module")
def flickr8k(shared_data: Path) -> Path:
    return shared_data / "flickr8k"


@pytest.fixture(scope="module")
def corpus(flickr8k: Path, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Sixteen pictures to train on and four held out, at the smallest size that the CNN takes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYCAP_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr("pycap.course.week8.recipe.SMALL", TINY)
        return prepare(flickr8k, 16, 4, seed=0)


WIDTHS = dict.fromkeys(("feature_dim", "embed_dim", "hidden_dim", "attention_dim"), 16)
TINY = replace(
    SMALL,
    preprocess=replace(SMALL.preprocess, size=64),
    model=replace(SMALL.model, grid=2, **WIDTHS),
    train=replace(SMALL.train, epochs=1, min_count=1, images_per_batch=8, captions_per_image=2),
)


def test_the_small_recipe_is_a_valid_one():
    SMALL.check()


def test_corpus_takes_nothing_from_dev_and_divides_train(corpus: Corpus):
    assert (len(corpus.seen.keys), len(corpus.held.keys), corpus.fresh) == (16, 4, 20)
    assert {example.split for part in (corpus.seen, corpus.held) for example in part.dataset} == {"train"}
    assert not set(corpus.seen.keys) & set(corpus.held.keys)
    assert len(corpus.take(5).seen.keys) == len(corpus.take(5).seen.dataset) == 5


def test_training_leaves_a_captioner_that_predicts_and_is_scored(
    corpus: Corpus, flickr8k: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    lab = Lab(find_unit("week8"), tmp_path, quick=True)
    state, _, _ = train_captioner(corpus, TINY, tmp_path / "captioner")
    assert len(state.history) == 1
    photo = corpus.held.dataset.examples[0].image
    experiment.predict(lab, str(photo))
    expected = Captioner.load(tmp_path / "captioner" / "best")(photo).text
    assert capsys.readouterr().out.strip() == expected
    folder = small_flickr8k(flickr8k, tmp_path / "data", 3)
    experiment.evaluate(lab, folder)
    last = capsys.readouterr().out.splitlines()[-1].split()
    assert last[:2] == ["dev", "3"]


def small_flickr8k(source: Path, target: Path, count: int) -> Path:
    """Write the first dev pictures of Flickr8k as a data set of its own."""
    examples = only(load_dataset(source, "flickr8k"), "dev", count).examples
    (target / "Flicker8k_Dataset").mkdir(parents=True)
    lines = []
    for example in examples:
        (target / "Flicker8k_Dataset" / example.image.name).write_bytes(example.image.read_bytes())
        lines += [f"{example.image.name}#{k}\t{caption}" for k, caption in enumerate(example.captions)]
    (target / "Flickr8k.token.txt").write_text("\n".join(lines) + "\n")
    names = "\n".join(example.image.name for example in examples) + "\n"
    (target / "Flickr_8k.devImages.txt").write_text(names)
    (target / "Flickr_8k.trainImages.txt").write_text("")
    return target


def test_an_untrained_captioner_says_how_to_train_it(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="train it: pycap course run week8"):
        experiment.predict(Lab(find_unit("week8"), tmp_path), "photo.jpg")
    with pytest.raises(ValueError, match="needs the path of a photo"):
        experiment.predict(Lab(find_unit("week8"), tmp_path), " ")


def test_a_pooled_encoder_leaves_one_region_the_mean_of_all():
    torch.manual_seed(0)
    encoder = PooledEncoder(TINY.model).eval()
    regions = torch.randn(2, 4, TINY.model.region_channels)
    pooled, _ = encoder(regions)
    whole, _ = super(PooledEncoder, encoder).forward(regions)
    assert pooled.shape == (2, 1, 16)
    torch.testing.assert_close(pooled[:, 0], whole.mean(1))


@pytest.mark.skipif(not ops.native_available(), reason="needs the compiled kernels")
def test_backends_agree_in_loss_and_gradient(corpus: Corpus, tmp_path: Path):
    _, model, batches = train_captioner(corpus, TINY, tmp_path)
    reference, native = time_training_step(model, next(batches.epoch(0)), CrossEntropy(TINY.train), 1)
    assert reference["loss"] == native["loss"]
    assert float(native["gradient differs by"]) < 1e-5


def test_parts_name_real_modules_and_count_every_weight_once():
    rows = count_weights()
    assert [row["module"] for row in rows if not (ROOT / row["module"]).is_file()] == []
    checkpoint = load(None)
    trained = sum(value.numel() for value in checkpoint.model.parameters())
    assert sum(row["weights"] for row in rows[1:]) == trained
    assert len(rows) == len(PARTS)


def test_model_card_and_experiment_name_the_same_scores():
    card = (ROOT / "pycap/checkpoints/flickr8k/README.md").read_text()
    assert [name for name in experiment.SCORES if f"| {name} |" not in card] == []


def test_shipped_model_is_scored_on_dev(flickr8k: Path, tmp_path: Path):
    lab = Lab(find_unit("week8"), tmp_path, quick=True)
    scores = experiment._score_shipped(lab, only(load_dataset(flickr8k, "flickr8k"), "dev", 8))
    lab.finish()
    kept = json.loads((tmp_path / "results.json").read_text())["tables"]
    assert next(iter(kept.values()))[0]["pictures"] == 8
    assert np.isfinite(list(scores.values())).all()
