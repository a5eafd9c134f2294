"""The pieces of the loop: schedule, loss, averaging."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn

from pycap.config import TrainConfig
from pycap.data.batches import Batch
from pycap.training.loop import learning_rate, make_optimizer
from pycap.training.objectives import caption_loss
from pycap.training.state import averaged_update


def test_learning_rate_warms_up_then_falls_to_zero():
    rates = [learning_rate(step, 100, peak=1.0, warmup=0.1) for step in range(101)]
    assert rates[:10] == pytest.approx([0.1 * (step + 1) for step in range(10)])
    assert max(rates) == 1.0
    assert all(left >= right for left, right in pairwise(rates[10:]))
    assert rates[55] == pytest.approx(0.5)
    assert rates[100] == pytest.approx(0.0)


def make_batch(lengths: list[int]) -> Batch:
    words = sum(lengths)
    return Batch(
        regions=torch.zeros(1, 4, 2),
        tokens=torch.zeros(len(lengths), max(lengths), dtype=torch.int64),
        targets=torch.arange(words) % 5,
        lengths=torch.tensor(lengths),
        image_index=torch.zeros(len(lengths), dtype=torch.int64),
        examples=torch.zeros(1, dtype=torch.int64),
    )


def test_loss_is_the_sum_over_words():
    batch, attention = make_batch([2, 3]), torch.zeros(2, 3, 4)
    logits = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
    loss = caption_loss(logits, attention, batch, TrainConfig(label_smoothing=0.0))
    by_hand = -logits.log_softmax(-1)[torch.arange(5), batch.targets].sum()
    torch.testing.assert_close(loss, by_hand)
    smoothed = caption_loss(logits, attention, batch, TrainConfig(label_smoothing=0.2))
    uniform = -logits.log_softmax(-1).mean(-1).sum()
    torch.testing.assert_close(smoothed, 0.8 * by_hand + 0.2 * uniform)


def test_regulariser_is_zero_for_even_attention_and_ignores_padding():
    batch, logits = make_batch([2, 3]), torch.zeros(5, 7)
    even = torch.full((2, 3, 4), 0.25)
    even[0, 2] = 0.0  # behind the end
    config = TrainConfig(doubly_stochastic=1.0)
    plain = caption_loss(logits, even, batch, TrainConfig())
    torch.testing.assert_close(caption_loss(logits, even, batch, config), plain)
    staring = torch.zeros(2, 3, 4)
    staring[0, :2, 0] = staring[1, :, 0] = 1.0
    assert caption_loss(logits, staring, batch, config) > plain + 1


def test_averaged_weights_follow_and_are_exact_for_decay_zero():
    torch.manual_seed(0)
    model, averaged = nn.Linear(3, 2), nn.Linear(3, 2)
    start = averaged.weight.detach().clone()
    averaged_update(averaged, model, 0.9, step=1000)
    torch.testing.assert_close(averaged.weight, 0.9 * start + 0.1 * model.weight)
    averaged_update(averaged, model, 0.0, step=1)
    torch.testing.assert_close(averaged.weight, model.weight)


def test_tied_weights_are_averaged_once():
    class Tied(nn.Module):
        def __init__(self, value: float):
            super().__init__()
            self.one = nn.Linear(1, 1, bias=False)
            self.two = nn.Linear(1, 1, bias=False)
            self.two.weight = self.one.weight
            nn.init.constant_(self.one.weight, value)

    averaged = Tied(0.0)
    averaged_update(averaged, Tied(1.0), 0.9, step=1000)
    assert averaged.one.weight.item() == pytest.approx(0.1)


def test_only_matrices_decay():
    model = nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2))
    decayed, free = make_optimizer(model, TrainConfig(weight_decay=0.3)).param_groups
    assert [value.dim() for value in decayed["params"]] == [2]
    assert len(free["params"]) == 3
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.3, 0.0)
