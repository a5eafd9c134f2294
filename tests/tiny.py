"""A captioner small enough for tests: real code, a real CNN on tiny pictures, behind it random weights."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import pycap
from pycap import checkpoint
from pycap.config import Config, ModelConfig, PreprocessConfig, SearchConfig
from pycap.model import CaptionModel
from pycap.text import Vocabulary

GRID = 2
WORDS = ["a", "the", "red", "green", "blue", "dog", "cat", "man", "woman", "runs", "sits", "jumps"]
WORDS += ["on", "in", "grass", "water", "sky", "ball", "house", "tree"]
CARD = "# tiny\n\n| score | value |\n| --- | --- |\n| bleu_4 | 0.2100 |\n| cider | 0.5300 |\n"
CONFIG = Config(
    preprocess=PreprocessConfig(size=32 * GRID),
    model=ModelConfig(
        tuned_blocks=0,
        grid=GRID,
        feature_dim=16,
        encoder_heads=2,
        embed_dim=16,
        hidden_dim=16,
        attention_dim=16,
        tie_embedding=False,
    ),
    search=SearchConfig(max_length=8),
)


def save_checkpoint(folder: Path, config: Config = CONFIG, seed: int = 2) -> Path:
    """Write a checkpoint of random weights, large enough that pictures get different captions."""
    torch.manual_seed(seed)
    model = CaptionModel(config.model, len(WORDS) + 4)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
    checkpoint.save(folder, model, Vocabulary(WORDS), config, card=CARD)
    return folder


# A Python without torch: nothing can import it, as if it were not installed.
WITHOUT_TORCH = """
import importlib.abc, sys
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
"""
PACKAGE_HOME = Path(pycap.__file__).parents[1]  # where a child process must start to import this pycap


def child_environment() -> dict[str, str]:
    """Return the environment for a process of its own that imports the same pycap as this one."""
    paths = (str(PACKAGE_HOME), os.environ.get("PYTHONPATH", ""))
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def run_python(code: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a new Python that imports the same pycap as this one; `words` are its `sys.argv[1:]`."""
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True,
        text=True,
        env={**child_environment(), **environment},
        cwd=PACKAGE_HOME,
        check=False,
    )


def draw_picture(seed: int, size: tuple[int, int] = (80, 60)) -> Image.Image:
    """Return a picture of a few coloured blocks, another one for every seed."""
    blocks = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize(size, Image.Resampling.NEAREST)
