"""The training loop: phases of steps on cached regions, validated by beam search, resumable at any step."""

from __future__ import annotations

import contextlib
import copy
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from pycap import checkpoint
from pycap.config import Config, TrainConfig
from pycap.data.batches import Batch, TrainingBatches
from pycap.model import CaptionModel
from pycap.ops import library
from pycap.text import Vocabulary
from pycap.training.distributed import Workers
from pycap.training.objectives import Objective
from pycap.training.report import write_log, write_loss_picture
from pycap.training.state import TrainState, averaged_update

LOSS_EVERY = 10  # steps between points of the loss curve


@dataclass(frozen=True)
class Run:
    """Where a run lives: its folder and the files in it."""

    folder: Path

    @property
    def state(self) -> Path:
        return self.folder / "resume.pt"

    @property
    def best(self) -> Path:
        return self.folder / "best"

    @property
    def advice(self) -> Path:
        return self.folder / "advice.npz"


@dataclass(frozen=True)
class Phase:
    """A part of the run with an aim of its own; every phase after the first starts from the best weights so far.

    Attributes:
        name: what the progress bar says.
        epochs: at most.
        learning_rate: peak of its schedule.
        objective: what its steps minimise.
    """

    name: str
    epochs: int
    learning_rate: float
    objective: Objective


def learning_rate(step: int, total: int, peak: float, warmup: float) -> float:
    """Return the rate of a step: linear warm-up, then a cosine to zero (Loshchilov & Hutter 2017).

    Args:
        step: from 0.
        total: steps of the phase.
        peak: largest rate.
        warmup: share of all steps that warm up.
    """
    warm = max(1, round(warmup * total))
    if step < warm:
        return peak * (step + 1) / warm
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, total - warm)))


def make_optimizer(model: CaptionModel, config: TrainConfig) -> torch.optim.AdamW:
    """Return AdamW (Loshchilov & Hutter 2019) that decays matrices and leaves biases, norms and vectors alone.

    Every group has a "share" of the learning rate: `tail_rate` for the CNN's tuned blocks, 1 for the rest.
    """
    groups = []
    for in_tail, share in ((False, 1.0), (True, config.tail_rate)):
        values = [value for name, value in model.named_parameters() if name.startswith("tail.") == in_tail]
        matrices = [value for value in values if value.dim() >= 2]
        vectors = [value for value in values if value.dim() < 2]
        groups.append({"params": matrices, "weight_decay": config.weight_decay, "share": share})
        groups.append({"params": vectors, "weight_decay": 0.0, "share": share})
    groups = [group for group in groups if group["params"]]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98), eps=1e-8, fused=True)


class Fit:
    """A run in progress: model, averaged model, optimiser and where the run stands.

    Args:
        model: on its device; its weights are overwritten when resuming.
        vocabulary: stored with every checkpoint.
        batches: the training data.
        phases: what is trained, in order.
        validate: scores a model on dev; `cider` decides which checkpoint is best.
        config: the recipe.
        run: folder that receives `resume.pt`, `best/`, `log.csv` and `loss.png`.
        workers: this process among its peers.
        precision: "fp32", or "bf16" for automatic mixed precision.
        resume: continue from `run.state` when it exists.
        say: receives notes for the user.
        card: writes the model card of a new best checkpoint.
        trained: the model is trained already: it is scored first, and kept until an epoch is better.

    Raises:
        ResumeError: the run was started with other settings or data.
    """

    def __init__(
        self,
        model: CaptionModel,
        vocabulary: Vocabulary,
        batches: TrainingBatches,
        phases: Sequence[Phase],
        validate: Callable[[CaptionModel], dict[str, float]],
        config: Config,
        run: Run,
        workers: Workers,
        precision: str = "fp32",
        resume: bool = False,
        say: Callable[[str], None] = lambda line: None,
        card: Callable[[TrainState], str] = lambda state: "",
        trained: bool = False,
    ):
        self.model, self.vocabulary, self.batches, self.phases = model, vocabulary, batches, phases
        self.validate, self.config, self.run, self.workers = validate, config, run, workers
        self.precision, self.say, self.card, self.trained = precision, say, card, trained
        train = config.train
        self.averaged = copy.deepcopy(model).eval().requires_grad_(False) if train.ema else model
        self.optimizer = make_optimizer(model, train)
        setup = {
            "processes": workers.world,
            "precision": precision,
            "device": model.device.type,
            "threads": torch.get_num_threads(),
            "backend": library.backend(),
        }
        self.state = TrainState(config=config.to_dict(), setup=setup, data=batches.fingerprint())
        if resume and run.state.exists():
            self._continue(setup)
        elif resume:
            say(f"{run.state}: not there, so training starts from the beginning")
        self.wrapped: nn.Module = model
        self.steps = batches.steps(workers.world)  # of an epoch

    def _continue(self, setup: dict[str, object]) -> None:
        state = self.state = TrainState.load(self.run.state, self.state.config, setup, self.state.data)
        self.model.load_state_dict(state.model)
        self.averaged.load_state_dict(state.averaged or state.model)
        self.optimizer.load_state_dict(state.optimizer)
        self.say(f"resuming after step {state.step}")
        if state.setup != setup:
            self.say("threads or backend differ from before: the run goes on, but not bit for bit")
        state.setup = setup

    def train(self) -> TrainState:
        """Train to the end of the last phase, from where a killed run stopped; return the final state."""
        self.wrapped = self.workers.wrap(self.model)
        try:
            if self.trained and self.workers.first and not self.state.history:
                none = dict.fromkeys(("loss", "reward", "train_captions_per_second"), math.nan)
                self._finish_epoch({"epoch": 0, "step": 0, "phase": 0, **none})
            while self.state.phase < len(self.phases):
                phase = self.phases[self.state.phase]
                end = self.state.phase_began + phase.epochs * self.steps
                while self.state.step < end and not self._stale():
                    self._train_epoch(phase)
                    self._keep()
                self._next_phase()
        finally:
            self.wrapped = self.model  # the wrapper must not outlive the group, see Workers.leave
        return self.state

    def _stale(self) -> bool:
        patience = self.config.train.patience
        return self.workers.agree(bool(patience and self.state.stale >= patience))

    def _next_phase(self) -> None:
        """Go on from the best weights, with a new optimiser."""
        state = self.state
        state.phase, state.phase_began, state.stale = state.phase + 1, state.step, 0
        if state.phase < len(self.phases):
            self.workers.wait()  # until the first process has written them
            best = checkpoint.load(self.run.best, str(self.model.device)).model.state_dict()
            self.model.load_state_dict(best)
            self.averaged.load_state_dict(best)
            self.optimizer = make_optimizer(self.model, self.config.train)
            self.say(f"{self.phases[state.phase].name}: starting from epoch {state.best_epoch}")
        self._keep()

    def _keep(self) -> None:
        if self.workers.first:
            state = self.state
            state.model, state.optimizer = self.model.state_dict(), self.optimizer.state_dict()
            state.averaged = self.averaged.state_dict() if self.config.train.ema else {}
            state.save(self.run.state)

    def _train_epoch(self, phase: Phase) -> None:
        state, train, workers = self.state, self.config.train, self.workers
        epoch, first = divmod(state.step, self.steps)
        number = epoch + 1 - state.phase_began // self.steps
        self.model.train()
        title, hidden = f"{phase.name} {number}/{phase.epochs}", not workers.first
        with tqdm(
            total=self.steps,
            initial=first,
            desc=title,
            unit="step",
            disable=hidden or None,
            dynamic_ncols=True,
        ) as bar:
            captions, began, losses, rewards = 0, perf_counter(), [], []
            for batch in self.batches.epoch(epoch, first, workers.rank, workers.world):
                seed = (train.seed * 1_000_003 + state.step) * 1024 + workers.rank
                loss, reward = self._step(phase, batch.to(self.model.device), seed)
                state.step += 1
                if train.ema:
                    averaged_update(self.averaged, self.model, train.ema, state.step)
                captions += len(batch.lengths) * workers.world
                losses.append(loss)
                if reward is None:
                    shown = {"loss": f"{np.mean(losses[-50:]):.3f}"}
                    if state.step % LOSS_EVERY == 0:
                        state.losses.append([state.step, loss])
                else:
                    rewards.append(reward)
                    shown = {"reward": f"{np.mean(rewards[-50:]):.3f}"}
                bar.set_postfix(shown, captions_per_s=f"{captions / (perf_counter() - began):.0f}")
                bar.update()
                if state.step % train.save_every == 0 and state.step % self.steps:
                    self._keep()
        if workers.first:
            row = {
                "epoch": epoch + 1,
                "step": state.step,
                "phase": state.phase + 1,
                "loss": float(np.mean(losses)),
                "reward": float(np.mean(rewards)) if rewards else float("nan"),
                "train_captions_per_second": captions / (perf_counter() - began),
            }
            self._finish_epoch(row)

    def _step(self, phase: Phase, batch: Batch, seed: int) -> tuple[float, float | None]:
        """Do one optimiser step; return the mean loss per word, and the mean reward if there is one."""
        step, train, workers = self.state.step - self.state.phase_began, self.config.train, self.workers
        rate = learning_rate(step, phase.epochs * self.steps, phase.learning_rate, train.warmup)
        for group in self.optimizer.param_groups:
            group["lr"] = group["share"] * rate
        torch.manual_seed(seed)
        mixed = (
            torch.autocast(batch.regions.device.type, torch.bfloat16)
            if self.precision == "bf16"
            else contextlib.nullcontext()
        )
        with mixed:
            outcome = phase.objective(self.model, self.wrapped, batch, seed)
        loss = outcome.loss / workers.mean(outcome.words)
        self.optimizer.zero_grad(set_to_none=True)
        if not torch.isfinite(loss):
            raise RuntimeError(
                f"the loss became {loss.item()} in step {self.state.step + 1}: "
                "lower --learning-rate and start anew"
            )
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), train.clip)
        self.optimizer.step()
        reward = None if outcome.reward is None else workers.mean(outcome.reward)
        return workers.mean(loss.item()), reward

    def _finish_epoch(self, row: dict[str, float]) -> None:
        """Validate, log, and keep the model if it is the best so far."""
        state, epoch = self.state, int(row["epoch"])
        scores = self.validate(self.averaged.eval())
        state.history.append({**row, **scores})
        better = scores["cider"] >= state.best  # >=: a dev set of one picture always scores 0
        if better:
            state.best, state.best_epoch, state.stale = scores["cider"], epoch, 0
            checkpoint.save(self.run.best, self.averaged, self.vocabulary, self.config, self.card(state))
        else:
            state.stale += 1
        write_log(state, self.run.folder / "log.csv")
        write_loss_picture(state, self.run.folder / "loss.png")
        aim = "before training" if epoch == 0 else f"loss {row['loss']:.3f}"
        if not math.isnan(row["reward"]):
            aim = f"reward {row['reward']:.3f}"
        bleu, cider, mark = scores["bleu_4"], scores["cider"], " (best)" if better else ""
        tqdm.write(f"epoch {epoch}: {aim}, dev BLEU-4 {bleu:.4f}, CIDEr {cider:.4f}{mark}", file=sys.stderr)
