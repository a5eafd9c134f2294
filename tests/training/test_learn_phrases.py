"""Phrases are learnt as float64 says, and a run's checkpoint has them where there are pictures enough."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pycap import checkpoint
from pycap.captioner import Captioner
from pycap.config import UNKNOWN
from pycap.phrases import WORD_BITS, check_phrases
from pycap.training import phrases, train


@pytest.fixture
def trained(pictures, cache, config, tmp_path, monkeypatch):
    """Train one epoch; return the checkpoint's folder, and what phrases were learnt from."""
    monkeypatch.setattr(phrases, "FEWEST", 1)
    monkeypatch.setattr(phrases, "SEEN", 2)
    heard = {}
    learn = phrases.learn_phrases

    def listen(model, batches):
        heard.update(model=model, batches=batches)
        return learn(model, batches)

    monkeypatch.setattr("pycap.training.learn_phrases", listen)
    short = replace(config, train=replace(config.train, epochs=1))
    train(pictures, "folder", tmp_path / "run", config=short, device="cpu", cache=cache, threads=1)
    return tmp_path / "run" / "best", heard


def test_what_is_learnt_is_ridge_regression(trained):
    folder, heard = trained
    arrays, batches = checkpoint.load(folder).phrases, heard["batches"]
    check_phrases(arrays, 1280)
    used = [[phrases._count_phrases(caption) for caption in captions] for captions in batches.captions]
    seen = [phrases._count_pictures(used, order) for order in range(phrases.ORDERS)]
    count = len(used)
    wanted = {key for part in seen for key, pictures in part.items() if pictures >= 2}
    assert set(arrays["keys"].tolist()) == {key for key in wanted if UNKNOWN not in phrases._words(key)}
    targets = np.zeros((count, len(arrays["keys"])))
    for row, captions in zip(targets, used, strict=True):
        for caption in captions:
            for part, pictures in zip(caption, seen, strict=True):
                weight = {key: times * np.log(count / pictures[key]) for key, times in part.items()}
                norm = np.sqrt(sum(value**2 for value in weight.values())) or 1
                for key, value in weight.items():
                    if key in wanted:
                        row[np.searchsorted(arrays["keys"], key)] += value / norm / len(captions)
    pooled = phrases._pool(heard["model"], batches).double().numpy()
    views = pooled - pooled.mean(0)
    views = (views / np.linalg.norm(views, axis=2, keepdims=True)).reshape(count, -1)
    squares = views.T @ views + phrases.RIDGE * np.eye(2 * 1280)
    exact = views @ np.linalg.solve(squares, views.T @ (targets - targets.mean(0)))
    learnt = views @ (arrays["projection"] * arrays["projection.scale"].astype(float))
    learnt = learnt @ (arrays["weights"] * arrays["weights.scale"][:, None].astype(float)).T
    assert np.abs(exact).max() > 0.1
    np.testing.assert_allclose(
        learnt, exact, atol=0.02 * np.abs(exact).max()
    )  # 11 pictures: rank is no limit
    np.testing.assert_allclose(arrays["mean"], targets.mean(0), atol=1e-3)


def test_held_out_phrases_know_nothing_of_the_picture_they_judge(trained, monkeypatch):
    batches, config = trained[1]["batches"], trained[1]["model"].config
    lines = []
    judge = phrases.HeldOutPhrases(config, batches, "cpu", lines.append)
    assert not lines  # nothing is learnt before it is asked for
    pictures = np.arange(len(batches.captions)).repeat(2)
    captions = [caption[:-1] for some in batches.captions for caption in some]
    assert len(captions) == len(pictures) == 22
    random = torch.random.get_rng_state()
    found = judge(captions, pictures)
    assert len(lines) == 1
    assert torch.equal(random, torch.random.get_rng_state())
    assert found.dtype == np.float32
    turned = np.random.default_rng(0).permutation(22)
    np.testing.assert_array_equal(judge([captions[n] for n in turned], pictures[turned]), found[turned])
    others = judge(captions, (pictures + 1) % 11)  # a picture of another colour
    assert found.mean() > others.mean() + 0.05

    # The captions of picture 3 change nothing of what pictures of its own fold may expect, and something for others.
    batches.captions[3] = [caption[::-1] for caption in batches.captions[0]]
    again = phrases.HeldOutPhrases(config, batches, "cpu", lines.append)(captions, pictures)
    same = pictures % phrases.FOLDS == 3 % phrases.FOLDS
    np.testing.assert_array_equal(again[same], found[same])
    assert (again[~same] != found[~same]).any()


def test_lower_rank_is_the_best_there_is(monkeypatch):
    random = torch.Generator().manual_seed(0)
    views, targets = (torch.randn(40, width, generator=random, dtype=torch.float64) for width in (12, 9))
    squares, products = views.T @ views + torch.eye(12), views.T @ targets
    root, whole = torch.linalg.cholesky(squares), torch.linalg.solve(squares, products)
    losses = []
    for rank in (1, 4, 9):
        monkeypatch.setattr(phrases, "RANK", rank)
        projection, weights = phrases._reduce_rank(root, products)
        assert projection.shape == (12, rank)
        losses.append(float(((root.T @ (projection @ weights.T - whole)) ** 2).sum()))
    tail = torch.linalg.svdvals(root.T @ whole).square().flip(0).cumsum(0).flip(0)
    np.testing.assert_allclose(losses, [float(tail[1]), float(tail[4]), 0], atol=1e-9)


def test_a_trained_checkpoint_captions_with_its_phrases(trained, pictures):
    captioner = Captioner.load(trained[0])
    assert str(captioner(pictures / "0.png", phrase_weight=5.0))


def test_too_few_pictures_teach_nothing(pictures, cache, config, tmp_path):
    short = replace(config, train=replace(config.train, epochs=1))
    train(pictures, "folder", tmp_path / "run", config=short, device="cpu", cache=cache, threads=1)
    assert checkpoint.load(tmp_path / "run" / "best").phrases is None


def test_the_most_frequent_phrases_are_chosen(monkeypatch):
    monkeypatch.setattr(phrases, "COUNT", 3)
    pair = 7 | 9 << WORD_BITS
    counts = [phrases.Counter({7: 10, 9: 6, 11: 5, 12: 4, UNKNOWN: 99}), phrases.Counter({pair: 7})]
    assert phrases._choose(counts).tolist() == [7, 9, pair]
