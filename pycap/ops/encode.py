"""Pixels to features in one native call, without PyTorch: the CNN and the region encoder on the CPU.

Its reference are the modules themselves, `pycap.cnn` and `pycap.encoder`, which share their weights' names with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from pycap.cnn_plan import plan_blocks
from pycap.config import ModelConfig
from pycap.ops import library
from pycap.weights import encoder_weights

PRECISIONS = ("float32", "bfloat16", "int16")
Shape = tuple[int, ...]


def supports_bfloat16() -> bool:
    """True when `NativeEncoder` takes `precision="bfloat16"` on this machine."""
    return library.native_available() and library.cpu.bfloat16_supported()


class NativeEncoder:
    """EfficientNet-Lite and the region encoder with packed weights; any number of threads may call it at once.

    Args:
        weights: arrays as PyTorch names and shapes them, of any float type: "cnn.layers..." (the frozen part),
            "tail.layers..." (the tuned blocks, if any) and "encoder...."; others are ignored. They are copied.
        config: sizes; decides which weights there must be.
        threads: threads of a call that does not say otherwise; None for as many as the pool has.
        precision: "float32"; "bfloat16" for products of bfloat16 numbers with float32 sums, which need a CPU with
            AMX (`supports_bfloat16`); or "int16" for products of 16-bit integers with one scale a pixel and one a
            channel, ten times as exact, and faster than float32 where the CPU has VNNI. Filters, norms and
            attention are float32 in all of them.

    Raises:
        ValueError: a weight is missing, has another shape than `config` wants or, for "int16", is not finite;
            `precision` is not to be had.
        RuntimeError: the compiled module is missing; the message says how to build it.
    """

    def __init__(
        self,
        weights: Mapping[str, np.ndarray],
        config: ModelConfig,
        threads: int | None = None,
        precision: str = "float32",
    ):
        if not library.native_available():
            raise RuntimeError(library.missing_reason())
        if precision not in PRECISIONS:
            raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
        if precision == "bfloat16" and not supports_bfloat16():
            raise ValueError("precision bfloat16 needs a CPU with AMX and AVX-512, under Linux; take float32")
        self.precision = precision
        self.config = config
        self.threads = _check_threads(threads)
        arrays = {}
        for name, source, shape in _list_weights(config):
            if source not in weights:
                raise ValueError(f"weights lack {source}, which an encoder of this configuration has")
            if weights[source].shape != shape:
                raise ValueError(f"{source} must be {shape}, got {weights[source].shape}")
            arrays[name] = np.ascontiguousarray(weights[source], np.float32)
        attends = config.encoder_layers > 0 and config.encoder_attention == "self"
        self._encoder = library.cpu.Encoder(
            blocks=[list(plan) for plan in plan_blocks(config.cnn)],
            layers=config.encoder_layers,
            heads=config.encoder_heads if attends else 0,
            precision=precision,
            window=config.window,
            tuned_blocks=config.tuned_blocks,
            **arrays,
        )
        self._attends = attends

    def __call__(
        self,
        pixels: np.ndarray,
        with_attention: bool = False,
        threads: int | None = None,
        pooled: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Return features, and on request where regions looked; both the same for every batch and thread count.

        Args:
            pixels: `(images, 3, size, size)` float32, RGB, as `pycap.data.images.preprocess` makes them, with
                ceil(size / 32) = config.grid.
            with_attention: also return the last layer's attention.
            threads: at most this many threads; None takes the encoder's own setting.
            pooled: `(images, POOLS, region_channels)` float32, filled with mean and maximum over regions of the CNN's
                last map.

        Returns:
            features `(images, regions, feature_dim)` float32 with regions = grid * grid, and attention
            `(images, regions, regions)`, the mean over heads, rows summing to 1 (None when not asked for, without
            layers and for attention over channels).

        Raises:
            ValueError: pixels, threads or pooled do not fit.
        """
        threads = self.threads if threads is None else _check_threads(threads)
        pixels, grid = np.asarray(pixels), self.config.grid
        square = pixels.ndim == 4 and pixels.shape[1] == 3 and pixels.shape[2] == pixels.shape[3]
        if not square or -(-pixels.shape[2] // 32) != grid:
            raise ValueError(
                f"pixels must be (images, 3, size, size) with size from {32 * grid - 31} to {32 * grid}, "
                f"got {pixels.shape}"
            )
        if pixels.dtype != np.float32:
            raise ValueError(f"pixels must be float32, got {pixels.dtype}")
        regions = (len(pixels), grid * grid)
        features = np.empty((*regions, self.config.feature_dim), np.float32)
        with_attention = with_attention and self._attends
        attention = np.empty((*regions, grid * grid), np.float32) if with_attention else None
        self._encoder.encode(
            threads=threads,
            with_attention=with_attention,
            with_pooled=pooled is not None,
            pixels=np.ascontiguousarray(pixels),
            features=features,
            attention=attention,
            pooled=pooled,
        )
        return features, attention


def _check_threads(threads: int | None) -> int:
    """Return what the compiled module takes, where 0 means the pool's number."""
    if threads is not None and threads < 1:
        raise ValueError(f"threads must be at least 1, got {threads}")
    return threads or 0


def _list_weights(config: ModelConfig) -> Iterator[tuple[str, str, Shape]]:
    """Yield the compiled module's name of every array, its name in `weights` and its shape."""
    shapes = encoder_weights(config)
    places = ["stem", *(f"blocks.{number}" for number in range(len(plan_blocks(config.cnn)))), "head"]
    tail = len(places) - config.tuned_blocks - 1
    for source, shape in shapes.items():
        part, rest = source.split(".", 1)
        if part == "encoder":
            yield rest, source, shape
            continue
        _, number, name = rest.split(".", 2)
        yield f"{places[int(number) + (tail if part == 'tail' else 0)]}.{name}", source, shape
