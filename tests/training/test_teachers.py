"""Teachers are asked once, about the right steps, and only those that fit the student may teach."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import child_environment

from pycap import checkpoint
from pycap.cli import main
from pycap.training import teachers, train
from pycap.training.state import ResumeError
from pycap.training.teachers import KEPT


@pytest.fixture
def taught(pictures, cache, config, tmp_path):
    """Train with teachers; keyword arguments change the call."""

    def run(name: str, teachers: list[Path], **more) -> Path:
        settings = {"config": config, "device": "cpu", "cache": cache, "threads": 1, **more}
        train(pictures, "folder", tmp_path / name, teachers=teachers, **settings)
        return tmp_path / name

    return run


@pytest.fixture
def pair(taught, config) -> list[Path]:
    """Two trained captioners."""
    seeds = [replace(config, train=replace(config.train, seed=seed, epochs=1)) for seed in (5, 6)]
    return [taught(f"teacher{n}", [], config=seed) / "best" for n, seed in enumerate(seeds)]


def collected(run: Path) -> teachers.Advice:
    """Return the advice that a run kept."""
    with np.load(run / "advice.npz") as stored:
        return teachers.Advice(torch.from_numpy(stored["words"]), torch.from_numpy(stored["shares"]))


def test_what_is_kept_is_the_mean_of_the_teachers(taught, pair, config, monkeypatch):
    seen = {}
    ask = teachers._ask
    monkeypatch.setattr(
        teachers, "_ask", lambda *words: seen.setdefault("advice", ask(*(seen.setdefault("asked", words))))
    )
    advice = collected(taught("student", pair))
    asked, batches = seen["asked"][:2]
    steps = sum(len(caption) for captions in batches.captions for caption in captions)
    assert advice.words.shape == advice.shares.shape == (steps, min(KEPT, len(asked[0].vocabulary)))
    caption = batches.captions[3][1]
    began = sum(len(known) for captions in batches.captions[:3] for known in captions) + len(
        batches.captions[3][0]
    )
    expected = 0
    for teacher in asked:
        for view in (batches.plain, batches.mirrored):
            cells = torch.from_numpy(batches.cache.read(view[3:4])).float()
            tokens, length = torch.tensor([[1, *caption[:-1]]]), torch.tensor([len(caption)])
            logits, _ = teacher.model(cells, tokens, length, torch.tensor([0]))
            expected = expected + logits.softmax(-1) / 4
    mine = slice(began, began + len(caption))
    shares = advice.shares[mine].float()
    torch.testing.assert_close(shares, expected.gather(1, advice.words[mine].long()), atol=1e-3, rtol=0)
    assert (shares.diff(dim=1) <= 0).all()
    assert torch.equal(advice.words[mine, 0].long(), expected.argmax(1))


def test_teachers_change_what_is_learnt(taught, pair, config):
    alone, with_teachers = (
        checkpoint.load(taught(name, some) / "best").weights
        for name, some in (("alone", []), ("taught", pair))
    )
    assert any((alone[name] != with_teachers[name]).any() for name in alone)
    deaf = replace(config, train=replace(config.train, distillation=0.0))
    unmoved = checkpoint.load(taught("deaf", pair, config=deaf) / "best").weights
    assert all((alone[name] == unmoved[name]).all() for name in alone)


def test_a_resumed_run_does_not_ask_again(taught, pair, config, monkeypatch):
    taught("student", pair)
    monkeypatch.setattr(teachers, "_ask", None)
    taught("student", pair, resume=True)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_torn_file_is_no_answer(taught, pair, share):
    kept = taught("student", pair) / "advice.npz"
    whole = collected(kept.parent)
    kept.write_bytes(kept.read_bytes()[: int(kept.stat().st_size * share)])
    taught("student", pair, resume=True)
    again = collected(kept.parent)
    assert torch.equal(again.words, whole.words)
    assert torch.equal(again.shares, whole.shares)


def test_resuming_with_other_teachers_is_refused(taught, pair):
    taught("student", pair)
    for others in (pair[:1], []):
        with pytest.raises(
            ResumeError, match="the training data or the teachers changed since the run began"
        ):
            taught("student", others, resume=True)


def test_who_has_other_words_cannot_teach(taught, pair, config):
    rare = replace(config, train=replace(config.train, min_count=5))
    with pytest.raises(
        ValueError, match=r"best: cannot teach, its words are others; .* same train\.min_count"
    ):
        taught("student", pair, config=rare)


def test_who_looks_at_other_cells_cannot_teach(taught, pair, config):
    tuned = replace(config, model=replace(config.model, tuned_blocks=6))
    with pytest.raises(ValueError, match="best: cannot teach, its CNN is not the same"):
        taught("student", pair, config=tuned)


def test_the_command_names_a_teacher_that_is_not_there(pictures, cache, settings, tmp_path, capsys):
    words = ["train", "--data", pictures, "--format", "folder", "--out", tmp_path / "run", "--cache", cache]
    code = main([str(word) for word in (*words, *settings, "--teacher", tmp_path / "nobody")])
    assert code == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"pycap: {tmp_path / 'nobody'}: not a checkpoint, config.json is missing; give a folder made by `pycap train`"
    )
    assert not (tmp_path / "run").exists()  # said before any work is done


@pytest.mark.slow
def test_two_processes_learn_from_the_same_advice(taught, pair, pictures, cache, settings, tmp_path):
    alone = collected(taught("alone", pair))
    launch = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "pycap", "train"]
    where = ["--data", pictures, "--format", "folder", "--out", tmp_path / "run", "--cache", cache]
    line = [sys.executable, "-m", *launch, *where, "--threads", "1", *settings, "--teacher", pair[0]]
    done = subprocess.run(
        [*map(str, line), "--teacher", str(pair[1])],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=child_environment(),
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    together = collected(tmp_path / "run")
    assert torch.equal(together.words, alone.words)
    torch.testing.assert_close(together.shares, alone.shares)
