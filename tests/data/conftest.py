"""Real data beside the repository, and small data sets made on the spot."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data; its absence fails in CI and skips elsewhere."""
    if not SHARED.is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail("../shared/data is missing, and CI must run on the real files")
        pytest.skip("needs the real files in ../shared/data")
    return SHARED


@pytest.fixture
def draw(tmp_path: Path) -> Callable[..., Path]:
    """A function that saves a small noisy JPEG at a path below tmp_path; equal seeds give equal files."""

    def save(name: str, seed: int | None = None) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        number = sum(name.encode()) if seed is None else seed
        pixels = np.random.default_rng(number).integers(0, 256, (12, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path, "JPEG")
        return path

    return save
