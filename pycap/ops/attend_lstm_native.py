"""The compiled `attend_lstm` as the torch operators `pycap::attend_lstm` and `pycap::attend_lstm_backward`.

C++ computes the sequence and all gradients. CUDA leaves the weight gradients, sums over all steps and one matrix
product each, to torch.
"""

import torch
from torch import Tensor

from pycap.ops import cuda, library
from pycap.ops.shapes import check_rows

library.share_threads()  # this operator stands between those of torch


def arrays(**tensors: Tensor) -> dict:
    """The tensors as numpy arrays on the same memory."""
    return {name: tensor.detach().numpy() for name, tensor in tensors.items()}


def new_outputs(features: Tensor, keys: Tensor, hidden: Tensor, time: int) -> dict[str, Tensor]:
    """Uninitialised outputs of the forward operator by name: three to see, the others for backward."""
    (_, regions, feature_dim), (batch, hidden_dim), attention_dim = (
        features.shape,
        hidden.shape,
        keys.shape[2],
    )
    return {
        "hiddens": hidden.new_empty(batch, time, hidden_dim),
        "contexts": hidden.new_empty(batch, time, feature_dim),
        "attention": hidden.new_empty(batch, time, regions),
        "gates": hidden.new_empty(batch, time, 4 * hidden_dim),  # after their activations
        "cells": hidden.new_empty(batch, time, hidden_dim),
        "queries": hidden.new_empty(batch, time, attention_dim),
        "betas": hidden.new_empty(batch, time),
    }


def compute(
    inputs: Tensor,
    features: Tensor,
    keys: Tensor,
    hidden: Tensor,
    cell: Tensor,
    query: Tensor,
    score: Tensor,
    gate: Tensor,
    gate_bias: Tensor,
    context: Tensor,
    recurrent: Tensor,
    lengths: Tensor,
    image_index: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Arguments of `attend_lstm` (any order of `image_index`) -> the values of `new_outputs`; no autograd."""
    outputs = new_outputs(features, keys, hidden, inputs.shape[1])
    library.cpu.attend_lstm_forward(
        **arrays(
            inputs=inputs,
            features=features,
            keys=keys,
            hidden=hidden,
            cell=cell,
            query=query,
            score=score,
            gate=gate,
            gate_bias=gate_bias,
            context=context,
            recurrent=recurrent,
            lengths=lengths,
            image_index=image_index,
            **outputs,
        )
    )
    return tuple(outputs.values())


@torch.library.custom_op("pycap::attend_lstm", mutates_args=(), device_types="cpu")
def forward(
    inputs: Tensor,
    features: Tensor,
    keys: Tensor,
    hidden: Tensor,
    cell: Tensor,
    query: Tensor,
    score: Tensor,
    gate: Tensor,
    gate_bias: Tensor,
    context: Tensor,
    recurrent: Tensor,
    lengths: Tensor,
    image_index: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Arguments of `attend_lstm` -> hiddens, contexts, attention, then what only backward needs."""
    check_rows(lengths, image_index, inputs.shape[1], features.shape[0])
    weights = (query, score, gate, gate_bias, context, recurrent)
    return compute(inputs, features, keys, hidden, cell, *weights, lengths, image_index)


@forward.register_fake
def _(inputs, features, keys, hidden, *_others):
    allocate = cuda.new_outputs if hidden.device.type == "cuda" else new_outputs
    return tuple(allocate(features, keys, hidden, inputs.shape[1]).values())


ARGUMENTS = (
    "inputs",
    "features",
    "keys",
    "hidden",
    "cell",
    "query",
    "score",
    "gate",
    "gate_bias",
    "context",
    "recurrent",
    "lengths",
    "image_index",
)
OUTPUTS = ("hiddens", "contexts", "attention", "gates", "cells", "queries", "betas")


@forward.register_kernel("cuda")
def forward_cuda(*arguments: Tensor) -> tuple[Tensor, ...]:
    """The forward operator on a GPU, where nobody looks at the values of lengths and image_index."""
    return tuple(cuda.attend_lstm_forward(**dict(zip(ARGUMENTS, arguments, strict=True))).values())


@torch.library.custom_op("pycap::attend_lstm_backward", mutates_args=(), device_types="cpu")
def backward(
    grad_hiddens: Tensor,
    grad_contexts: Tensor,
    grad_attention: Tensor,
    features: Tensor,
    keys: Tensor,
    hidden: Tensor,
    cell: Tensor,
    query: Tensor,
    score: Tensor,
    gate: Tensor,
    gate_bias: Tensor,
    context: Tensor,
    recurrent: Tensor,
    lengths: Tensor,
    image_index: Tensor,
    hiddens: Tensor,
    contexts: Tensor,
    attention: Tensor,
    gates: Tensor,
    cells: Tensor,
    queries: Tensor,
    betas: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients of the first eleven arguments of the forward operator, in their order."""
    found = {
        "d_gates": torch.empty_like(gates),
        "d_queries": torch.empty_like(queries),
        "d_betas": torch.empty_like(betas),
        "d_features": torch.empty_like(features),
        "d_keys": torch.empty_like(keys),
        "d_scores": keys.new_empty(keys.shape[0], keys.shape[2]),
        "d_hidden": torch.empty_like(hidden),
        "d_cell": torch.empty_like(cell),
        "d_query": torch.empty_like(query),
        "d_gate": torch.empty_like(gate),
        "d_context": torch.empty_like(context),
        "d_recurrent": torch.empty_like(recurrent),
    }
    library.cpu.attend_lstm_backward(
        **arrays(
            grad_hiddens=grad_hiddens.contiguous(),
            grad_contexts=grad_contexts.contiguous(),
            grad_attention=grad_attention.contiguous(),
            features=features,
            keys=keys,
            hidden=hidden,
            cell=cell,
            query=query,
            score=score,
            gate=gate,
            gate_bias=gate_bias,
            context=context,
            recurrent=recurrent,
            lengths=lengths,
            image_index=image_index,
            hiddens=hiddens,
            contexts=contexts,
            attention=attention,
            gates=gates,
            cells=cells,
            queries=queries,
            betas=betas,
            **found,
        )
    )
    return (
        found["d_gates"],
        found["d_features"],
        found["d_keys"],
        found["d_hidden"],
        found["d_cell"],
        found["d_query"],
        found["d_scores"].sum(dim=0),
        found["d_gate"],
        found["d_betas"].sum().reshape(1),
        found["d_context"],
        found["d_recurrent"],
    )


@backward.register_kernel("cuda")
def backward_cuda(*arguments: Tensor) -> tuple[Tensor, ...]:
    """The backward operator on a GPU. Steps that were not computed have zero gradients, so all are summed up."""
    grads, saved = arguments[:3], arguments[3:]
    given = dict(zip((*ARGUMENTS[1:], *OUTPUTS), saved, strict=True))
    given |= {f"grad_{name}": part.contiguous() for name, part in zip(OUTPUTS, grads, strict=False)}
    inputs = given["gates"]  # of their shape and dtype; their values are not needed
    found = cuda.attend_lstm_backward(inputs=inputs, **given)
    hidden, hiddens = given["hidden"], given["hiddens"]
    dtype = hidden.dtype
    before = torch.cat([hidden[:, None], hiddens[:, :-1]], dim=1).flatten(0, 1)  # (batch * time, hidden_dim)
    d_gates = found["d_gates"].flatten(0, 1)
    return (
        found["d_gates"],
        found["d_features"],
        found["d_keys"],
        found["d_hidden"].to(dtype),
        found["d_cell"].to(dtype),
        found["d_queries"].flatten(0, 1).T @ before,
        found["d_scores"].sum(dim=(0, 1)).to(dtype),
        found["d_betas"].flatten().to(dtype) @ before,
        found["d_betas"].sum().reshape(1).to(dtype),
        d_gates.T @ given["contexts"].flatten(0, 1),
        d_gates.T @ before,
    )


@backward.register_fake
def _(_hiddens, _contexts, _attention, *others):
    gates = others[15]
    return (torch.empty_like(gates), *(torch.empty_like(tensor) for tensor in others[:10]))


def save_for_backward(ctx, inputs, output) -> None:
    """Keep all arguments but the gate inputs, and all outputs."""
    ctx.save_for_backward(*inputs[1:], *output)
    ctx.set_materialize_grads(False)


def differentiate(ctx, *grads):
    """Gradients of the forward operator's arguments; its outputs behind the third have none."""
    saved = ctx.saved_tensors
    visible = (
        torch.zeros_like(output) if grad is None else grad
        for grad, output in zip(grads[:3], saved[12:15], strict=True)
    )
    return (*backward(*visible, *saved), None, None)


forward.register_autograd(differentiate, setup_context=save_for_backward)
