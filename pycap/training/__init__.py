"""Train a captioner from a data set on disk; `pycap train` is this function with options."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from pycap import checkpoint
from pycap.cnn_plan import HEAD
from pycap.config import Config
from pycap.data import CaptionDataset, check_dataset, load_dataset
from pycap.data.batches import TrainingBatches
from pycap.metrics import References
from pycap.ops.library import set_threads
from pycap.text import Vocabulary
from pycap.training.card import model_card
from pycap.training.distributed import Workers
from pycap.training.loop import Fit, Phase, Run
from pycap.training.objectives import CrossEntropy, Expected, Rewards, SelfCritical
from pycap.training.phrases import HeldOutPhrases, enough, learn_phrases
from pycap.training.prepare import cached_examples, content_keys, leave_out, open_cache, split_train_dev
from pycap.training.start import begin, load_start
from pycap.training.state import ResumeError, TrainState
from pycap.training.teachers import check_words, collect_advice, load_teachers
from pycap.training.validation import validate


def train(
    data: Path,
    format: str,
    out: Path,
    config: Config = Config(),
    resume: bool = False,
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    cache: Path | None = None,
    command: str = "pycap train",
    teachers: Sequence[Path] = (),
    start: Path | None = None,
) -> TrainState | None:
    """Check the data, cache regions, train, validate, keep the best; last, learn the phrases it chooses sentences by.

    Args:
        data, format: the data set, as for `load_dataset`.
        out: folder of the run: `best/` (checkpoint), `resume.pt`, `log.csv`, `loss.png`.
        config: the recipe.
        resume: continue the run in `out`.
        device: "auto", "cpu", "cuda" or "cuda:N"; under torchrun, "cuda" becomes this process's GPU.
        precision: "fp32", "bf16" (automatic mixed precision), or "auto": bf16 on CUDA.
        threads: CPU threads; None leaves them as they are.
        cache: where regions are cached; None for the user's cache folder.
        command: recorded in the model card.
        teachers: checkpoints trained on the same captions, whose probabilities are learnt from as well.
        start: checkpoint to go on from, with its sizes and words, new ones added; it is kept until an epoch is better.
            None: weights are random, the CNN's as ImageNet left them.

    Returns:
        the final state, None on processes other than the first.

    Raises:
        ValueError: the data set cannot be used, or settings do not fit together.
        ResumeError: `out` holds another run, or one that cannot be continued.
        CheckpointError: a teacher, or what training starts from, is no checkpoint.
    """
    config.check()
    if config.model.region_channels != HEAD:
        raise ValueError(
            f"model.region_channels must be {HEAD}, what the CNN gives, got {config.model.region_channels}"
        )
    run = Run(Path(out))
    if run.state.exists() and not resume:
        raise ResumeError(
            f"{run.folder}: holds a run already; continue it with --resume or choose another --out"
        )
    origin = None if start is None else load_start(start, config)
    if origin is None and not config.train.epochs:
        raise ValueError("train.epochs must be 1 or more where training does not start from a checkpoint")
    asked = load_teachers(teachers, config)
    device = pick_device(device)
    if precision == "auto":
        precision = "bf16" if device.startswith("cuda") and torch.cuda.is_bf16_supported(False) else "fp32"
    if threads:
        torch.set_num_threads(threads)
        set_threads(threads)
    workers = Workers.join(device)
    say = (lambda line: print(line, file=sys.stderr)) if workers.first else (lambda line: None)
    try:
        report = check_dataset(load_dataset(data, format), decode=False)
        run.folder.mkdir(parents=True, exist_ok=True)
        for line in report.summary():
            say(line)
        train_set, dev_set, note = split_train_dev(report.usable)
        if note:
            say(note)
        with workers.first_ahead():
            store = open_cache(config, cache)
            held = cached_examples(dev_set, store, config, device, False, say, workers.first)
            seen = cached_examples(train_set, store, config, device, config.train.mirror, say, workers.first)
            test = content_keys(example for example in report.usable if example.split == "test")
            seen = leave_out(seen, {*held.keys, *test}, say)
        if not seen.keys or not held.keys:
            raise ValueError(f"{data}: no readable picture to {'train' if not seen.keys else 'validate'} on")

        torch.manual_seed(config.train.seed)
        captions = [caption for example in seen.dataset for caption in example.captions]
        vocabulary, model = begin(origin, config, captions, say)
        model.to(device)
        batches = TrainingBatches(seen.dataset, seen.keys, store, vocabulary, config.train)
        if asked:
            check_words(asked, vocabulary)
            with workers.first_ahead():
                batches.advice = collect_advice(asked, batches, run.advice, device, precision, workers.first)
        ids = [str(number) for number in range(len(held.keys))]
        references = References(
            {name: example.captions for name, example in zip(ids, held.dataset, strict=True)}
        )
        rows = store.rows(held.keys)
        say(
            f"{len(seen.keys)} training and {len(held.keys)} dev pictures, {len(vocabulary.ordinary)} words, "
            f"{sum(value.numel() for value in model.parameters()) / 1e6:.1f} M weights, {device}, {precision}"
        )
        possible = config.train.phrase_epochs and enough(batches)
        expected = HeldOutPhrases(config.model, batches, device, say) if possible else None
        fit = Fit(
            model,
            vocabulary,
            batches,
            make_phases(config, vocabulary, seen.dataset, expected),
            lambda scored: validate(scored, vocabulary, store, rows, ids, references, config.search),
            config,
            run,
            workers,
            precision,
            resume,
            say,
            lambda state: model_card(
                state,
                config,
                f"{Path(data).name} ({format})",
                (len(seen.keys), len(held.keys)),
                len(vocabulary.ordinary),
                command,
                origin,
            ),
            origin is not None,
        )
        state = fit.train()
        if workers.first:
            phrases = learn_phrases(checkpoint.load(run.best, device).model, batches)
            if phrases is None and origin is not None:
                phrases = origin.phrases
            if phrases is not None:
                checkpoint.add_phrases(run.best, phrases)
        return state if workers.first else None
    finally:
        workers.leave()


def make_phases(
    config: Config, vocabulary: Vocabulary, dataset: CaptionDataset, expected: Expected | None = None
) -> list[Phase]:
    """Return the phases of a recipe: people's captions first, then the model's own.

    Args:
        config: the recipe.
        vocabulary: of the model.
        dataset: training examples.
        expected: what captions of training pictures may expect; None leaves out the phase that is rewarded for it.
    """
    train = config.train
    phases = [Phase("epoch", train.epochs, train.learning_rate, CrossEntropy(train))]
    phrase_epochs = 0 if expected is None else train.phrase_epochs
    if train.self_critical_epochs or phrase_epochs:
        rewards = Rewards([example.captions for example in dataset])
    for name, epochs, rate, extra in (
        ("self-critical epoch", train.self_critical_epochs, train.self_critical_rate, None),
        ("phrase epoch", phrase_epochs, train.phrase_rate, expected),
    ):
        if epochs:
            phases.append(Phase(name, epochs, rate, SelfCritical(rewards, vocabulary, config, extra)))
    return phases


def pick_device(device: str) -> str:
    """Return the device to use; ValueError when CUDA is asked for and there is none."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda"):
        if not torch.cuda.is_available():
            raise ValueError(f"--device {device}: torch sees no CUDA device here; use --device cpu")
        if device == "cuda":
            device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
        torch.cuda.set_device(device)
    return device


__all__ = ["ResumeError", "TrainState", "pick_device", "train"]
