"""Training that starts from a trained captioner keeps its sizes and words, and nothing that is worse."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from pycap import checkpoint
from pycap.cli import main
from pycap.cli.train import build_config
from pycap.config import UNKNOWN, Config
from pycap.model import CaptionModel
from pycap.training import loop, train
from pycap.training.start import BY_WORD, add_words

SCORES = ("bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l")


@pytest.fixture
def go(pictures, cache, tmp_path):
    """Train in a folder of that name; keyword arguments change the call."""

    def run(name: str, config: Config, data=pictures, **more):
        return train(data, "folder", tmp_path / name, config, device="cpu", cache=cache, threads=1, **more)

    return run


@pytest.fixture
def trained(go, config, tmp_path):
    """A captioner to start from."""
    go("first", replace(config, train=replace(config.train, epochs=2)))
    return tmp_path / "first" / "best"


def stored(folder):
    return load_file(folder / "model.safetensors")


def same(left, right) -> bool:
    return left.keys() == right.keys() and all(np.array_equal(left[name], right[name]) for name in left)


def untrained(config: Config) -> Config:
    return replace(config, train=replace(config.train, epochs=0))


def test_no_epochs_leave_it_as_it_is(go, trained, config, tmp_path, capsys):
    state = go("second", untrained(config), start=trained)
    assert state.step == 0
    assert [(row["epoch"], row["phase"]) for row in state.history] == [(0, 0)]
    assert state.history[0]["cider"] == pytest.approx(state.best)
    assert same(stored(tmp_path / "second" / "best"), stored(trained))
    assert "epoch 0: before training, dev BLEU-4" in capsys.readouterr().err
    assert (tmp_path / "second" / "log.csv").read_text().splitlines()[1].startswith("0,0,0,,,,")


def test_training_goes_on_from_its_weights(go, trained, config, tmp_path, monkeypatch):
    began = {}
    do_step = loop.Fit._step

    def watched_step(fit, *args):
        began.setdefault("weights", {n: w.clone() for n, w in fit.model.state_dict().items()})
        return do_step(fit, *args)

    monkeypatch.setattr(loop.Fit, "_step", watched_step)
    state = go("second", config, start=trained)
    first = checkpoint.load(trained).weights
    assert all(np.array_equal(began["weights"][name].numpy(), first[name]) for name in first)
    assert [row["epoch"] for row in state.history] == [0, 1, 2, 3]
    assert any((state.model[name].numpy() != first[name]).any() for name in first)


def test_nothing_worse_than_the_start_is_kept(go, trained, config, tmp_path, monkeypatch):
    scores = iter([0.5, 0.1, 0.4, 0.3])
    monkeypatch.setattr(
        "pycap.training.validate", lambda *_: {**dict.fromkeys(SCORES, 0.0), "cider": next(scores)}
    )
    state = go("second", config, start=trained)
    assert (state.best, state.best_epoch) == (0.5, 0)
    assert same(stored(tmp_path / "second" / "best"), stored(trained))
    card = (tmp_path / "second" / "best" / "README.md").read_text()
    assert "Training went on from\na trained captioner (`--from`)" in card
    assert "epoch 0 (before training)" in card


@pytest.mark.parametrize("stop", [0, 2, 4])
def test_it_resumes_to_the_same_weights(go, trained, config, tmp_path, train_in_two, stop):
    whole = go("whole", replace(config, train=replace(config.train, save_every=1)), start=trained)
    cut = train_in_two(tmp_path / "cut", config, stop, start=trained)
    assert all(torch.equal(cut.model[name], whole.model[name]) for name in whole.model)
    assert [row["cider"] for row in cut.history] == [row["cider"] for row in whole.history]


def test_its_words_stay_and_frequent_new_ones_are_added(go, trained, pictures, config, tmp_path, capsys):
    other = tmp_path / "other"
    shutil.copytree(pictures, other)
    table = (other / "captions.csv").read_text()
    (other / "captions.csv").write_text(table.replace("square", "quadrangle"))
    first = checkpoint.load(trained)

    def go_on(name: str, min_count: int):
        rare = replace(config, train=replace(config.train, epochs=0, min_count=min_count))
        go(name, rare, data=other, start=trained)
        return checkpoint.load(tmp_path / name / "best")

    # 11 pictures, each with captions of 3 and of 7 words, one of these 10 new
    same_words = go_on("rare", 12)
    assert same_words.vocabulary == first.vocabulary
    assert f"{trained}: 0 words more; 10.0% of the captions' words stay unknown" in capsys.readouterr().err
    grown = go_on("frequent", 11)
    assert grown.vocabulary.words == (*first.vocabulary.words, "quadrangle")
    assert f"{trained}: 1 words more; 0.0% of the captions' words stay unknown" in capsys.readouterr().err
    assert grown.weights.keys() == first.weights.keys()
    for name in first.weights:
        rows = grown.weights[name]
        if name in BY_WORD:
            assert len(rows) == len(first.vocabulary) + 1
            assert np.array_equal(rows[-1], rows[UNKNOWN])
            rows = rows[:-1]
        assert np.array_equal(rows, first.weights[name])


def test_new_words_share_the_probability_of_unknown_ones(trained):
    first = checkpoint.load(trained)
    vocabulary, weights = add_words(first, ["one two three"], 1)
    assert vocabulary.words[-3:] == ("one", "three", "two")
    grown = CaptionModel(first.config.model, len(vocabulary))
    grown.load_arrays(weights)
    cells = torch.rand(1, 4, first.config.model.region_channels)
    words, length = torch.tensor([[1, 4]]), torch.tensor([2])
    before, after = (
        model.eval()(cells, words, length, torch.tensor([0]))[0].exp() for model in (first.model, grown)
    )
    torch.testing.assert_close(after[:, -3:].sum(1), before[:, UNKNOWN], rtol=1e-4, atol=0)
    torch.testing.assert_close(after[:, :-3], before, rtol=1e-4, atol=0)


def test_phrases_stay_where_there_are_too_few_pictures_for_new_ones(go, trained, config, tmp_path):
    phrases = checkpoint.load().phrases
    checkpoint.add_phrases(trained, phrases)
    go("second", untrained(config), start=trained)
    kept = checkpoint.load(tmp_path / "second" / "best").phrases
    assert same(kept, phrases)


def test_the_terms_of_its_data_are_handed_on(go, trained, config, tmp_path):
    go("plain", untrained(config), start=trained)
    assert "Terms of the data" not in (tmp_path / "plain" / "best" / "README.md").read_text()
    (trained / "README.md").write_text("Trained on Flickr8k.")
    go("second", untrained(config), start=trained)
    assert "Terms of the data" in (tmp_path / "second" / "best" / "README.md").read_text()


@pytest.mark.parametrize(
    ("section", "name", "value", "message"),
    [
        (
            "model",
            "hidden_dim",
            20,
            "has model.hidden_dim=16, which training cannot change, and 20 is asked for",
        ),
        ("preprocess", "mean", 0.0, "has preprocess.mean=127.0, which training cannot change"),
    ],
)
def test_other_sizes_are_refused(go, trained, config, tmp_path, section, name, value, message):
    changed = replace(config, **{section: replace(getattr(config, section), **{name: value})})
    with pytest.raises(ValueError, match=message):
        go("second", changed, start=trained)
    assert not (tmp_path / "second").exists()


def test_dropout_may_change(go, trained, config):
    go("second", untrained(replace(config, model=replace(config.model, dropout=0.1))), start=trained)


def test_no_epochs_from_nothing_are_refused(go, config, tmp_path):
    with pytest.raises(ValueError, match=r"train\.epochs must be 1 or more"):
        go("second", untrained(config))
    assert not (tmp_path / "second").exists()


def test_the_command_takes_the_shipped_sizes_and_search(train_parser):
    def settings(*words: str) -> Config:
        return build_config(train_parser.parse_args(["--data", "x", "--out", "y", *words]))

    shipped, asked = checkpoint.load().config, settings("--from", "--epochs", "2")
    for section in ("model", "search", "preprocess"):
        assert getattr(asked, section) == getattr(shipped, section)
    assert asked.train == replace(Config().train, epochs=2)
    assert settings("--from", "--beam", "4", "--set", "model.dropout=0.1").search.beam == 4
    assert settings() == Config()


def test_the_command_names_a_start_that_is_not_there(pictures, tmp_path, capsys):
    words = ["train", "--data", pictures, "--format", "folder", "--out", tmp_path / "run"]
    assert main([str(word) for word in (*words, "--from", tmp_path / "nobody")]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"pycap: {tmp_path / 'nobody'}: not a checkpoint, config.json is missing; give a folder made by `pycap train`"
    )
    assert not (tmp_path / "run").exists()
