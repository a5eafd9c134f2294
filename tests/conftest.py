"""Fixtures of all tests: seeds and threads, real data, a checkpoint of random weights."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from hypothesis import settings
from tiny import save_checkpoint

from pycap.captioner import Captioner
from pycap.ops import library

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
settings.register_profile("pycap", deadline=None)  # on a busy machine any example may take long
settings.load_profile("pycap")
torch.set_num_threads(1)  # the tests are small: more threads cost more than they bring


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Every test draws the same random numbers, whatever ran before it."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data; its absence fails in CI and skips elsewhere."""
    if not SHARED.is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail("../shared/data is missing, and CI must run on the real files")
        pytest.skip("needs the real files in ../shared/data")
    return SHARED


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint folder of random weights."""
    return save_checkpoint(tmp_path_factory.mktemp("checkpoints") / "tiny")


@pytest.fixture(scope="session")
def backend() -> str:
    """The native kernels where they are built."""
    return "native" if library.native_available() else "reference"


@pytest.fixture
def captioner(tiny_checkpoint: Path, backend: str) -> Captioner:
    """A tiny captioner."""
    return Captioner.load(tiny_checkpoint, backend=backend)
