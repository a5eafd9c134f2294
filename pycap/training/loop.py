"""The training loop: teacher forcing on cached regions, validated by beam search, resumable at any step."""

from __future__ import annotations

import contextlib
import copy
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from pycap import checkpoint
from pycap.config import Config, TrainConfig
from pycap.data.batches import Batch, TrainingBatches
from pycap.model import CaptionModel
from pycap.ops import library
from pycap.text import Vocabulary
from pycap.training.distributed import Workers
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


def learning_rate(step: int, total: int, config: TrainConfig) -> float:
    """Return the rate of a step: linear warm-up, then a cosine to zero (Loshchilov & Hutter 2017).

    Args:
        step: from 0.
        total: steps of the whole run.
        config: peak and share of warm-up.
    """
    warm = max(1, round(config.warmup * total))
    if step < warm:
        return config.learning_rate * (step + 1) / warm
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, total - warm)))


def caption_loss(logits: Tensor, attention: Tensor, batch: Batch, config: TrainConfig) -> Tensor:
    """Return the summed loss of a batch's real steps.

    Cross-entropy with label smoothing; when `doubly_stochastic` is set, plus the regulariser of Xu et al. 2015,
    eq. 14, with attention scaled so that it asks for equal shares whatever the length of the caption.

    Args:
        logits: `(lengths.sum(), vocab_size)`.
        attention: `(batch, time, regions)`, zero behind a caption's end.
        batch: holds the targets.
        config: smoothing and weight of the regulariser.
    """
    loss = functional.cross_entropy(
        logits.float(), batch.targets, label_smoothing=config.label_smoothing, reduction="sum"
    )
    if config.doubly_stochastic:
        regions = attention.shape[-1]
        seen = attention.sum(1) * (regions / batch.lengths[:, None])  # 1 on average
        loss = loss + config.doubly_stochastic * ((1 - seen) ** 2).mean(1).mul(batch.lengths).sum()
    return loss


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    """Return AdamW (Loshchilov & Hutter 2019) that decays matrices and leaves biases, norms and vectors alone."""
    matrices = [value for value in model.parameters() if value.dim() >= 2]
    vectors = [value for value in model.parameters() if value.dim() < 2]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98), eps=1e-8)


def fit(
    model: CaptionModel,
    vocabulary: Vocabulary,
    batches: TrainingBatches,
    validate: Callable[[CaptionModel], dict[str, float]],
    config: Config,
    run: Run,
    workers: Workers,
    precision: str = "fp32",
    resume: bool = False,
    say: Callable[[str], None] = lambda line: None,
    card: Callable[[TrainState], str] = lambda state: "",
) -> TrainState:
    """Train to the end of the last epoch, or from where a killed run stopped.

    Args:
        model: on its device; its weights are overwritten when resuming.
        vocabulary: stored with every checkpoint.
        batches: the training data.
        validate: scores a model on dev; `cider` decides which checkpoint is best.
        config: the recipe.
        run: folder that receives `resume.pt`, `best/`, `log.csv` and `loss.png`.
        workers: this process among its peers.
        precision: "fp32", or "bf16" for automatic mixed precision.
        resume: continue from `run.state` when it exists.
        say: receives notes for the user.
        card: writes the model card of a new best checkpoint.

    Returns:
        the final state.

    Raises:
        ResumeError: the run was started with other settings or data.
    """
    train = config.train
    averaged = copy.deepcopy(model).eval().requires_grad_(False) if train.ema else model
    optimizer = make_optimizer(model, train)
    setup = {
        "processes": workers.world,
        "precision": precision,
        "device": model.device.type,
        "threads": torch.get_num_threads(),
        "backend": library.backend(),
    }
    state = TrainState(config=config.to_dict(), setup=setup, data=batches.fingerprint())
    if resume and run.state.exists():
        state = TrainState.load(run.state, state.config, setup, state.data)
        model.load_state_dict(state.model)
        averaged.load_state_dict(state.averaged or state.model)
        optimizer.load_state_dict(state.optimizer)
        say(f"resuming after step {state.step}")
        if state.setup != setup:
            say("threads or backend differ from before: the run goes on, but not bit for bit")
        state.setup = setup
    elif resume:
        say(f"{run.state}: not there, so training starts from the beginning")
    wrapped = workers.wrap(model)
    steps = batches.steps(workers.world)
    total = steps * train.epochs

    def keep() -> None:
        if workers.first:
            state.model, state.optimizer = model.state_dict(), optimizer.state_dict()
            state.averaged = averaged.state_dict() if train.ema else {}
            state.save(run.state)

    def stop_early() -> bool:
        return workers.agree(bool(train.patience and state.stale >= train.patience))

    while state.step < total and not stop_early():
        epoch, first = divmod(state.step, steps)
        model.train()
        title, hidden = f"epoch {epoch + 1}/{train.epochs}", not workers.first
        with tqdm(
            total=steps, initial=first, desc=title, unit="step", disable=hidden, dynamic_ncols=True
        ) as bar:
            captions, began, recent = 0, perf_counter(), []
            for batch in batches.epoch(epoch, first, workers.rank, workers.world):
                torch.manual_seed((train.seed * 1_000_003 + state.step) * 1024 + workers.rank)
                loss = _step(
                    wrapped, optimizer, batch.to(model.device), state.step, total, train, workers, precision
                )
                state.step += 1
                if train.ema:
                    averaged_update(averaged, model, train.ema, state.step)
                captions += len(batch.lengths) * workers.world
                recent.append(loss)
                if state.step % LOSS_EVERY == 0:
                    state.losses.append([state.step, loss])
                bar.set_postfix(
                    loss=f"{np.mean(recent[-50:]):.3f}",
                    captions_per_s=f"{captions / (perf_counter() - began):.0f}",
                )
                bar.update()
                if state.step % train.save_every == 0 and state.step % steps:
                    keep()
        if workers.first:
            _finish_epoch(
                state,
                epoch,
                recent,
                captions / (perf_counter() - began),
                averaged,
                vocabulary,
                validate,
                config,
                run,
                card,
            )
        keep()
    return state


def _step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    step: int,
    total: int,
    config: TrainConfig,
    workers: Workers,
    precision: str,
) -> float:
    """Do one optimiser step; return the mean loss per word."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(step, total, config)
    mixed = (
        torch.autocast(batch.regions.device.type, torch.bfloat16)
        if precision == "bf16"
        else contextlib.nullcontext()
    )
    with mixed:
        logits, attention = model(batch.regions, batch.tokens, batch.lengths, batch.image_index)
    words = workers.mean(len(batch.targets))
    loss = caption_loss(logits, attention, batch, config) / words
    optimizer.zero_grad(set_to_none=True)
    if not torch.isfinite(loss):
        raise RuntimeError(
            f"the loss became {loss.item()} in step {step + 1}: lower --learning-rate and start anew"
        )
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), config.clip)
    optimizer.step()
    return workers.mean(loss.item())


def _finish_epoch(
    state: TrainState,
    epoch: int,
    losses: list[float],
    speed: float,
    averaged: CaptionModel,
    vocabulary: Vocabulary,
    validate: Callable[[CaptionModel], dict[str, float]],
    config: Config,
    run: Run,
    card: Callable[[TrainState], str],
) -> None:
    scores = validate(averaged.eval())
    state.history.append(
        {
            "epoch": epoch + 1,
            "step": state.step,
            "loss": float(np.mean(losses)),
            "train_captions_per_second": speed,
            **scores,
        }
    )
    better = scores["cider"] >= state.best  # >=: a dev set of one picture always scores 0
    if better:
        state.best, state.best_epoch, state.stale = scores["cider"], epoch + 1, 0
        checkpoint.save(run.best, averaged, vocabulary, config, card(state))
    else:
        state.stale += 1
    write_log(state, run.folder / "log.csv")
    write_loss_picture(state, run.folder / "loss.png")
    mark = " (best)" if better else ""
    loss, bleu, cider = state.history[-1]["loss"], scores["bleu_4"], scores["cider"]
    tqdm.write(
        f"epoch {epoch + 1}: loss {loss:.3f}, dev BLEU-4 {bleu:.4f}, CIDEr {cider:.4f}{mark}", file=sys.stderr
    )
