"""Captions by the compiled kernels on numpy arrays: no torch, every picture on threads of its own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from pycap.checkpoint import Arrays, Checkpoint
from pycap.config import SearchConfig
from pycap.ops import library
from pycap.ops.decoding import BeamResult
from pycap.ops.encode import NativeEncoder
from pycap.ops.packed import PackedDecoder
from pycap.weights import DECODER

Encoded = tuple[np.ndarray, "np.ndarray | None"]


class NativeEngine:
    """Runs `pycap._cpu`; see `pycap.engines.Engine`.

    Args:
        checkpoint: weights, the CNN's frozen part among them.
    """

    def __init__(self, checkpoint: Checkpoint):
        packer = ThreadPoolExecutor(1, thread_name_prefix="pycap-pack")  # while the first picture is encoded
        self._decoder = packer.submit(lambda: PackedDecoder(decoder_arrays(checkpoint.weights)))
        packer.shutdown(wait=False)
        frozen = {f"cnn.{name}": value for name, value in checkpoint.cnn.items()}
        self._encoder = NativeEncoder(frozen | checkpoint.weights, checkpoint.config.model)

    @property
    def threads(self) -> int:
        return library.cpu.threads()

    def prepare(self, pixels: np.ndarray, threads: int) -> Encoded:
        """Run CNN and encoder over one picture; returns `(regions, feature_dim)` and where regions looked."""
        features, attention = self._encoder(pixels[None], with_attention=True, threads=threads)
        return features[0], None if attention is None else attention[0]

    def encode(self, prepared: list[Encoded]) -> tuple[np.ndarray, tuple[np.ndarray | None, ...]]:
        """Put the pictures of a batch together."""
        features, attention = zip(*prepared, strict=True)
        return np.stack(features), attention

    def search(self, features: np.ndarray, config: SearchConfig, n_best: int) -> BeamResult:
        """Search on all threads."""
        return self._decoder.result().search(
            features,
            beam=config.beam,
            max_length=config.max_length,
            n_best=n_best,
            length_penalty=config.length_penalty,
        )


def decoder_arrays(weights: Arrays) -> Arrays:
    """Return the decoder's weights as `PackedDecoder` wants them, of a model's by the names of its parameters."""
    arrays = {
        field: np.ascontiguousarray(weights[f"decoder.{name}"], np.float32) for field, name in DECODER.items()
    }
    return arrays | {"gate": arrays["gate"][0]}
