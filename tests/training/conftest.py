"""A tiny captioned data set and settings small enough to train in seconds."""

from __future__ import annotations

import argparse
import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pycap.cli.train import add_parser
from pycap.config import Config, ModelConfig, PreprocessConfig, TrainConfig
from pycap.training import loop, train

COLOURS = {"red": (200, 30, 30), "green": (30, 160, 40), "blue": (40, 60, 210), "grey": (120, 120, 120)}
SMALL = {
    "preprocess.size": 64,
    "model.grid": 2,
    "model.cnn": "lite2",
    "model.tuned_blocks": 0,
    "model.feature_dim": 16,
    "model.encoder_heads": 2,
    "model.embed_dim": 12,
    "model.hidden_dim": 16,
    "model.attention_dim": 8,
    "train.images_per_batch": 4,
    "train.epochs": 3,
    "train.min_count": 1,
    "train.save_every": 2,
    "train.patience": 0,
    "train.zoom": 1.0,
    "train.self_critical_epochs": 0,
}


@pytest.fixture(scope="session")
def pictures(tmp_path_factory) -> Path:
    """A folder of 14 one-colour pictures with captions.csv: 11 to train on, 3 for dev."""
    folder = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(0)
    with open(folder / "captions.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("image", "caption", "split"))
        for number in range(14):
            name, colour = list(COLOURS.items())[number % len(COLOURS)]
            pixels = np.clip(np.array(colour) + random.normal(0, 20, (40, 52, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
            split = "dev" if number >= 11 else "train"
            writer.writerow((f"{number}.png", f"a {name} square", split))
            writer.writerow((f"{number}.png", f"A picture that is {name} all over.", split))
    return folder


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    """A feature cache that all runs of the session share."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def config() -> Config:
    """`SMALL` as settings."""
    sections = {"preprocess": {}, "model": {}, "train": {}}
    for setting, value in SMALL.items():
        section, name = setting.split(".")
        sections[section][name] = value
    return Config(
        preprocess=PreprocessConfig(**sections["preprocess"]),
        model=ModelConfig(**sections["model"]),
        train=TrainConfig(**sections["train"]),
    )


@pytest.fixture
def two_phases(config) -> Config:
    """Settings with all that a full recipe has: tuned CNN blocks, zoom, and self-critical epochs."""
    train = replace(config.train, epochs=2, self_critical_epochs=2, zoom=0.7, save_every=1)
    search = replace(config.search, beam=3, max_length=6)
    return replace(config, model=replace(config.model, tuned_blocks=6), train=train, search=search)


@pytest.fixture
def settings() -> list[str]:
    """`SMALL` as options of `pycap train`."""
    return [word for setting, value in SMALL.items() for word in ("--set", f"{setting}={value}")]


@pytest.fixture
def train_parser() -> argparse.ArgumentParser:
    """The parser of `pycap train`."""
    commands = argparse.ArgumentParser().add_subparsers()
    add_parser(commands)
    return commands.choices["train"]


@pytest.fixture
def train_in_two(pictures, cache, monkeypatch):
    """Train in a folder, interrupted before step `stop` and resumed; return the final state."""

    def run(out: Path, config: Config, stop: int, **more):
        settings = {"device": "cpu", "cache": cache, "threads": 1, **more}
        do_step = loop.Fit._step

        def interrupted_step(fit, *args):
            if fit.state.step == stop:
                raise KeyboardInterrupt
            return do_step(fit, *args)

        every = replace(config, train=replace(config.train, save_every=1))
        monkeypatch.setattr(loop.Fit, "_step", interrupted_step)
        with pytest.raises(KeyboardInterrupt):
            train(pictures, "folder", out, every, **settings)
        monkeypatch.setattr(loop.Fit, "_step", do_step)
        return train(pictures, "folder", out, every, resume=True, **settings)

    return run
