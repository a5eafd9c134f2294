"""Beam search: from features to sentences in one call.

Peers run the same search (`bench/peers/beam.py`). In PyTorch everything is a module; for torch.compile, ONNX
Runtime and OpenVINO a whole round of the search (state, attention, LSTM, vocabulary, top-k) is one graph and
between rounds a few small tensor operations remain. Compiling and exporting are not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from bench.case import Agreement, Case, Contender, Goal, Settings
from bench.floors import decode_work
from bench.peers import runtimes
from bench.peers.beam import BeamPeer, Round, Start
from bench.problems import draw_features, draw_weights
from pycap.ops import use
from pycap.ops.beam import BeamDecoder
from pycap.ops.decoder_step import DecoderWeights
from pycap.ops.packed import PRECISIONS

Found = tuple[Tensor, Tensor]  # best sentence of every image and its score
WEIGHT_BYTES = {"float32": 4, "int8": 1}
SAME = {"float32": 0.95}  # share of captions that must be equal; int8 is judged by quality on dev


@dataclass(frozen=True)
class Shape:
    """Sizes of one search; every width is `dim`."""

    batch: int
    vocab: int
    beam: int = 5
    regions: int = 49
    dim: int = 512
    steps: int = 14  # predictions: 13 words and END

    def title(self) -> str:
        return (
            f"beam {self.beam}, batch {self.batch}, vocabulary {self.vocab:,}, {self.regions} regions, "
            f"widths {self.dim}, {self.steps} steps"
        )


def cases(settings: Settings) -> Iterator[Case]:
    """Batches of one picture and of 64, small and large vocabulary."""
    if settings.quick:
        yield make_case(Shape(2, 40, beam=3, regions=4, dim=16, steps=4), settings)
        return
    for batch in (1, 64):
        goals = [Goal("speedup", 12.0 if batch == 1 else 3.5)]
        if batch > 1:
            goals.append(Goal("share", 0.6, dtype="float32"))
        for vocab in (2_500, 10_000):
            yield make_case(Shape(batch, vocab), settings, tuple(goals))


def make_case(shape: Shape, settings: Settings, goals: tuple[Goal, ...] = ()) -> Case:
    """Return the case of one shape with all its peers."""
    weights = draw_weights(shape.vocab, shape.dim)
    features = draw_features(shape.batch, shape.regions, shape.dim)
    contenders = [*native_contenders(shape, weights, features)]
    contenders += peer_contenders(shape, weights, features, settings)
    kinds = [
        kind for kind in ("onnxruntime", "openvino") if kind in settings.peers and runtimes.missing(kind)
    ]
    return Case(
        title=shape.title(),
        shape=vars(shape),
        contenders=contenders,
        agree=compare_sentences,
        items=shape.batch,
        item="caption",
        goals=goals,
        absent={kind: runtimes.missing(kind) for kind in kinds},
    )


def native_contenders(shape: Shape, weights: DecoderWeights, features: Tensor) -> Iterator[Contender]:
    """Every precision that pycap can decode in, float32 first."""
    for precision in PRECISIONS:
        decoder = BeamDecoder(weights, precision=precision)
        sizes = {name: value for name, value in vars(shape).items() if name != "batch"}
        yield Contender(
            name=f"pycap {precision}",
            run=partial(search, decoder, features, shape),
            dtype=precision,
            required=SAME.get(precision, 0.0),
            work=decode_work(shape.batch, **sizes, weight_bytes=WEIGHT_BYTES[precision]),
            note="attention maps included",
        )


def search(decoder: BeamDecoder, features: Tensor, shape: Shape, backend: str = "native") -> Found:
    """Search with pycap's own decoder."""
    if backend == "reference":
        with use(backend):
            found = decoder.search(features, beam=shape.beam, max_length=shape.steps - 1)
    else:  # native where it is built
        found = decoder.search(features, beam=shape.beam, max_length=shape.steps - 1)
    return found.tokens[:, 0], found.scores[:, 0]


def peer_contenders(
    shape: Shape, weights: DecoderWeights, features: Tensor, settings: Settings
) -> Iterator[Contender]:
    """All peers that are wanted and installed."""

    exported: dict[Any, bytes] = {}

    def peer(
        wrap_start: Callable = lambda m: m, wrap_round: Callable = lambda m: m, fold: bool = True
    ) -> Callable:
        start, round = wrap_start(Start(weights)), wrap_round(Round(weights, 2 * shape.beam, fold))
        beam_peer = BeamPeer(shape.vocab, shape.beam, start, round)
        return partial(beam_peer.search, features, shape.steps - 1)

    if "eager" in settings.peers:
        yield Contender("eager", peer(), "eager", note="merged products, word part of the gates as a table")
        yield Contender("eager, no word table", peer(fold=False), "eager")
        with use("reference"):  # packs nothing
            reference = partial(search, BeamDecoder(weights), features, shape, "reference")
        yield Contender("pycap's reference", reference, "eager", note="pycap.ops with use('reference')")
    if "compile" in settings.peers:
        yield Contender("torch.compile", peer(wrap_round=runtimes.compiled), "compile")
        tuned = partial(runtimes.compiled, tuned=True)
        note = "max_autotune, freezing, cpp_wrapper"
        yield Contender("torch.compile, tuned", peer(wrap_round=tuned), "compile", note=note)
    if "onnxruntime" in settings.peers and not runtimes.missing("onnxruntime"):
        build = partial(runtimes.run_onnxruntime, threads=settings.threads)
        yield runtime_contender(peer, build, exported, "ONNX Runtime")
    if "openvino" in settings.peers and not runtimes.missing("openvino"):
        build = partial(runtimes.run_openvino, threads=settings.threads)
        yield runtime_contender(peer, build, exported, "OpenVINO")
        default = partial(build, precision=None)
        default = runtime_contender(peer, default, exported, "OpenVINO, its default precision")
        note = "bf16 where the CPU multiplies in it"
        yield replace(default, dtype="default", counts=False, required=0.0, note=note)


def runtime_contender(peer: Callable, build: Callable, exported: dict[Any, bytes], name: str) -> Contender:
    """A contender whose start and rounds are graphs of another runtime."""

    def wrap(module: torch.nn.Module) -> Callable:
        return runtimes.by_shape(module, build, exported)

    return Contender(name, peer(wrap, wrap), "onnxruntime" if name.startswith("ONNX") else "openvino")


def compare_sentences(first: Found, other: Found) -> Agreement:
    """Count equal sentences; the error is the largest difference of scores."""
    same = (first[0] == other[0]).all(dim=1).sum()
    return Agreement(int(same), len(first[0]), "captions", float((first[1] - other[1]).abs().max()))
