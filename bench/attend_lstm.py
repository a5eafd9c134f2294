"""attend_lstm, forward and forward + backward: native against eager PyTorch, at the training shape.

python bench/attend_lstm.py [--images 32] [--captions 5] [--regions 81] [--dim 512] [--time 24] [--rounds 9]
"""

from __future__ import annotations

import argparse
from functools import partial

import torch
from timing import compare, describe_machine
from torch import Tensor

from pycap.ops import AttendLSTMWeights, attend_lstm, describe, use

DEFAULTS = {"images": 32, "captions": 5, "regions": 81, "dim": 512, "time": 24, "rounds": 9}


def make_problem(images: int, captions: int, regions: int, dim: int, time: int) -> tuple:
    """Arguments of attend_lstm with every width `dim`; caption lengths like those of Flickr8k (mean 12)."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int, scale: float = 1.0) -> Tensor:
        return (torch.randn(*shape, generator=generator) * scale).requires_grad_()

    batch = images * captions
    lengths = (torch.randn(batch, generator=generator) * 3.5 + 12).round().long().clamp(3, time)
    lengths[0] = time
    weights = AttendLSTMWeights(
        query=draw(dim, dim, scale=dim**-0.5),
        score=draw(dim, scale=dim**-0.5),
        gate=draw(dim, scale=dim**-0.5),
        gate_bias=draw(1),
        context=draw(4 * dim, dim, scale=dim**-0.5),
        recurrent=draw(4 * dim, dim, scale=dim**-0.5),
    )
    return (
        draw(batch, time, 4 * dim),
        draw(images, regions, dim),
        draw(images, regions, dim),
        draw(batch, dim),
        draw(batch, dim),
        weights,
        lengths,
        torch.arange(images).repeat_interleave(captions),
    )


def train(backend: str, problem: tuple) -> None:
    """One forward and backward; the loss reads hiddens, contexts and attention."""
    with use(backend):
        outputs = attend_lstm(*problem)
    tensors = [*problem[:5], *problem[5]]
    torch.autograd.grad(sum(output.sum() for output in outputs), tensors)


def forward(backend: str, problem: tuple) -> None:
    """One forward, nothing kept for backward."""
    with use(backend), torch.no_grad():
        attend_lstm(*problem)


def main() -> None:
    """Print one table row for each of forward and forward + backward."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in DEFAULTS.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    problem = make_problem(options.images, options.captions, options.regions, options.dim, options.time)
    print(describe_machine())
    print("native:", {key: value for key, value in describe().items() if key in ("isa", "threads")})
    print(f"{options}, {int(problem[6].sum())} steps, float32")
    for title, run in (("forward", forward), ("forward + backward", train)):
        times = compare(
            {name: partial(run, name, problem) for name in ("native", "reference")}, options.rounds
        )
        ratio = times["reference"][0] / times["native"][0]
        cells = [
            f"{name} {middle * 1e3:.1f} +- {half * 1e3:.1f} ms" for name, (middle, half) in times.items()
        ]
        print(f"{title}: {', '.join(cells)}, ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
