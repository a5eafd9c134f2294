"""Captions by the compiled kernels on numpy arrays, without torch."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from pycap.checkpoint import Checkpoint
from pycap.config import POOLS, SearchConfig
from pycap.engines import Encoding
from pycap.ops import library
from pycap.ops.decoding import BeamResult
from pycap.ops.encode import NativeEncoder, supports_bfloat16
from pycap.ops.packed import PackedDecoder
from pycap.weights import DECODER, Arrays


class NativeEngine:
    """Runs `pycap._cpu`; see `pycap.engines.Engine`.

    Args:
        checkpoint: weights, the CNN's frozen part among them.
        precision: "full" for float32 throughout, or "reduced" for a decoder with 8-bit weights (where the CPU has
            AVX2) behind an encoder with products of bfloat16 numbers (AMX) or 16-bit integers (VNNI).
    """

    def __init__(self, checkpoint: Checkpoint, precision: str):
        reduced = precision == "reduced"
        encoding = fastest_encoding() if reduced else "float32"
        searching = "int8" if reduced and library.cpu.isa() != "generic" else "float32"
        frozen = {f"cnn.{name}": value for name, value in checkpoint.cnn.items()}
        with ThreadPoolExecutor(1) as other:  # one core packs the decoder, another the encoder
            decoder = other.submit(lambda: PackedDecoder(decoder_arrays(checkpoint.weights), searching))
            self._encoder = NativeEncoder(
                frozen | checkpoint.weights, checkpoint.config.model, precision=encoding
            )
            self._decoder = decoder.result()

    @property
    def threads(self) -> int:
        return library.cpu.threads()

    def encode(self, pixels: np.ndarray) -> Encoding:
        pooled = np.empty((len(pixels), POOLS, self._encoder.config.region_channels), np.float32)
        return Encoding(*self._encoder(pixels, with_attention=True, pooled=pooled), pooled)

    def search(self, features: np.ndarray, config: SearchConfig, n_best: int) -> BeamResult:
        return self._decoder.search(
            features,
            beam=config.beam,
            max_length=config.max_length,
            n_best=n_best,
            length_penalty=config.length_penalty,
        )


def fastest_encoding() -> str:
    """Return the precision in which `NativeEncoder` is fastest on this CPU."""
    if supports_bfloat16():
        return "bfloat16"
    return "int16" if library.cpu.isa() in ("amx", "avx512vnni", "avx2vnni") else "float32"


def decoder_arrays(weights: Arrays) -> Arrays:
    """Return the decoder's weights as `PackedDecoder` wants them, of a model's by the names of its parameters."""
    arrays = {
        field: np.ascontiguousarray(weights[f"decoder.{name}"], np.float32) for field, name in DECODER.items()
    }
    return arrays | {"gate": arrays["gate"][0]}
