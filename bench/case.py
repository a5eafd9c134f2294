"""A claim at one shape: who competes, what must be equal, which goal is set; and how that is measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from bench import timing
from bench.floors import Work, find_floor

PEERS = ("eager", "compile", "onnxruntime", "openvino")  # kinds of rivals, for --peers

AXES = ("beam", "batch", "vocab", "regions", "threads")  # sizes of a search, for --sweep


@dataclass(frozen=True)
class Settings:
    """How a run is made.

    Attributes:
        threads: of every rival.
        rounds: blocks of each rival.
        quick: tiny shapes, one round: does everything run and agree?
        peers: kinds of rivals wanted, of `PEERS`.
        data: folder of Flickr8k for real pictures; None: drawn ones.
    """

    threads: int
    rounds: int = 7
    quick: bool = False
    peers: tuple[str, ...] = PEERS
    data: Path | None = None


@dataclass(frozen=True)
class Agreement:
    """How far a rival's result equals the first rival's.

    Attributes:
        same: things that are equal.
        of: things compared.
        what: their name.
        error: largest difference of a number that goes with them.
    """

    same: int
    of: int
    what: str
    error: float


@dataclass(frozen=True)
class Contender:
    """One way to compute the case.

    Attributes:
        name: shown in tables.
        run: computes it once and returns what can be compared.
        kind: "pycap" or one of `PEERS`.
        dtype: in which products are computed.
        counts: whether it is a peer for ratios; False for one that computes less precisely or less well.
        required: share of things that must agree with the first contender's.
        work: for the floor; None: no floor.
        note: how it does it, one line.
        memory: returns the peak bytes of a call; None: not measured.
        around: context that each block of calls runs in.
    """

    name: str
    run: Callable[[], Any]
    kind: str = "pycap"
    dtype: str = "float32"
    counts: bool = True
    required: float = 0.95
    work: Work | None = None
    note: str = ""
    memory: Callable[[], int] | None = None

    @property
    def ours(self) -> bool:
        return self.kind == "pycap"


@dataclass(frozen=True)
class Goal:
    """What the issue asks for.

    Attributes:
        metric: "speedup" over the fastest peer, "share" of the measured peak at which the floor's operations are
            done, "seconds", or "memory" (share of the fastest peer's).
        value: at least that (speedup, share), at most that (seconds, memory).
        against: kinds of peers that count; empty: all.
        dtype: which of pycap's rivals must reach it; empty: the fastest one.
    """

    metric: str
    value: float
    against: tuple[str, ...] = ()
    dtype: str = ""


@dataclass(frozen=True)
class Case:
    """A claim at one shape.

    Attributes:
        title: what is computed at which shape.
        shape: the sizes.
        contenders: the first one's result is what the others must agree with.
        agree: (result of the first, another result) to their agreement.
        items, item: how many things a call makes, and their name: times are shown per thing.
        goals: see `Goal`.
        absent: rivals that could not be run, and why.
        around: context manager in which a contender's blocks run.
    """

    title: str
    shape: dict[str, Any]
    contenders: list[Contender]
    agree: Callable[[Any, Any], Agreement]
    items: int = 1
    item: str = "call"
    goals: tuple[Goal, ...] = ()
    absent: dict[str, str] = field(default_factory=dict)
    around: Callable[[], AbstractContextManager] = nullcontext


Row = Callable[[Settings], Iterator[Case]]


def measure(case: Case, settings: Settings, machine: dict[str, Any]) -> dict[str, Any]:
    """Run a case: agreement first, then times, memory and floors; return it ready for JSON."""
    torch._dynamo.reset()  # what other cases compiled: its guards would be tried first at every call
    with case.around():
        first, agreements = None, {}
        for contender in case.contenders:
            result = contender.run()
            first = result if first is None else first
            agreements[contender.name] = case.agree(first, result)
        runs = {contender.name: contender.run for contender in case.contenders}
        pause, block = (0.0, 0.0) if settings.quick else (timing.PAUSE, timing.BLOCK)
        times = timing.compare(runs, settings.rounds, pause, block)
    results = []
    for contender in case.contenders:
        agreement, timed = agreements[contender.name], times[contender.name]
        floor = None if contender.work is None else find_floor(contender.work, machine)
        results.append(
            {
                "name": contender.name,
                "kind": contender.kind,
                "dtype": contender.dtype,
                "counts": contender.counts,
                "note": contender.note,
                "seconds": timed.median,
                "spread": timed.spread,
                "blocks": timed.blocks,
                "agreement": asdict(agreement),
                "agrees": agreement.same >= contender.required * agreement.of,
                "floor": floor,
                "share": None if floor is None else floor["seconds"] / timed.median,
                "memory": None if contender.memory is None else contender.memory(),
            }
        )
    measured = {
        "title": case.title,
        "shape": case.shape,
        "items": case.items,
        "item": case.item,
        "results": results,
        "absent": case.absent,
    }
    return {**measured, "goals": [judge(goal, measured, machine) for goal in case.goals]}


def judge(goal: Goal, measured: dict[str, Any], machine: dict[str, Any]) -> dict[str, Any]:
    """Return a goal with what was reached (None: nothing to compare) and whether that is enough."""
    results = [result for result in measured["results"] if result["agrees"]]
    ours = [r for r in results if r["kind"] == "pycap" and goal.dtype in ("", r["dtype"])]
    peers = [r for r in results if r["kind"] != "pycap" and r["counts"]]
    peers = [r for r in peers if not goal.against or r["kind"] in goal.against]
    reached = peer = None
    if ours:
        best = min(ours, key=lambda result: result["seconds"])
        if goal.metric == "seconds":
            reached = best["seconds"] / measured["items"]
        elif goal.metric == "share" and best["floor"]:
            peak = machine["limits"]["gflops"][1] * 1e9
            reached = best["floor"]["operations"] / best["seconds"] / peak
        elif goal.metric == "speedup" and peers:
            peer = min(peers, key=lambda result: result["seconds"])
            reached = peer["seconds"] / best["seconds"]
        elif goal.metric == "memory" and (known := [r for r in peers if r["memory"]]) and best["memory"]:
            peer = min(known, key=lambda result: result["seconds"])
            reached = best["memory"] / peer["memory"]
    low = goal.metric in ("speedup", "share")
    met = None if reached is None else (reached >= goal.value if low else reached <= goal.value)
    return {**asdict(goal), "reached": reached, "met": met, "peer": peer and peer["name"]}
