"""What a computation needs: operations, bytes, and the time that this machine's limits allow them.

Operations are those of the folded computation: what one can precompute once per weights or once per image is
counted once, every sentence of a beam by itself. A multiply-add is 2 operations, a tanh or an exponential 1.
pycap does less where sentences continue the same state, so it can pass this floor.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

FLOAT = 4  # bytes


@dataclass(frozen=True)
class Work:
    """What a call has to do.

    Attributes:
        operations: by the unit that can do them, "float32" or "int8".
        bytes: read or written, if everything that is used again at once stays where it is.
        footprint: bytes that are touched again and again: what fits where decides which memory serves them.
    """

    operations: dict[str, float] = field(default_factory=dict)
    bytes: float = 0.0
    footprint: float = 0.0

    @property
    def total(self) -> float:
        """All operations."""
        return sum(self.operations.values())


def find_floor(work: Work, machine: dict[str, Any]) -> dict[str, Any]:
    """Return the floor of some work on a measured machine.

    Returns:
        "seconds", "bound" ("arithmetic" or "memory"), the "level" of memory that serves the footprint, and
        "operations" and "bytes".
    """
    limits, caches = machine["limits"], machine["caches"]
    speeds = {"float32": limits["gflops"][1], "int8": limits["int8_gops"][1] or limits["gflops"][1]}
    arithmetic = sum(count / (speeds[kind] * 1e9) for kind, count in work.operations.items())
    level = "DRAM"
    if work.footprint <= caches.get("L2", 0) * machine["threads"]:
        level = "L2"
    elif work.footprint <= caches.get("L3", 0):
        level = "L3"
    memory = work.bytes / (limits["gbs"][level][1] * 1e9)
    return {
        "seconds": max(arithmetic, memory),
        "bound": "arithmetic" if arithmetic >= memory else "memory",
        "level": level,
        "operations": work.total,
        "bytes": work.bytes,
    }


def decode_work(
    images: int, regions: int, vocab: int, dim: int, beam: int, steps: int, weight_bytes: int = FLOAT
) -> Work:
    """Work of one beam search with every width `dim`.

    The first step has one row an image, the others `beam`. Per row: the state's product (query, gate, recurrent
    part of the gates, output), the regions' energies, the blend of folded regions, the vocabulary. Per image:
    keys, folded regions (or, where that is less, every row's own product with the context matrix), first state.

    Args:
        images, regions, vocab, dim, beam, steps: sizes; `steps` predictions, the last one of END alone.
        weight_bytes: of one weight; 1 counts the products with weights as int8.
    """
    rows, mix = images * (1 + (steps - 1) * beam), 5 * dim
    state, words = dim * (mix + dim + 1), vocab * dim  # weights read by every step
    folded = images * 2 * regions * dim * mix + rows * 2 * regions * mix
    plain = rows * (2 * dim * mix + 2 * regions * dim)
    products = rows * 2 * (state + words) + images * 2 * (regions * dim * dim + 2 * dim * dim)
    others = rows * 4 * regions * dim + min(folded, plain)
    region_bytes = FLOAT * regions * (dim + (mix if folded <= plain else dim))
    weights = weight_bytes * (state + words + (0 if folded <= plain else dim * mix))
    once = weight_bytes * dim * (dim + mix + 2 * dim) + images * FLOAT * regions * dim
    kind = "int8" if weight_bytes == 1 else "float32"
    operations = {"float32": float(others)}
    operations[kind] = operations.get(kind, 0.0) + products
    footprint = weights + images * region_bytes
    return Work(operations, steps * footprint + once + rows * FLOAT * mix, footprint)


def sample_work(images: int, regions: int, vocab: int, dim: int, samples: int, words: int) -> Work:
    """Work of drawing captions of `words` words: the search's without its last step, an exponential a word."""
    search = decode_work(images, regions, vocab, dim, samples, words)
    rows = images * (1 + (words - 1) * samples)
    return Work({"float32": search.total + rows * vocab}, search.bytes, search.footprint)


def attend_lstm_work(images: int, captions: int, regions: int, dim: int, steps: int) -> Work:
    """Work of `attend_lstm` forward and backward with every width `dim`; backward counts twice forward.

    Bytes: arguments, results, what backward needs of them and all gradients once, weights once a step and
    direction.
    """
    rows = images * captions * steps
    weights = 9 * dim * dim
    forward = rows * (2 * weights + regions * dim * (4 + 2))
    sequence = rows * (
        4 * dim * 3 + dim * 4 + regions
    )  # gates, inputs' and gates' gradients; states; attention
    tensors = FLOAT * (sequence + 4 * images * regions * dim + 2 * weights)
    return Work({"float32": 3.0 * forward}, tensors + 2 * steps * FLOAT * weights, tensors)
