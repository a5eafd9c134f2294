"""Forecasting a series one step ahead: windows, training, and linear baselines."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import nn

from pycap.course.week3.network import LastReader

BATCH = 128
RATE = 3e-3


def draw_sine(length: int, period: float, noise: float, seed: int) -> np.ndarray:
    """Draw a sine of the given period (in steps) with normal noise on it, `(length,)`."""
    rng = np.random.default_rng(seed)
    return np.sin(2 * np.pi * np.arange(length) / period) + rng.normal(0, noise, length)


def make_windows(series: np.ndarray, window: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut a series `(length,)` into `(length - window, window)` windows and the value that follows each."""
    windows = np.lib.stride_tricks.sliding_window_view(series, window)[:-1]
    return windows.copy(), series[window:].copy()


def fit_linear(features: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return least-squares coefficients, the constant last, `(features + 1,)`."""
    return np.linalg.lstsq(_with_constant(features), targets, rcond=None)[0]


def apply_linear(coefficients: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Return the linear model's answers, `(rows,)`."""
    return _with_constant(features) @ coefficients


def average_horizons(windows: np.ndarray) -> np.ndarray:
    """Return each window's last value, mean of the last 5 and of the last 22, `(rows, 3)` (Corsi 2009)."""
    return np.stack([windows[:, -days:].mean(axis=1) for days in (1, 5, 22)], axis=1)


def train_forecaster(
    kind: str, windows: np.ndarray, targets: np.ndarray, hidden_dim: int, epochs: int, seed: int
) -> LastReader:
    """Train a recurrent net to say the value after a window.

    The last seventh of the rows, in time, is held out: the epoch that is best there is kept.

    Args:
        kind: "rnn" or "lstm".
        windows: standardised, `(rows, window)`, in order of time.
        targets: `(rows,)`.
        hidden_dim: width of the state.
        epochs: passes over the rows.
        seed: of weights and order.

    Returns:
        the trained network in evaluation mode.
    """
    torch.manual_seed(seed)
    model = LastReader(kind, 1, hidden_dim, 1)
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE)
    x = torch.tensor(windows, dtype=torch.float32)[:, :, None]  # (rows, window, 1)
    y = torch.tensor(targets, dtype=torch.float32)[:, None]  # (rows, 1)
    cut = len(x) - len(x) // 7
    best, kept = float("inf"), model.state_dict()
    for _ in range(epochs):
        for rows in torch.randperm(cut).split(BATCH):
            loss = nn.functional.mse_loss(model(x[rows]), y[rows])
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
        with torch.no_grad():
            error = nn.functional.mse_loss(model(x[cut:]), y[cut:]).item()
        if error < best:
            best, kept = error, copy.deepcopy(model.state_dict())
    model.load_state_dict(kept)
    return model.eval()


@torch.no_grad()
def forecast(model: LastReader, windows: np.ndarray) -> np.ndarray:
    """Return the value after each window `(rows, window)`, `(rows,)`."""
    return model(torch.tensor(windows, dtype=torch.float32)[:, :, None])[:, 0].double().numpy()


def run_free(step, window: np.ndarray, steps: int) -> np.ndarray:
    """Forecast, take the forecast for real, and go on.

    Args:
        step: from windows `(1, window)` to the next value `(1,)`.
        window: the last known values, `(window,)`.
        steps: how far to go.

    Returns:
        the values forecast, `(steps,)`.
    """
    values = list(window)
    for _ in range(steps):
        values.append(step(np.array(values[-len(window) :])[None])[0])
    return np.array(values[len(window) :])


def root_mean_square(errors: np.ndarray) -> float:
    """Return the usual size of errors, in their own unit."""
    return float(np.sqrt(np.mean(errors**2)))


def _with_constant(features: np.ndarray) -> np.ndarray:
    return np.concatenate([features, np.ones((len(features), 1))], axis=1)
