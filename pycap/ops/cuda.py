"""The Python side of `pycap._cuda`: allocate outputs, read torch's current stream, launch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pycap.ops import library

if TYPE_CHECKING:
    from pycap.ops.recurrence import AttendLSTMWeights

DTYPES = (torch.float32, torch.bfloat16, torch.float16)


def runs(tensors: Sequence[Tensor]) -> bool:
    """True when these tensors are the kernels' to compute: `pycap._cuda` is loaded and not put aside by
    `use("reference")`, all are on one GPU and of one dtype of `DTYPES`, and none asks for a gradient."""
    first = tensors[0]
    return (
        first.device.type == "cuda"
        and library.cuda is not None
        and library.backend() == "native"
        and first.dtype in DTYPES
        and all(tensor.device == first.device and tensor.dtype == first.dtype for tensor in tensors)
        and not (torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors))
    )


def attend_lstm_step(
    inputs: Tensor,
    features: Tensor,
    keys: Tensor,
    hidden: Tensor,
    cell: Tensor,
    weights: AttendLSTMWeights,
    image_index: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Put one decoder step on torch's current stream of the tensors' GPU and return without waiting.

    Args:
        inputs, features, keys, hidden, cell, weights, image_index: as in `pycap.ops.attend_lstm_step`, on one
            GPU, contiguous, all of one dtype of `DTYPES`; at most 8192 regions. Sums are float32. A row whose
            `image_index` is outside the images comes out NaN: nobody can look at it before the launch.

    Returns:
        hidden and cell `(batch, hidden_dim)`, context `(batch, feature_dim)`, attention `(batch, regions)`.

    Raises:
        ValueError: an argument has the wrong shape, dtype, strides or device.
        RuntimeError: there is no GPU, or a launch was refused.
    """
    for name, tensor, axes in (("hidden", hidden, 2), ("features", features, 3), ("keys", keys, 3)):
        if tensor.dim() != axes:
            raise ValueError(f"attend_lstm_step: {name} must have {axes} axes, got {tuple(tensor.shape)}")
    batch, hidden_dim = hidden.shape
    outputs = (
        torch.empty_like(hidden),
        torch.empty_like(hidden),
        hidden.new_empty(batch, features.shape[2]),
        hidden.new_empty(batch, features.shape[1]),
    )
    # Freed on return while the kernels still run: torch's allocator reuses memory in the order of the stream.
    workspace = hidden.new_empty(batch * (4 * hidden_dim + keys.shape[2]), dtype=torch.float32)
    library.cuda.attend_lstm_step(
        inputs=inputs.detach(),
        features=features.detach(),
        keys=keys.detach(),
        hidden=hidden.detach(),
        cell=cell.detach(),
        weights=tuple(weight.detach() for weight in weights),
        image_index=image_index,
        outputs=outputs,
        workspace=workspace,
        stream=torch.cuda.current_stream(hidden.device).cuda_stream if hidden.is_cuda else 0,
    )
    return outputs
