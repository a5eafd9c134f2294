"""Small problems with which the CUDA kernels prove themselves on a GPU before they are used there."""

from __future__ import annotations

import os

import torch
from torch import Tensor

from pycap.ops import cuda, library
from pycap.ops.attend_lstm_native import ARGUMENTS, backward_cuda, forward_cuda
from pycap.ops.beam import beam_search_reference
from pycap.ops.decoder_step import DecoderWeights, initial_state, step
from pycap.ops.recurrence import AttendLSTMWeights, attend_lstm_reference

IMAGES, CAPTIONS, TIME, REGIONS, WIDTH, WORDS = 3, 2, 4, 9, 64, 70
SEARCH = {"beam": 3, "max_length": 5, "n_best": 1, "length_penalty": 0.7, "end": 2, "banned": (0, 1, 3)}
# largest difference, as a fraction of the largest value, that low precision explains many times over
BOUNDS = {torch.float32: 1e-4, torch.bfloat16: 5e-2, torch.float16: 1e-2}


def complaint(device: torch.device, dtype: torch.dtype) -> str:
    """Return "" where the kernels agree with the reference on this device, else what is wrong."""
    if device.type == "cuda" and torch.cuda.is_current_stream_capturing():
        return ""  # nothing may be waited for now
    with library.use("reference"):  # what the reference calls must not come back here
        try:
            return check_sequence(device, dtype) or check_search(device, dtype)
        except RuntimeError as error:
            return str(error).splitlines()[0]


class Draw:
    """Random tensors that are the same on every device."""

    def __init__(self, device: torch.device, dtype: torch.dtype):
        self.generator = torch.Generator().manual_seed(7)
        self.device, self.dtype = device, dtype

    def __call__(self, *shape: int, scale: float = 1.0) -> Tensor:
        values = torch.randn(*shape, generator=self.generator) * scale
        return values.to(self.device, self.dtype)

    def matrix(self, rows: int, columns: int) -> Tensor:
        """Rows that give sums of about unit size."""
        return self(rows, columns, scale=columns**-0.5)

    def recurrent(self) -> AttendLSTMWeights:
        """Weights of the step."""
        return AttendLSTMWeights(
            query=self.matrix(WIDTH, WIDTH),
            score=self(WIDTH, scale=2 * WIDTH**-0.5),
            gate=self(WIDTH, scale=WIDTH**-0.5),
            gate_bias=self(1),
            context=self.matrix(4 * WIDTH, WIDTH),
            recurrent=self.matrix(4 * WIDTH, WIDTH),
        )


def differ(name: str, found: Tensor, expected: Tensor, dtype: torch.dtype) -> str:
    """Return "" or a line with the error, where it is larger than rounding explains."""
    exact = expected.detach().double()
    error = float((found.double() - exact).abs().max() / exact.abs().max().clamp(min=1e-3))
    return "" if error <= BOUNDS[dtype] else f"{name} is off by {error:.1e} of its largest value"


def check_sequence(device: torch.device, dtype: torch.dtype) -> str:
    """Compare a sequence, and its gradients, with the reference in float64."""
    draw, batch = Draw(device, dtype), IMAGES * CAPTIONS
    floats = {
        "inputs": draw(batch, TIME, 4 * WIDTH),
        "features": draw(IMAGES, REGIONS, WIDTH),
        "keys": draw(IMAGES, REGIONS, WIDTH),
        "hidden": draw(batch, WIDTH),
        "cell": draw(batch, WIDTH),
        **draw.recurrent()._asdict(),
    }
    lengths = torch.tensor([TIME, 1, 2, TIME, 3, TIME], device=device)
    image_index = torch.arange(IMAGES, device=device).repeat_interleave(CAPTIONS)
    outputs = forward_cuda(*floats.values(), lengths, image_index)
    grads = [draw(*output.shape) for output in outputs[:3]]
    found = backward_cuda(*grads, *list(floats.values())[1:], lengths, image_index, *outputs)

    leaves = {name: part.double().requires_grad_() for name, part in floats.items()}
    weights = AttendLSTMWeights(*(leaves[name] for name in AttendLSTMWeights._fields))
    arguments = (leaves[name] for name in ARGUMENTS[:5])
    with torch.enable_grad():
        exact = attend_lstm_reference(*arguments, weights, lengths, image_index)
        loss = sum((part * grad.double()).sum() for part, grad in zip(exact, grads, strict=True))
        expected = torch.autograd.grad(loss, list(leaves.values()))
    pairs = {
        **dict(zip(("hiddens", "contexts", "attention"), zip(outputs, exact, strict=False), strict=True)),
        **{f"the gradient of {name}": pair for name, *pair in zip(leaves, found, expected, strict=True)},
    }
    complaints = (differ(f"attend_lstm: {name}", *pair, dtype) for name, pair in pairs.items())
    return next(filter(None, complaints), "")


def check_search(device: torch.device, dtype: torch.dtype) -> str:
    """Search three times, so that a captured graph replays too, and compare the best score with the reference's."""
    draw = Draw(device, dtype)
    weights = DecoderWeights(
        embedding=draw(WORDS, WIDTH),
        input=draw.matrix(4 * WIDTH, WIDTH),
        input_bias=draw(4 * WIDTH),
        key=draw.matrix(WIDTH, WIDTH),
        key_bias=draw(WIDTH),
        attend=draw.recurrent(),
        initial_hidden=draw.matrix(WIDTH, WIDTH),
        initial_hidden_bias=draw(WIDTH),
        initial_cell=draw.matrix(WIDTH, WIDTH),
        initial_cell_bias=draw(WIDTH),
        output_hidden=draw.matrix(WIDTH, WIDTH),
        output_context=draw.matrix(WIDTH, WIDTH),
        output_bias=draw(WIDTH),
        output=draw(WORDS, WIDTH, scale=0.4),
        output_vocab_bias=draw(WORDS),
    )
    features = draw(IMAGES, REGIONS, WIDTH)
    decoder = cuda.CudaDecoder(weights)
    uncached = (
        "PYTORCH_NO_CUDA_MEMORY_CACHING" in os.environ
    )  # as under compute-sanitizer: nothing can be captured
    for _ in range(1 if uncached else 3):
        found = decoder.search(features, **SEARCH, start=1)
    first = torch.full((IMAGES,), 1, device=device)
    best = beam_search_reference(
        initial_state(weights, features), lambda state, tokens: step(weights, state, tokens), first, **SEARCH
    )
    return differ("beam_search: the best score", found.scores, best.scores, dtype)


def main() -> int:
    """Check the first GPU in every dtype: `python -m pycap.ops.self_check`, alone or under compute-sanitizer."""
    if library.cuda is None or not torch.cuda.is_available():
        print(f"no GPU to check: {library.describe()['cuda_missing'] or 'torch sees no CUDA device'}")
        return 1
    wrong = {dtype: complaint(torch.device("cuda", 0), dtype) for dtype in cuda.DTYPES}
    for dtype, line in wrong.items():
        print(f"{torch.cuda.get_device_name(0)}, {dtype}: {line or 'right'}")
    return int(any(wrong.values()))


if __name__ == "__main__":
    raise SystemExit(main())
