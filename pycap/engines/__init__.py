"""What computes captions: the native engine (numpy and the compiled kernels) or the torch engine (any device).

Both read the same checkpoint and see pixels, features and token ids, no files and no words.
"""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple, Protocol

import numpy as np

from pycap.checkpoint import CNN, Checkpoint
from pycap.config import SearchConfig
from pycap.ops import library
from pycap.ops.decoding import BeamResult


class Encoding(NamedTuple):
    """What an engine makes of a batch of pictures.

    Attributes:
        features: `(images, regions, feature_dim)`, an array as the engine's `search` wants it.
        attention: where regions looked in the encoder's last layer, mean over its heads, `(images, regions, regions)`
            float32; None if the model has no such layer.
        pooled: the CNN's last map, mean and maximum over its regions, `(images, POOLS, region_channels)` float32.
    """

    features: Any
    attention: np.ndarray | None
    pooled: np.ndarray


class Engine(Protocol):
    """The network of one checkpoint, ready to run; safe to share between threads.

    Attributes:
        threads: CPU threads that it computes with.
    """

    @property
    def threads(self) -> int: ...

    def encode(self, pixels: np.ndarray) -> Encoding:
        """Run CNN and encoder over a batch of pictures.

        Args:
            pixels: as `preprocess` makes them, `(images, 3, size, size)` float32.
        """

    def search(self, features: Any, config: SearchConfig, n_best: int) -> BeamResult:
        """Find the captions of a batch; returns numpy arrays."""


PRECISIONS = ("reduced", "full")


def choose(
    checkpoint: Checkpoint,
    backend: str | None = None,
    threads: int | None = None,
    precision: str = PRECISIONS[0],
) -> Engine:
    """Return the engine for a checkpoint: native where it can run, else torch, with a warning if that is a pity.

    Args:
        checkpoint: weights, and the device to run on.
        backend: "native", "reference" (torch alone), or None for native kernels where they are built.
        threads: CPU threads for the whole process; None leaves them alone.
        precision: of the native engine, "reduced" or "full"; the torch engine computes in float32 in any case.

    Raises:
        ValueError: the backend or the precision has another name, or `threads` is below 1.
        RuntimeError: "native" is asked for but not built, or torch is needed and missing.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be {' or '.join(PRECISIONS)}, got {precision!r}")
    if backend is not None:
        with library.use(backend):  # fail now, not at the first picture
            pass
    if backend is None and library.wanted() == "reference":
        backend = "reference"
    if threads is not None:
        library.set_threads(threads)

    def take_torch(use: str, warning: str = "") -> Engine:
        engine = _build_torch(checkpoint, backend, threads, use)
        if warning:
            warnings.warn(warning, stacklevel=5)  # where the Captioner is loaded
        return engine

    if checkpoint.device != "cpu":
        return take_torch(f"device {checkpoint.device!r}")
    if backend == "reference":
        return take_torch("backend 'reference'")
    if not library.native_available():
        return take_torch(
            "captioning without the compiled kernels",
            "the compiled kernels are missing, so captioning takes the slower PyTorch reference; "
            "`pycap info` says why and how to build them",
        )
    if checkpoint.cnn is None:
        return take_torch(
            f"{checkpoint.folder}: captioning without {CNN}",
            f"{checkpoint.folder}: without {CNN} captioning takes PyTorch, slower to start and to run; "
            f"`pycap export {checkpoint.folder}` adds it",
        )
    from pycap.engines.native import NativeEngine

    return NativeEngine(checkpoint, precision)


def _build_torch(checkpoint: Checkpoint, backend: str | None, threads: int | None, use: str) -> Engine:
    try:
        from pycap.engines.torch import TorchEngine
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise RuntimeError(f"{use} needs PyTorch, which is not installed; pip install torch") from None
    return TorchEngine(checkpoint, backend, threads)
