"""Train a translator on lines that are written as they are needed, and score it on days it never saw."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from pycap.course.week5.dates import PAD, Codes, Line, write_line
from pycap.course.week5.translator import Translator

MOST_DATES = 3  # in a training line; tests also try one more


def encode_lines(lines: list[Line], source: Codes, target: Codes) -> tuple[torch.Tensor, ...]:
    """Return source `(batch, time)`, its lengths `(batch,)` and target `(batch, steps)`."""
    tokens, lengths = source.encode([line.source for line in lines])
    wanted, _ = target.encode([line.target for line in lines])
    return torch.from_numpy(tokens), torch.from_numpy(lengths), torch.from_numpy(wanted)


def train_translator(
    model: Translator,
    days: np.ndarray,
    codes: tuple[Codes, Codes],
    steps: Iterable[int],
    total: int,
    batch: int,
    seed: int,
    peak: float = 3e-3,
) -> list[float]:
    """Train with Adam, a warm-up and a cosine to zero; return the loss per token of every step.

    Args:
        model: changed in place.
        days: training days.
        codes: of source and target.
        steps: `range(total)`, perhaps with a progress bar around it.
        total: number of steps, for the schedule.
        batch: lines in a step, all with the same number of dates, so that little is padded.
        seed: of the lines.
        peak: largest learning rate.
    """
    random = np.random.default_rng(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=peak)
    losses = []
    for step in steps:
        count = int(random.integers(1, MOST_DATES + 1))
        lines = [write_line(days, count, random) for _ in range(batch)]
        source, lengths, target = encode_lines(lines, *codes)
        for group in optimizer.param_groups:
            group["lr"] = peak * min(1.0, (step + 1) / 50) * 0.5 * (1 + math.cos(math.pi * step / total))
        logits = model(source, lengths, target)
        loss = functional.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=PAD)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    return losses


def count_right(
    model: Translator, lines: list[Line], codes: tuple[Codes, Codes]
) -> tuple[np.ndarray, np.ndarray]:
    """Translate lines with the same number of dates and compare date by date.

    Returns:
        tokens of each line's input `(lines,)`, and the share of its dates that came out right, each in its place,
        `(lines,)`. Shares of dates, not whole lines: a line of three would fail more often at equal skill.
    """
    source, lengths, target = encode_lines(lines, *codes)
    written, _ = model.translate(source, lengths, target.shape[1] + 5)
    shares = []
    for line, tokens in zip(lines, written.tolist(), strict=True):
        wanted, got = line.target.split(), codes[1].decode(tokens).split()
        shares.append(sum(a == b for a, b in zip(wanted, got, strict=False)) / len(wanted))
    return lengths.numpy() - 1, np.array(shares)
