"""Training end to end on a tiny data set: it learns, stops, resumes and distributes."""

from __future__ import annotations

import csv
import shutil
import signal
import subprocess
import sys
import time
import weakref
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from tiny import child_environment
from torch.distributed.run import get_args_parser

from pycap import checkpoint
from pycap.training import phrases, train
from pycap.training.distributed import Workers
from pycap.training.state import ResumeError


def weights(run) -> dict[str, torch.Tensor]:
    """Return the live and the averaged weights at the end of a run, and the optimiser's moments."""
    state = torch.load(run / "resume.pt", weights_only=True)
    moments = {f"{n}.{k}": v for n, moment in state["optimizer"]["state"].items() for k, v in moment.items()}
    averaged = {f"averaged.{name}": value for name, value in state["averaged"].items()}
    return {**state["model"], **averaged, **moments}


def assert_same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> None:
    assert left.keys() == right.keys()
    for name in left:
        assert torch.equal(left[name], right[name]), name


def command(pictures, cache, out, settings, *more) -> list[str]:
    base = ["train", "--data", pictures, "--format", "folder", "--out", out, "--cache", cache, "--threads", 1]
    return [str(word) for word in (*base, *settings, *more)]


def run_pycap(words, folder) -> subprocess.CompletedProcess:
    """Run the command in a folder without a pycap of its own, so that it is the one under test."""
    line = [sys.executable, "-m", "pycap", *map(str, words)]
    return subprocess.run(line, capture_output=True, text=True, cwd=folder, env=child_environment())


def test_training_leaves_a_loadable_checkpoint_log_and_picture(pictures, cache, config, tmp_path):
    state = train(pictures, "folder", tmp_path / "run", config, device="cpu", cache=cache, threads=1)
    assert state.step == 9  # 11 pictures in batches of 4, 3 epochs
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == [
        "best",
        "log.csv",
        "loss.png",
        "resume.pt",
    ]
    loaded = checkpoint.load(tmp_path / "run" / "best")
    assert loaded.config == config
    assert "square" in loaded.vocabulary.words
    with open(tmp_path / "run" / "log.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])
    card = (tmp_path / "run" / "best" / "README.md").read_text()
    assert f"| cider | {state.best:.4f} |" in card


@pytest.mark.slow
def test_training_learns_what_the_captions_say(pictures, cache, config, tmp_path):
    sure = replace(
        config.model, region_dropout=0.0, layer_dropout=0.0, dropout=0.0, feature_dim=32, hidden_dim=32
    )
    longer = replace(
        config.train, epochs=60, ema=0.9, learning_rate=5e-3, label_smoothing=0.0, weight_decay=0.0
    )
    longer = replace(config, model=sure, train=longer)
    state = train(pictures, "folder", tmp_path / "run", longer, device="cpu", cache=cache, threads=1)
    assert state.history[-1]["loss"] < 0.75 * state.history[0]["loss"]
    assert state.best > 3  # CIDEr of a model that names the colours; at most 10


def test_training_stops_when_dev_no_longer_gets_better(pictures, cache, config, tmp_path, monkeypatch):
    scores = iter([0.1, 0.3, 0.2, 0.25, 0.9])
    names = ("bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l")
    monkeypatch.setattr(
        "pycap.training.validate", lambda *_: {**dict.fromkeys(names, 0.0), "cider": next(scores)}
    )
    patient = replace(config, train=replace(config.train, epochs=5, patience=2))
    state = train(pictures, "folder", tmp_path / "run", patient, device="cpu", cache=cache, threads=1)
    assert [row["cider"] for row in state.history] == [0.1, 0.3, 0.2, 0.25]
    assert (state.best, state.best_epoch) == (0.3, 2)
    again = train(
        pictures, "folder", tmp_path / "run", patient, resume=True, device="cpu", cache=cache, threads=1
    )
    assert again.step == state.step


@pytest.mark.slow
def test_killed_training_resumes_to_the_same_weights(pictures, cache, config, settings, tmp_path):
    train(pictures, "folder", tmp_path / "whole", config, device="cpu", cache=cache, threads=1)
    words = command(pictures, cache, tmp_path / "killed", settings)
    line = [sys.executable, "-m", "pycap", *words]
    process = subprocess.Popen(
        line, cwd=tmp_path, env=child_environment(), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not (tmp_path / "killed" / "resume.pt").exists():
        assert process.poll() is None, "training ended before it saved a state"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    stopped = torch.load(tmp_path / "killed" / "resume.pt", weights_only=True)["step"]
    assert 0 < stopped < 9
    finished = run_pycap([*words, "--resume"], tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert_same(weights(tmp_path / "whole"), weights(tmp_path / "killed"))
    left, right = (load_file(tmp_path / name / "best" / "model.safetensors") for name in ("whole", "killed"))
    assert_same(left, right)


def test_self_critical_epochs_follow_from_the_best_weights(pictures, cache, two_phases, tmp_path, capsys):
    state = train(pictures, "folder", tmp_path / "run", two_phases, device="cpu", cache=cache, threads=1)
    assert state.step == 12  # 11 pictures in batches of 4, two phases of 2 epochs
    assert [row["phase"] for row in state.history] == [1, 1, 2, 2]
    assert "self-critical epoch: starting from epoch" in capsys.readouterr().err
    with open(tmp_path / "run" / "log.csv") as file:
        rows = list(csv.DictReader(file))
    assert [bool(row["reward"]) for row in rows] == [False, False, True, True]
    assert (tmp_path / "run" / "loss.png").stat().st_size > 1000
    assert checkpoint.load(tmp_path / "run" / "best").config == two_phases


@pytest.mark.parametrize("phases", [1, 2])
@pytest.mark.parametrize("stop", [1, 3, 5, 6, 7, 8])
def test_resuming_at_any_saved_step_changes_nothing(
    pictures, cache, config, two_phases, tmp_path, train_in_two, phases, stop
):
    config = config if phases == 1 else two_phases
    train(pictures, "folder", tmp_path / "whole", config, device="cpu", cache=cache, threads=1)
    train_in_two(tmp_path / "cut", config, stop)
    assert_same(weights(tmp_path / "cut"), weights(tmp_path / "whole"))


def test_phrase_epochs_come_last_and_resume_alike(
    pictures, cache, two_phases, tmp_path, train_in_two, monkeypatch, capsys
):
    monkeypatch.setattr(phrases, "FEWEST", 1)
    monkeypatch.setattr(phrases, "SEEN", 2)
    recipe = replace(two_phases.train, epochs=1, self_critical_epochs=1, phrase_epochs=2)
    config = replace(two_phases, train=recipe)
    state = train(pictures, "folder", tmp_path / "whole", config, device="cpu", cache=cache, threads=1)
    assert [row["phase"] for row in state.history] == [1, 2, 3, 3]
    said = capsys.readouterr().err
    assert "phrase epoch: starting from epoch" in said
    assert said.count("learning what people say") == 1
    # Of 12 steps the last 6 are rewarded for phrases.
    train_in_two(tmp_path / "cut", config, 8)
    assert_same(weights(tmp_path / "cut"), weights(tmp_path / "whole"))


def test_a_training_picture_that_is_also_in_dev_is_left_out(pictures, cache, config, tmp_path, capsys):
    leaky = tmp_path / "leaky"
    shutil.copytree(pictures, leaky)
    shutil.copy(leaky / "12.png", leaky / "3.png")  # 12 is dev, 3 is train
    once = replace(config, train=replace(config.train, epochs=1))
    train(leaky, "folder", tmp_path / "run", once, device="cpu", cache=cache, threads=1)
    assert "10 training and 3 dev pictures" in capsys.readouterr().err


def test_a_second_run_in_the_same_folder_needs_resume(pictures, cache, config, tmp_path):
    once = replace(config, train=replace(config.train, epochs=1))
    train(pictures, "folder", tmp_path, once, device="cpu", cache=cache, threads=1)
    with pytest.raises(ResumeError, match="holds a run already; continue it with --resume"):
        train(pictures, "folder", tmp_path, once, device="cpu", cache=cache, threads=1)


def test_resuming_with_other_settings_is_refused(pictures, cache, config, tmp_path):
    once = replace(config, train=replace(config.train, epochs=1))
    train(pictures, "folder", tmp_path, once, device="cpu", cache=cache, threads=1)
    other = replace(once, train=replace(once.train, seed=2))
    with pytest.raises(ResumeError, match=r"train\.seed=1, now 2"):
        train(pictures, "folder", tmp_path, other, resume=True, device="cpu", cache=cache, threads=1)


def test_resuming_with_another_precision_is_refused(pictures, cache, config, tmp_path):
    once = replace(config, train=replace(config.train, epochs=1))
    train(pictures, "folder", tmp_path, once, device="cpu", cache=cache, threads=1)
    with pytest.raises(ResumeError, match="was started with precision=fp32, now bf16"):
        train(pictures, "folder", tmp_path, once, resume=True, device="cpu", precision="bf16", cache=cache)


def test_mixed_precision_trains_too(pictures, cache, config, tmp_path):
    state = train(
        pictures, "folder", tmp_path, config, device="cpu", precision="bf16", cache=cache, threads=1
    )
    assert state.history[-1]["loss"] < state.history[0]["loss"]


def test_a_loss_that_explodes_is_one_clear_line(pictures, cache, config, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "pycap.training.objectives.caption_loss", lambda logits, *rest: logits.sum() * float("nan")
    )
    with pytest.raises(RuntimeError, match="the loss became nan in step 1: lower --learning-rate"):
        train(pictures, "folder", tmp_path, config, device="cpu", cache=cache, threads=1)


def test_unreadable_pictures_are_reported_and_left_out(pictures, cache, config, tmp_path, capsys):
    damaged = tmp_path / "damaged"
    shutil.copytree(pictures, damaged)
    (damaged / "2.png").write_bytes(b"")
    once = replace(config, train=replace(config.train, epochs=1))
    train(damaged, "folder", tmp_path / "run", once, device="cpu", cache=cache, threads=1)
    said = capsys.readouterr().err
    assert "2.png" in said
    assert "10 training and 3 dev pictures" in said


def test_a_torn_state_is_one_clear_line(pictures, cache, config, tmp_path):
    (tmp_path / "resume.pt").write_bytes(b"PK torn")
    with pytest.raises(ResumeError, match="cannot be resumed"):
        train(pictures, "folder", tmp_path, config, resume=True, device="cpu", cache=cache, threads=1)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("model.wings=2", "--set model.wings: no such setting"),
        ("train.epochs=many", "--set train.epochs=many: expected int"),
        ("train.clip=-1", "train.clip must be from"),
        ("model.grid=7", "model.grid must be 9 for preprocess.size=288, got 7"),
    ],
)
def test_bad_setting_is_a_usage_error(pictures, tmp_path, setting, message):
    words = ["train", "--data", pictures, "--format", "folder", "--out", tmp_path / "run", "--set", setting]
    answer = run_pycap(words, tmp_path)
    assert answer.returncode == 2
    assert message in answer.stderr
    assert "Traceback" not in answer.stderr
    assert not (tmp_path / "run").exists()


def test_the_wrapped_model_is_gone_when_the_group_is_left(pictures, cache, config, tmp_path, monkeypatch):
    class Wrapper(torch.nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, *inputs):
            return self.model(*inputs)

    alive, gone = weakref.WeakSet(), []

    def wrap(workers, model):
        wrapper = Wrapper(model)
        alive.add(wrapper)
        return wrapper

    monkeypatch.setattr(Workers, "wrap", wrap)
    monkeypatch.setattr(Workers, "leave", lambda workers: gone.append(not alive))
    once = replace(config, train=replace(config.train, epochs=1))
    train(pictures, "folder", tmp_path / "run", once, device="cpu", cache=cache, threads=1)
    assert gone == [True]  # or the group dies with the wrapper, and its threads may never end


def test_torchrun_takes_no_option_for_one_of_its_own(train_parser):
    theirs = get_args_parser()._option_string_actions
    for option in train_parser._option_string_actions.keys() - {"-h", "--help"}:
        # As torchrun does with what is cut short.
        completed = [name for name in theirs if name.startswith(option)]
        assert completed == [], option


@pytest.mark.slow
def test_two_processes_train_together(pictures, cache, settings, tmp_path):
    words = command(pictures, cache, tmp_path / "run", settings)
    launch = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "pycap"]
    line = [sys.executable, "-m", *launch, *words]
    done = subprocess.run(
        line, capture_output=True, text=True, cwd=tmp_path, env=child_environment(), timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    state = torch.load(tmp_path / "run" / "resume.pt", weights_only=True)
    assert state["step"] == 6  # two processes halve the steps
    assert checkpoint.load(tmp_path / "run" / "best").config.train.epochs == 3
    assert done.stdout.count("best") == 1  # only the first process answers
