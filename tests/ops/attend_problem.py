"""Random problems for attend_lstm, and its outputs with all gradients, for the tests beside this file."""

from __future__ import annotations

import torch
from torch import Tensor

from pycap.ops import AttendLSTMWeights, attend_lstm, use

OUTPUTS = ("hiddens", "contexts", "attention")
INPUTS = ("inputs", "features", "keys", "hidden", "cell")
SMALL = {
    "images": 3,
    "captions": 2,
    "time": 4,
    "regions": 5,
    "feature_dim": 6,
    "attention_dim": 7,
    "hidden_dim": 3,
}
ODD = {
    "images": 5,
    "captions": 3,
    "time": 6,
    "regions": 37,
    "feature_dim": 45,
    "attention_dim": 83,
    "hidden_dim": 29,
}
WIDE = {
    "images": 4,
    "captions": 5,
    "time": 5,
    "regions": 49,
    "feature_dim": 128,
    "attention_dim": 128,
    "hidden_dim": 96,
}
ONE = dict.fromkeys(SMALL, 1)
SHAPES = {"small": SMALL, "odd": ODD, "wide": WIDE, "one": ONE}


def make_problem(
    images: int,
    captions: int,
    time: int,
    regions: int,
    feature_dim: int,
    attention_dim: int,
    hidden_dim: int,
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
) -> dict:
    """Arguments of `attend_lstm`; values are those of float32 in every dtype, so that precisions can be compared."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int, fan: int = 1) -> Tensor:
        return (torch.randn(*shape, generator=generator) * fan**-0.5).to(dtype)

    batch = images * captions
    return {
        "inputs": draw(batch, time, 4 * hidden_dim),
        "features": draw(images, regions, feature_dim),
        "keys": draw(images, regions, attention_dim),
        "hidden": draw(batch, hidden_dim),
        "cell": draw(batch, hidden_dim),
        "weights": AttendLSTMWeights(
            query=draw(attention_dim, hidden_dim, fan=hidden_dim),
            score=2 * draw(attention_dim, fan=attention_dim),
            gate=draw(hidden_dim, fan=hidden_dim),
            gate_bias=draw(1),
            context=draw(4 * hidden_dim, feature_dim, fan=feature_dim),
            recurrent=draw(4 * hidden_dim, hidden_dim, fan=hidden_dim),
        ),
        "lengths": torch.randint(1, time + 1, (batch,), generator=generator),
        "image_index": torch.arange(images).repeat_interleave(captions),
    }


def convert(problem: dict, dtype: torch.dtype) -> dict:
    """The same problem in another precision."""
    floats = {name: problem[name].to(dtype) for name in INPUTS}
    return {
        **problem,
        **floats,
        "weights": AttendLSTMWeights(*(weight.to(dtype) for weight in problem["weights"])),
    }


def differentiate(problem: dict, backend: str) -> dict[str, Tensor]:
    """Outputs and the gradients of a random linear loss of them, by name."""
    floats = {name: problem[name].detach().requires_grad_() for name in INPUTS}
    weights = AttendLSTMWeights(*(weight.detach().requires_grad_() for weight in problem["weights"]))
    with use(backend):
        outputs = dict(zip(OUTPUTS, attend_lstm(**{**problem, **floats, "weights": weights}), strict=True))
    generator = torch.Generator().manual_seed(1)
    loss = sum(
        (torch.randn(part.shape, generator=generator).to(part) * part).sum() for part in outputs.values()
    )
    leaves = {**floats, **weights._asdict()}
    grads = torch.autograd.grad(loss, list(leaves.values()))
    visible = {name: part.detach() for name, part in outputs.items()}
    return {**visible, **{f"d_{name}": grad for name, grad in zip(leaves, grads, strict=True)}}


def relative_error(result: Tensor, exact: Tensor) -> float:
    """Largest difference, as a fraction of the largest exact value."""
    return float((result.double() - exact).abs().max() / exact.abs().max().clamp(min=1e-30))
