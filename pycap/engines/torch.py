"""Captions by PyTorch, on any device: what the native engine is measured against, and what does the rest."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import numpy as np
import torch
from torch import Tensor

from pycap.checkpoint import Checkpoint
from pycap.config import SearchConfig
from pycap.engines import Encoding
from pycap.ops import library
from pycap.ops.decoding import BeamResult


class TorchEngine:
    """Runs `CaptionModel`; see `pycap.engines.Engine`.

    Args:
        checkpoint: weights, and the device to run on.
        backend: "native" or "reference" for the decoder; None takes the native kernels where they are built.
        threads: CPU threads of torch; None leaves them alone.
    """

    def __init__(self, checkpoint: Checkpoint, backend: str | None = None, threads: int | None = None):
        if threads is not None:
            torch.set_num_threads(threads)
        self.model = checkpoint.model
        self.backend = backend
        self._warm: set[str] = set()  # what a first call has done: CNN loaded, decoder packed
        self._warming = threading.Lock()

    @property
    def threads(self) -> int:
        return torch.get_num_threads()

    def encode(self, pixels: np.ndarray) -> Encoding:
        with self._stage("encode"):
            regions = self.model.regions(self.model.cnn(torch.from_numpy(pixels)))
            features, seen = self.model.encoder(regions, with_attention=True)
            attention = None if seen is None else seen.mean(dim=1).float().cpu().numpy()
            return Encoding(features, attention, self.model.pool(regions).float().cpu().numpy())

    def search(self, features: Tensor, config: SearchConfig, n_best: int) -> BeamResult:
        with self._stage("search"):
            found = self.model.search(features, config, n_best)
        return BeamResult(*(part.cpu().numpy() for part in found))

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        """Run a stage of the model on the wanted backend; the first time, which prepares weights, alone."""
        with (
            torch.inference_mode(),
            nullcontext() if self.backend is None else library.use(self.backend),
            nullcontext() if name in self._warm else self._warming,
        ):
            yield
        self._warm.add(name)
