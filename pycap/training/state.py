"""What training needs to go on after a kill: everything the next step depends on, written in one atomic file.

Random numbers are not part of it: order and mirroring follow from seed and epoch, dropout from seed and step.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from pycap.config import Config


class ResumeError(RuntimeError):
    """A run cannot be continued; the message is one line."""


@dataclass
class TrainState:
    """Position and past of a run.

    Attributes:
        step: optimiser steps done, in all phases.
        phase: the current phase, from 0, and the step at which it began.
        best: best dev CIDEr so far, and the epoch that reached it (-1: none yet).
        stale: epochs since then.
        data: fingerprint of the training data.
        config: settings, as `Config.to_dict`.
        setup: how the run is computed: processes, precision, device, threads, backend.
        model, averaged, optimizer: state dictionaries.
        history: one row of numbers per validated epoch, in the order of the log's columns.
        losses: (step, loss) pairs, thinned.
    """

    step: int = 0
    phase: int = 0
    phase_began: int = 0
    best: float = float("-inf")
    best_epoch: int = -1
    stale: int = 0
    data: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    setup: dict[str, Any] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
    averaged: dict[str, Any] = field(default_factory=dict)
    optimizer: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    losses: list[list[float]] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write the state so that a kill leaves the old file or the new one."""
        fresh = path.with_suffix(".tmp")
        with open(fresh, "wb") as file:
            torch.save({name: getattr(self, name) for name in self.__dataclass_fields__}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, path)

    @classmethod
    def load(cls, path: Path, config: dict[str, Any], setup: dict[str, Any], data: str) -> TrainState:
        """Read a state and check that it belongs to these settings, this setup and this data.

        Raises:
            ResumeError: it does not, or the file is broken.
        """
        try:
            state = cls(**torch.load(path, map_location="cpu", weights_only=True))
        except Exception as error:  # torch raises many kinds for a broken file
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ResumeError(
                f"{path}: cannot be resumed ({reason}); start again with another --out"
            ) from None
        before = Config.from_dict(
            state.config
        ).to_dict()  # a setting that is newer than the run has its old value
        for section, settings in config.items():
            for name, value in settings.items():
                stored = before[section][name]
                if stored != value:
                    raise ResumeError(
                        f"{path}: was started with {section}.{name}={stored}, now {value}; "
                        "resume with the same settings or choose another --out"
                    )
        for name in ("processes", "precision", "device"):
            if state.setup.get(name) != setup[name]:
                raise ResumeError(
                    f"{path}: was started with {name}={state.setup.get(name)}, now {setup[name]}; "
                    "resume in the same way or choose another --out"
                )
        if state.data != data:
            raise ResumeError(
                f"{path}: the training data or the teachers changed since the run began; choose another --out"
            )
        return state


def averaged_update(averaged: torch.nn.Module, model: torch.nn.Module, decay: float, step: int) -> None:
    """Move averaged weights towards the model's (Polyak & Juditsky 1992), faster in the first steps.

    Args:
        averaged, model: the same architecture.
        decay: share kept per step once warm.
        step: steps done, from 1.
    """
    decay = min(decay, (1 + step) / (10 + step))
    with torch.no_grad():
        for old, new in zip(averaged.parameters(), model.parameters(), strict=True):
            old.lerp_(new, 1 - decay)
