"""attend_lstm: attention and LSTM over whole captions, forward and backward.

All captions have the same length, so that peers waste nothing on padding. Peers broadcast an image's regions over
its captions and copy none of them (`bench/peers/attend_lstm.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from bench import memory
from bench.case import Agreement, Case, Contender, Goal, Settings
from bench.floors import attend_lstm_work
from bench.peers.attend_lstm import run_sequence, step
from bench.peers.runtimes import compiled
from pycap.ops import AttendLSTMWeights, attend_lstm, use

TOLERANCE = 1e-4  # of a gradient, relative to its largest value


def cases(settings: Settings) -> Iterator[Case]:
    """The shape of a training batch: 24 pictures with 5 captions of 12 steps."""
    shape = {"images": 24, "captions": 5, "regions": 49, "dim": 512, "steps": 12}
    if settings.quick:
        shape = {"images": 2, "captions": 2, "regions": 3, "dim": 16, "steps": 3}
    problem = make_problem(**shape)
    lengths = torch.full((shape["images"] * shape["captions"],), shape["steps"])
    image_index = torch.arange(shape["images"]).repeat_interleave(shape["captions"])

    def contender(name: str, kind: str, run: Callable, **more: object) -> Contender:
        peak = partial(memory.peak_of_call, "attend_lstm", name, settings)
        if settings.quick and kind != "pycap":
            peak = None  # a process each takes its time
        work = attend_lstm_work(**shape) if kind == "pycap" else None
        return Contender(
            name, partial(differentiate, run, problem), kind, required=1.0, work=work, memory=peak, **more
        )

    def reference() -> tuple[Tensor, ...]:
        with use("reference"):
            return attend_lstm(*problem, lengths, image_index)

    contenders = [contender("pycap", "pycap", lambda: attend_lstm(*problem, lengths, image_index))]
    if "eager" in settings.peers:
        contenders.append(contender("eager", "eager", lambda: run_sequence(*problem)))
        contenders.append(contender("pycap's reference", "eager", reference))
    if "compile" in settings.peers:
        one_step, whole = compiled(step), compiled(run_sequence)
        run = partial(run_sequence, *problem, one_step=one_step)
        contenders.append(contender("torch.compile, a step", "compile", run))
        contenders.append(contender("torch.compile, all steps", "compile", lambda: whole(*problem)))
    yield Case(
        title=f"batch {shape['images']} x {shape['captions']}, {shape['steps']} steps, {shape['regions']} regions, "
        f"widths {shape['dim']}, forward and backward",
        shape=shape,
        contenders=contenders,
        agree=compare_gradients,
        item="batch",
        goals=()
        if settings.quick
        else (Goal("speedup", 2.0, ("compile",)), Goal("memory", 1 / 3, ("compile",))),
    )


def make_problem(images: int, captions: int, regions: int, dim: int, steps: int) -> tuple:
    """Arguments of attend_lstm up to its weights, all of which want a gradient."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int, scale: float = 1.0) -> Tensor:
        return (torch.randn(*shape, generator=generator) * scale).requires_grad_()

    batch = images * captions
    weights = AttendLSTMWeights(
        query=draw(dim, dim, scale=dim**-0.5),
        score=draw(dim, scale=dim**-0.5),
        gate=draw(dim, scale=dim**-0.5),
        gate_bias=draw(1),
        context=draw(4 * dim, dim, scale=dim**-0.5),
        recurrent=draw(4 * dim, dim, scale=dim**-0.5),
    )
    regions_of = (draw(images, regions, dim), draw(images, regions, dim))
    return draw(batch, steps, 4 * dim), *regions_of, draw(batch, dim), draw(batch, dim), weights


def differentiate(run: Callable[[], tuple[Tensor, ...]], problem: tuple) -> tuple[Tensor, ...]:
    """One forward and backward; the loss reads hiddens, contexts and attention. Returns all gradients."""
    hiddens, contexts, attention = run()
    loss = hiddens.sum() + contexts.sum() + (attention**2).sum()
    return torch.autograd.grad(loss, [*problem[:5], *problem[5]])


def compare_gradients(first: tuple[Tensor, ...], other: tuple[Tensor, ...]) -> Agreement:
    """Count gradients that are equal; the error is relative to each one's largest value."""
    errors = [float((a - b).abs().max() / a.abs().max()) for a, b in zip(first, other, strict=True)]
    return Agreement(sum(error < TOLERANCE for error in errors), len(errors), "gradients", max(errors))
