"""The forecaster: an LSTM that says how far the next day's return may lie from its guess."""

from __future__ import annotations

import copy
import math

import numpy as np
import torch
from torch import Tensor, nn

from pycap.course.checkpoint3.windows import FEATURES, Scaler, Windows
from pycap.nn.dense import Dense
from pycap.nn.recurrent import LSTM

HIDDEN_DIM = 24
BATCH = 256
RATE = 2e-3
DROPOUT = 0.2
WEIGHT_DECAY = 1e-3
MAX_ROWS = 8000  # of a fit: more tickers cost no more time


class ReturnLSTM(nn.Module):
    """An LSTM over the features of the last days, and a dense layer with two answers.

    Args:
        features: width of a day.
        hidden_dim: width of the state.
    """

    def __init__(self, features: int = len(FEATURES), hidden_dim: int = HIDDEN_DIM):
        super().__init__()
        self.recurrent = LSTM(features, hidden_dim)
        self.dropout = nn.Dropout(DROPOUT)
        self.output = Dense(hidden_dim, 2)
        with torch.no_grad():
            self.output.weight.mul_(0.1)  # begin with "nothing will move, as far as ever"
            self.output.bias.zero_()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Read `(batch, time, features)`; return mean and logarithm of the deviation, `(batch,)` each."""
        hiddens, _ = self.recurrent(x)
        answer = self.output(self.dropout(hiddens[:, -1]))
        return answer[:, 0], answer[:, 1].clamp(-4, 4)


def gaussian_loss(mean: Tensor, log_deviation: Tensor, target: Tensor) -> Tensor:
    """Return the mean negative logarithm of a normal density, constant included."""
    scaled = (target - mean) * torch.exp(-log_deviation)
    return (0.5 * scaled.square() + log_deviation).mean() + 0.5 * math.log(2 * math.pi)


def fit(windows: Windows, scaler: Scaler, epochs: int, seed: int) -> ReturnLSTM:
    """Train on the past; its last seventh, in time, only chooses the epoch.

    Args:
        windows: rows with targets, in order of time.
        scaler: measured on these rows.
        epochs: passes over the rows.
        seed: of weights, order and dropout.

    Returns:
        the network of the epoch that was best on the held-out part, in evaluation mode.
    """
    torch.manual_seed(seed)
    model = ReturnLSTM()
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=WEIGHT_DECAY)
    x, y = to_inputs(windows, scaler), to_targets(windows, scaler)
    cut = len(x) - len(x) // 7
    best, kept = float("inf"), copy.deepcopy(model.state_dict())
    for _ in range(epochs):
        model.train()
        for rows in torch.randperm(cut)[:MAX_ROWS].split(BATCH):
            loss = gaussian_loss(*model(x[rows]), y[rows])
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
        model.eval()
        with torch.no_grad():
            loss = gaussian_loss(*model(x[cut:]), y[cut:]).item()
        if loss < best:
            best, kept = loss, copy.deepcopy(model.state_dict())
    model.load_state_dict(kept)
    return model.eval()


def to_inputs(windows: Windows, scaler: Scaler) -> Tensor:
    """Standardise the inputs, `(rows, time, features)`."""
    scaled = (windows.inputs - scaler.means) / scaler.deviations
    return torch.tensor(scaled.clip(-8, 8), dtype=torch.float32)


def to_targets(windows: Windows, scaler: Scaler) -> Tensor:
    """Bring the targets into the network's unit; a crash counts as 8 deviations at most, `(rows,)`."""
    scaled = windows.targets / windows.scale / scaler.target_deviation
    return torch.tensor(scaled.clip(-8, 8), dtype=torch.float32)


@torch.no_grad()
def forecast(models: list[ReturnLSTM], windows: Windows, scaler: Scaler) -> tuple[np.ndarray, np.ndarray]:
    """Average several networks' answers.

    Returns:
        expected log return and its deviation, `(rows,)` each.
    """
    answers = [model(to_inputs(windows, scaler)) for model in models]
    mean = torch.stack([mean for mean, _ in answers]).mean(dim=0).double().numpy()
    log_deviation = torch.stack([log for _, log in answers]).mean(dim=0).double().numpy()
    unit = windows.scale * scaler.target_deviation
    return mean * unit, np.exp(log_deviation) * unit
