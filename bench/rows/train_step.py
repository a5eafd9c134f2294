"""A whole training step of the default recipe on cached features: forward, loss, backward, clipping, optimiser.

The CNN is frozen (its regions are the input), dropout is on and every contender draws the same. Each has a model
of its own with the same weights; the losses of their first steps must agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace

import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.case import Agreement, Case, Contender, Goal, Settings
from bench.floors import FLOAT, Work
from bench.peers.attend_lstm import step
from bench.peers.runtimes import compiled
from bench.peers.training import padded_decoder
from pycap.config import Config
from pycap.data.batches import Batch, collate
from pycap.model import CaptionModel
from pycap.ops import use
from pycap.training.loop import make_optimizer
from pycap.training.objectives import CrossEntropy

TOLERANCE = 1e-4  # of the loss, relative


def cases(settings: Settings) -> Iterator[Case]:
    """The default recipe's batch: 32 pictures with 5 captions of about 12 words."""
    config, vocab, pictures = Config(), 2_576, 32
    model = replace(config.model, tuned_blocks=0)
    if settings.quick:
        widths = {"feature_dim": 16, "embed_dim": 16, "hidden_dim": 16, "attention_dim": 16, "grid": 2}
        model, vocab, pictures = replace(model, region_channels=8, encoder_heads=2, **widths), 40, 2
    config = replace(config, model=model)
    batch = make_batch(config, vocab, pictures)
    steps = [("pycap", "pycap", make_step(config, vocab, batch), "")]
    if "eager" in settings.peers:
        dense = make_step(config, vocab, batch, padded_decoder)
        reference = make_step(config, vocab, batch, lambda: use("reference"))
        steps.append(("eager", "eager", dense, "captions padded"))
        steps.append(("pycap's reference", "eager", reference, "captions that ended are left out"))
    if "compile" in settings.peers:
        one_step = compiled(step)
        run = make_step(config, vocab, batch, lambda: padded_decoder(one_step))
        note = "the decoder's step compiled, captions padded"
        steps.append(("torch.compile", "compile", run, note))
    work = count_work(config, vocab, batch)
    yield Case(
        title=f"{pictures} pictures x 5 captions, {len(batch.targets):,} words, {model.grid**2} regions, "
        f"vocabulary {vocab:,}, widths {model.feature_dim}",
        shape={"pictures": pictures, "captions": 5, "words": len(batch.targets), "vocab": vocab},
        contenders=[
            Contender(name, run, kind, required=1.0, work=work if kind == "pycap" else None, note=note)
            for name, kind, run, note in steps
        ],
        agree=compare_losses,
        item="step",
        goals=() if settings.quick else (Goal("speedup", 1.8, ("eager",)),),
    )


def make_batch(config: Config, vocab: int, pictures: int) -> Batch:
    """Random regions and captions whose lengths are like those of Flickr8k."""
    generator = torch.Generator().manual_seed(0)
    count = pictures * config.train.captions_per_image
    lengths = (
        (torch.randn(count, generator=generator) * 3.5 + 12).round().long().clamp(3, config.train.max_words)
    )
    captions = [torch.randint(4, vocab, (int(length),), generator=generator).tolist() for length in lengths]
    regions = torch.randn(pictures, config.model.grid**2, config.model.region_channels, generator=generator)
    index = [number // config.train.captions_per_image for number in range(count)]
    return collate(regions.relu(), captions, index, torch.arange(pictures))


def make_model(config: Config, vocab: int) -> CaptionModel:
    """A model in training, the same weights each time."""
    torch.manual_seed(0)
    return CaptionModel(config.model, vocab).train()


def make_step(
    config: Config,
    vocab: int,
    batch: Batch,
    around: Callable = nullcontext,
) -> Callable[[], float]:
    """Return a function that does one training step and returns its loss.

    Args:
        config, vocab, batch: what is trained on what.
        around: context manager that chooses the decoder.
    """
    model = make_model(config, vocab)
    optimizer = make_optimizer(model, config.train)
    objective = CrossEntropy(config.train)

    def run() -> float:
        torch.manual_seed(1)
        with around():
            outcome = objective(model, model, batch, 0)
            loss = outcome.loss / outcome.words
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), config.train.clip)
            optimizer.step()
            return loss.item()

    return run


def count_work(config: Config, vocab: int, batch: Batch) -> Work:
    """Operations of all products of a step as PyTorch counts them; parameters moved by optimiser and backward."""
    model = make_model(config, vocab)
    with use("reference"), FlopCounterMode(display=False) as counter:
        outcome = CrossEntropy(config.train)(model, model, batch, 0)
        outcome.loss.backward()
    parameters = FLOAT * sum(parameter.numel() for parameter in model.parameters())
    moved = 10 * parameters + FLOAT * batch.regions.numel()  # weights twice, gradients, two moments, updates
    return Work({"float32": float(counter.get_total_flops())}, moved, moved)


def compare_losses(first: float, other: float) -> Agreement:
    """Compare the losses of the first steps."""
    error = abs(first - other) / abs(first)
    return Agreement(int(error < TOLERANCE), 1, "loss", error)
