"""The smallest task that needs memory: say at the end what came first."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pycap.course.week3.network import LastReader

HIDDEN_DIM = 32
BATCH = 32
NOISE = 0.3


def draw_sequences(count: int, time: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw sequences that begin with +1 or -1 and go on with noise.

    Returns:
        sequences `(count, time, 1)` and 1.0 where the first value was +1, else 0.0, `(count, 1)`.
    """
    x = torch.randn(count, time, 1, generator=generator) * NOISE
    first = torch.randint(0, 2, (count, 1), generator=generator).float()
    x[:, 0] = 2 * first - 1
    return x, first


def learn_recall(kind: str, time: int, steps: int, seed: int, forget_bias: float | None = None) -> float:
    """Train on sequences of `time` steps and return the share of unseen ones that are answered rightly."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    model = LastReader(kind, 1, HIDDEN_DIM, 1, forget_bias)
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(steps):
        x, first = draw_sequences(BATCH, time, generator)
        loss = nn.functional.binary_cross_entropy_with_logits(model(x), first)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
    with torch.no_grad():
        x, first = draw_sequences(1000, time, generator)
        return ((model(x) > 0).float() == first).float().mean().item()
