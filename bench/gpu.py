"""Measure the CUDA kernels beside PyTorch on one GPU: `python -m bench.gpu [ROW ...] [--json FILE]`.

Times are the GPU's own (events around repeated calls, median of blocks). Every rival computes the same thing from the
same weights, and how far its results agree is shown. Floors come from what the machine was measured to do first: the
bandwidth of a large copy, the rate of large products, the latency of a grid barrier and of a launch.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from bench.peers import attend_lstm as sequence_peer
from bench.peers.beam import Round, Start
from bench.peers.gpu import Captured, GraphablePeer
from bench.problems import draw_features, draw_weights
from pycap.config import END, PAD, START, UNKNOWN
from pycap.ops import AttendLSTMWeights, attend_lstm, cuda, library
from pycap.ops.decoder_step import DecoderWeights

DIM, BEAM, STEPS, REGIONS = 512, 5, 16, 49
WORDS = STEPS - 1  # the last step says END
COMPILED = (1, 256)  # batches for which PyTorch's rounds are compiled too, which takes a while
SHAPES = [(1, 10_000), (256, 10_000), (1, 2_500), (8, 10_000), (64, 10_000)]  # batch, vocabulary
SEARCH = {
    "beam": BEAM,
    "max_length": WORDS,
    "n_best": 1,
    "length_penalty": 0.7,
    "start": START,
    "end": END,
    "banned": (PAD, START, UNKNOWN),
}


@dataclass
class Result:
    """One rival at one shape.

    Attributes:
        row, shape, name: what was measured.
        seconds, spread: median of blocks on the GPU, half their interquartile range.
        floor: seconds below which this machine cannot go; None: not computed.
        memory: peak bytes above what was there before; None: not measured.
        agrees: share of results that equal the first rival's, or largest relative difference, as text.
        note: how it does it.
    """

    row: str
    shape: str
    name: str
    seconds: float
    spread: float
    floor: float | None = None
    memory: int | None = None
    agrees: str = ""
    note: str = ""


def gpu_time(run: Callable[[], object], blocks: int = 7, aim: float = 0.15) -> tuple[float, float]:
    """Seconds of one call on the GPU, median of blocks of back-to-back calls, and half the interquartile range."""
    for _ in range(3):
        run()
    torch.cuda.synchronize()
    start = time.perf_counter()
    run()
    torch.cuda.synchronize()
    calls = max(1, min(200, int(aim / max(time.perf_counter() - start, 1e-5))))
    found = []
    for _ in range(blocks):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        for _ in range(calls):
            run()
        end.record()
        end.synchronize()
        found.append(begin.elapsed_time(end) / 1e3 / calls)
    low, _, high = statistics.quantiles(found, n=4)
    return statistics.median(found), (high - low) / 2


def peak_memory(run: Callable[[], object]) -> int:
    """Bytes that a call takes at its peak, above what is there already."""
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    run()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


# ---- the machine


def measure_limits() -> dict[str, float]:
    """What this GPU does at most: bytes and bf16 operations a second, seconds of a barrier and of an empty launch."""
    big = torch.empty(1 << 30, dtype=torch.uint8, device="cuda")
    copied, _ = gpu_time(lambda: big[: 1 << 29].copy_(big[1 << 29 :]))
    left, right = (torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    multiplied, _ = gpu_time(lambda: left @ right)
    single = torch.randn(8192, 8192, device="cuda")
    float_product, _ = gpu_time(lambda: single @ single, blocks=3)
    arrived = torch.zeros(1, dtype=torch.int32, device="cuda")

    def wait(rounds: int) -> None:
        library.cuda.wait_at_barriers({"arrived": arrived}, rounds, cuda.stream_of(arrived))

    many, _ = gpu_time(lambda: wait(1100))
    few, _ = gpu_time(lambda: wait(100))
    tiny = torch.zeros(1, device="cuda")
    launches, _ = gpu_time(Captured(lambda number: [number.add_(1) for _ in range(100)], tiny).graph.replay)
    return {
        "bytes": 2 * (1 << 29) / copied,
        "bf16": 2 * 8192**3 / multiplied,
        "float32": 2 * 8192**3 / float_product,
        "barrier": (many - few) / 1000,
        "launch": launches / 100,
    }


def decode_floor(batch: int, vocab: int, limits: dict[str, float]) -> float:
    """Seconds of one search: its products at the measured rate, reading weights once and regions every step, or, where
    rows are few, its barriers; whichever is more."""
    rows = batch * BEAM
    weights = DIM * (DIM + 4 * DIM + 4 * DIM + 2 * DIM + vocab)
    regions = 2 * batch * REGIONS * DIM  # features and keys, read every step
    arithmetic = STEPS * 2 * rows * weights / limits["bf16"]
    memory = 2 * (weights + STEPS * regions) / limits["bytes"]
    waiting = 5 * STEPS * limits["barrier"] if rows <= 64 else 0.0
    return max(arithmetic, memory, waiting)


# ---- rows


def decode(limits: dict[str, float], quick: bool) -> Iterator[Result]:
    """Beam search of one picture and of 256, and what lies between."""
    for batch, vocab in [(2, 100)] if quick else SHAPES:
        weights = draw_weights(vocab, DIM).to("cuda", torch.bfloat16)
        features = draw_features(batch, REGIONS, DIM).to("cuda", torch.bfloat16)
        shape = f"batch {batch}, vocabulary {vocab:,}, beam {BEAM}, {REGIONS} regions, {STEPS} steps, bf16"
        floor = decode_floor(batch, vocab, limits)
        expected = None
        for name, run, note in decode_rivals(weights, features, vocab, quick):
            found = run()
            tokens = found[0].reshape(batch, -1).clone()
            expected = tokens if expected is None else expected
            same = int((tokens == expected).all(dim=1).sum())
            seconds, spread = gpu_time(run)
            yield Result(
                "decode", shape, name, seconds, spread, floor, agrees=f"{same} of {batch}", note=note
            )


def decode_rivals(
    weights: DecoderWeights, features: Tensor, vocab: int, quick: bool
) -> Iterator[tuple[str, Callable[[], tuple], str]]:
    """Ours as graphs and launch by launch, PyTorch's eager, compiled and as graphs."""
    for persistent in (True, False):
        decoder = cuda.CudaDecoder(weights, persistent=persistent)
        if persistent and not decoder.is_persistent(features, **SEARCH):
            continue
        kind = "pycap, persistent" if persistent else "pycap, launches"
        plan = decoder._plan(features.shape, features.device, **SEARCH)
        graph = Captured(lambda given, plan=plan: plan.launch(given)[0], features)
        yield f"{kind}, graph", partial(graph, features), "one CUDA graph"
        yield (
            kind,
            lambda decoder=decoder: decoder.search(features, **SEARCH),
            "as users call it, check of the result included",
        )
    rounds = Round(weights, 2 * BEAM).cuda(), Start(weights).cuda()
    peer = GraphablePeer(vocab, BEAM, rounds[1], rounds[0], "cuda")
    yield "PyTorch eager", lambda: peer.search(features, WORDS), "fixed shapes, no look at the host"
    yield (
        "PyTorch eager, graph",
        partial(Captured(lambda given: peer.search(given, WORDS), features), features),
        "",
    )
    if not quick and len(features) in COMPILED:
        compiled = GraphablePeer(vocab, BEAM, rounds[1], torch.compile(rounds[0], dynamic=False), "cuda")
        compiled.search(features, WORDS)
        yield "PyTorch compiled", lambda: compiled.search(features, WORDS), "a round is one compiled function"
        graph = Captured(lambda given: compiled.search(given, WORDS), features)
        yield "PyTorch compiled, graph", partial(graph, features), "all rounds in one CUDA graph"


def sequence(limits: dict[str, float], quick: bool) -> Iterator[Result]:
    """attend_lstm forward and backward, 128 captions of 16 steps."""
    images, captions, steps = (2, 2, 3) if quick else (128, 1, 16)
    for dtype in (torch.bfloat16, torch.float32):
        generator = torch.Generator().manual_seed(0)

        def draw(*shape: int, scale: float = 1.0, dtype=dtype, generator=generator) -> Tensor:
            values = torch.randn(*shape, generator=generator) * scale
            return values.to("cuda", dtype).requires_grad_()

        batch = images * captions
        weights = AttendLSTMWeights(
            query=draw(DIM, DIM, scale=DIM**-0.5),
            score=draw(DIM, scale=DIM**-0.5),
            gate=draw(DIM, scale=DIM**-0.5),
            gate_bias=draw(1),
            context=draw(4 * DIM, DIM, scale=DIM**-0.5),
            recurrent=draw(4 * DIM, DIM, scale=DIM**-0.5),
        )
        floats = (
            draw(batch, steps, 4 * DIM),
            draw(images, REGIONS, DIM),
            draw(images, REGIONS, DIM),
            draw(batch, DIM),
            draw(batch, DIM),
        )
        lengths = torch.full((batch,), steps, device="cuda")
        index = torch.arange(images, device="cuda").repeat_interleave(captions)
        leaves = [*floats, *weights]

        def differentiate(run: Callable, floats=floats, weights=weights, leaves=leaves) -> tuple[Tensor, ...]:
            hiddens, contexts, _ = run(*floats, weights)
            return torch.autograd.grad(hiddens.sum() + contexts.sum(), leaves)

        def ours(*given, lengths=lengths, index=index):
            return attend_lstm(*given, lengths, index)

        rivals = {"pycap": ours, "PyTorch eager": sequence_peer.run_sequence}
        if not quick:
            one_step = torch.compile(sequence_peer.step, dynamic=False)
            rivals["PyTorch compiled"] = partial(sequence_peer.run_sequence, one_step=one_step)
        weights_read = DIM * (DIM + 8 * DIM)
        rate = limits["bf16" if dtype == torch.bfloat16 else "float32"]
        floor = 3 * steps * 2 * batch * weights_read / rate
        shape = f"batch {batch}, {steps} steps, {REGIONS} regions, {str(dtype).removeprefix('torch.')}"
        expected = None
        for name, rival in rivals.items():
            run = partial(differentiate, rival)
            found = run()
            expected = found if expected is None else expected
            error = max(
                float((a - b).float().abs().max() / b.float().abs().max().clamp(min=1e-6))
                for a, b in zip(found, expected, strict=True)
            )
            seconds, spread = gpu_time(run)
            memory = peak_memory(run)
            yield Result(
                "attend_lstm", shape, name, seconds, spread, floor, memory, f"gradients within {error:.1e}"
            )


def end_to_end(limits: dict[str, float], quick: bool) -> Iterator[Result]:
    """Pictures through the shipped network: encoder in channels-last bf16, the search on a stream of its own."""
    from pycap.checkpoint import Checkpoint

    checkpoint = Checkpoint.load(
        Path(__file__).parents[1] / "pycap" / "checkpoints" / "flickr8k", device="cuda"
    )
    model, batch, batches = checkpoint.model, 2 if quick else 256, 2 if quick else 8
    model.eval().to(memory_format=torch.channels_last)
    size = checkpoint.config.preprocess.size
    pixels = torch.randn(batch, 3, size, size, device="cuda").to(memory_format=torch.channels_last)
    weights = model.decoder.weights().to("cuda", torch.bfloat16)
    decoder = cuda.CudaDecoder(weights)
    searching = torch.cuda.Stream()
    wanted = {**SEARCH, "max_length": checkpoint.config.search.max_length}

    @torch.inference_mode()
    def encode() -> Tensor:
        with torch.autocast("cuda", torch.bfloat16):
            features, _ = model.encode(model.cnn(pixels))
        return features.to(torch.bfloat16)

    plan = decoder._plan(encode().shape, pixels.device, **wanted)
    search = Captured(lambda given: plan.launch(given)[0], encode())

    def both() -> None:
        for _ in range(batches):
            features = encode()
            searching.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(searching):
                search(features)
            features.record_stream(searching)
        torch.cuda.current_stream().wait_stream(searching)

    features = encode()
    shape = f"{batches} batches of {batch} pictures of {size} px"
    for name, run, count in (
        ("encode", encode, 1),
        ("search", lambda: search(features), 1),
        ("encode and search overlapped", both, batches),
    ):
        seconds, spread = gpu_time(run)
        each = seconds / count
        yield Result("end_to_end", shape, name, each, spread / count, note=f"{batch / each:,.0f} pictures/s")


ROWS = {"decode": decode, "attend_lstm": sequence, "end_to_end": end_to_end}


# ---- report


def show(seconds: float) -> str:
    """Seconds with a readable unit."""
    return f"{seconds * 1e6:.1f} us" if seconds < 1e-3 else f"{seconds * 1e3:.3f} ms"


def tables(document: dict) -> Iterator[str]:
    """Everything measured, as Markdown."""
    limits = document["limits"]
    yield f"{document['gpu']}, torch {document['torch']}, measured {document['date']} by `python -m bench.gpu`."
    yield (
        f"Copy {limits['bytes'] / 1e12:.2f} TB/s, bf16 product {limits['bf16'] / 1e12:.0f} TFLOP/s, float32 "
        f"{limits['float32'] / 1e12:.0f} TFLOP/s, grid barrier {limits['barrier'] * 1e6:.2f} us, launch in a graph "
        f"{limits['launch'] * 1e6:.2f} us."
    )
    results = [Result(**result) for result in document["results"]]
    for key in dict.fromkeys((result.row, result.shape) for result in results):
        group = [result for result in results if (result.row, result.shape) == key]
        best = min((r.seconds for r in group if r.name.startswith("pycap")), default=None)
        yield f"\n**{key[0]}**: {key[1]}\n"
        yield "| | time | spread | ratio | share of floor | memory | agrees | |"
        yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
        for r in group:
            ratio = f"{r.seconds / best:.2f}" if best else ""
            share = f"{100 * r.floor / r.seconds:.0f} %" if r.floor else ""
            memory = f"{r.memory / 2**20:.0f} MB" if r.memory is not None else ""
            cells = (r.name, show(r.seconds), show(r.spread), ratio, share, memory, r.agrees, r.note)
            yield f"| {' | '.join(cells)} |"


def main() -> int:
    """Run the rows."""
    parser = argparse.ArgumentParser(prog="python -m bench.gpu", description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", choices=[[], *ROWS], help="which to run (default: all)")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="also write what was measured, and its tables beside"
    )
    parser.add_argument("--quick", action="store_true", help="tiny shapes: does everything run and agree?")
    options = parser.parse_args()
    if library.cuda is None or not torch.cuda.is_available():
        reason = library.describe()["cuda_missing"] if library.cuda is None else "torch sees no CUDA device"
        print(f"python -m bench.gpu: nothing to measure: {reason}", file=sys.stderr)
        return 1
    limits = measure_limits()
    document = {
        "gpu": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "date": time.strftime("%Y-%m-%d"),
        "limits": limits,
        "results": [],
    }
    for row in options.rows or ROWS:
        for result in ROWS[row](limits, options.quick):
            print(
                f"{result.row}: {result.shape}: {result.name}: {show(result.seconds)}",
                file=sys.stderr,
                flush=True,
            )
            document["results"].append(asdict(result))
            if options.json:  # after every result: what was measured stays when the time is up
                options.json.write_text(json.dumps(document, indent=1) + "\n")
                options.json.with_suffix(".md").write_text("\n".join(tables(document)) + "\n")
    print("\n".join(tables(document)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
