"""The Python side of `pycap._cuda`: allocate outputs, read torch's current stream, launch.

Nothing here waits for the GPU, except where a search looks whether its result is finite.
"""

from __future__ import annotations

import functools
import threading
import warnings
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import linear

from pycap.config import PAD
from pycap.ops import library
from pycap.ops.decoding import NOT_FINITE, BeamResult, check_search

if TYPE_CHECKING:
    from pycap.ops.decoder_step import DecoderWeights
    from pycap.ops.recurrence import AttendLSTMWeights

DTYPES = (torch.float32, torch.bfloat16, torch.float16)
MOST_BEAMS, MOST_LENGTH, MOST_WORDS = 32, 1024, 1024 * 128  # what the kernels' shared memory holds
MOST_REGIONS = MOST_ATTENTION = 4096
REGIONS_AT_ONCE = 8  # whose gradients one block sums up
GRAPHS = 8  # captured searches that a decoder keeps


def runs(tensors: Sequence[Tensor]) -> bool:
    """True when these tensors are the kernels' to compute: `pycap._cuda` is loaded and not put aside by
    `use("reference")`, all are on one GPU and of one dtype of `DTYPES`, and the kernels proved right on this GPU."""
    first = tensors[0]
    return (
        first.device.type == "cuda"
        and library.cuda is not None
        and library.wanted() == "native"
        and first.dtype in DTYPES
        and all(tensor.device == first.device and tensor.dtype == first.dtype for tensor in tensors)
        and trusted(first.device.index, str(first.dtype))
    )


@torch.compiler.assume_constant_result
def trusted(device: int, dtype: str) -> bool:
    """Whether small problems on this GPU come out as the reference has them; tried once a process, at first use.

    Kernels meet GPUs, drivers and compilers that nobody tried them on. Where they are wrong a warning says so, and
    everything runs on the reference.
    """
    return _proves_right(device, dtype)


@functools.cache
def _proves_right(device: int, dtype: str) -> bool:
    from pycap.ops.self_check import complaint

    found = complaint(torch.device("cuda", device), getattr(torch, dtype.removeprefix("torch.")))
    if found:
        name = torch.cuda.get_device_name(device)
        warnings.warn(f"pycap's CUDA kernels are wrong on {name} and stay unused: {found}", stacklevel=2)
    return not found


def stream_of(tensor: Tensor) -> int:
    """torch's current stream of the tensor's GPU, as an address."""
    return torch.cuda.current_stream(tensor.device).cuda_stream if tensor.is_cuda else 0


def new_outputs(features: Tensor, keys: Tensor, hidden: Tensor, time: int) -> dict[str, Tensor]:
    """Uninitialised outputs of `attend_lstm_forward` by name: three to see, the others for backward."""
    (_, regions, feature_dim), (batch, hidden_dim), attention_dim = (
        features.shape,
        hidden.shape,
        keys.shape[2],
    )
    exact = {"dtype": torch.float32}
    return {
        "hiddens": hidden.new_empty(batch, time, hidden_dim),
        "contexts": hidden.new_empty(batch, time, feature_dim),
        "attention": hidden.new_empty(batch, time, regions),
        "gates": hidden.new_empty(batch, time, 4 * hidden_dim),
        "cells": hidden.new_empty(batch, time, hidden_dim, **exact),
        "queries": hidden.new_empty(batch, time, attention_dim, **exact),
        "betas": hidden.new_empty(batch, time, **exact),
    }


def attend_lstm_forward(**arguments: Tensor | None) -> dict[str, Tensor]:
    """Put a whole sequence on torch's current stream of the tensors' GPU and return without waiting.

    Args:
        arguments: those of `pycap.ops.attend_lstm` by name, the weights one by one, all contiguous, on one GPU and of
            one dtype of `DTYPES`; `lengths` or `image_index` may be None: all steps, row b looks at image b. Sums are
            float32. A row whose `image_index` is outside the images comes out NaN: nobody can look at it before the
            launch.

    Returns:
        The tensors of `new_outputs`.

    Raises:
        ValueError: an argument has the wrong shape, dtype, strides or device.
        RuntimeError: there is no GPU, or a launch was refused.
    """
    given = {name: None if part is None else part.detach() for name, part in arguments.items()}
    for name, axes in (("hidden", 2), ("inputs", 3), ("features", 3), ("keys", 3)):
        if given[name].dim() != axes:
            raise ValueError(f"attend_lstm: {name} must have {axes} axes, got {tuple(given[name].shape)}")
    outputs = new_outputs(given["features"], given["keys"], given["hidden"], given["inputs"].shape[1])
    library.cuda.attend_lstm_forward(tensors={**given, **outputs}, stream=stream_of(given["hidden"]))
    return outputs


def attend_lstm_backward(**arguments: Tensor) -> dict[str, Tensor]:
    """Put the gradients that flow through time on torch's current stream and return without waiting.

    Args:
        arguments: those of `attend_lstm_forward`, its outputs, and `grad_hiddens`, `grad_contexts`, `grad_attention`
            by name, contiguous; rows of one image must be neighbours, in the order of the images.

    Returns:
        `d_gates` (before their activations), `d_queries`, `d_betas` (before the sigmoid), `d_features`, `d_keys`,
        `d_scores` (to be summed over all but the last axis), `d_hidden`, `d_cell`.
    """
    given = {name: part.detach() for name, part in arguments.items()}
    features, keys, hidden, gates = given["features"], given["keys"], given["hidden"], given["gates"]
    (images, regions, feature_dim), (batch, time, _) = features.shape, gates.shape
    exact = {"dtype": torch.float32}
    results = {
        "d_gates": torch.empty_like(gates),
        "d_queries": gates.new_empty(batch, time, keys.shape[2]),
        "d_betas": gates.new_empty(batch, time, **exact),
        "d_features": torch.empty_like(features),
        "d_keys": torch.empty_like(keys),
        "d_scores": gates.new_empty(images, -(-regions // REGIONS_AT_ONCE), keys.shape[2], **exact),
        "d_hidden": torch.empty_like(hidden, **exact),
        "d_cell": torch.empty_like(hidden, **exact),
    }
    bounds = torch.arange(images + 1, device=hidden.device)
    workspace = {
        "query_columns": given["query"].T.contiguous(),
        "context_columns": given["context"].T.contiguous(),
        "recurrent_columns": given["recurrent"].T.contiguous(),
        "first_rows": torch.searchsorted(given["image_index"], bounds),
        "d_contexts": gates.new_empty(batch, time, feature_dim, **exact),
        "d_energies": gates.new_empty(batch, time, regions, **exact),
    }
    # Workspace is freed on return while kernels still run: torch's allocator reuses it in the order of the stream.
    library.cuda.attend_lstm_backward(tensors={**given, **results, **workspace}, stream=stream_of(hidden))
    return results


def attend_lstm_step(
    inputs: Tensor,
    features: Tensor,
    keys: Tensor,
    hidden: Tensor,
    cell: Tensor,
    weights: AttendLSTMWeights,
    image_index: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One step: arguments of `pycap.ops.attend_lstm_step` under the conditions of `attend_lstm_forward`.

    Returns:
        hidden and cell `(batch, hidden_dim)`, context `(batch, feature_dim)`, attention `(batch, regions)`.
    """
    if inputs.dim() != 2:
        raise ValueError(f"attend_lstm_step: inputs must have 2 axes, got {tuple(inputs.shape)}")
    found = attend_lstm_forward(
        inputs=inputs[:, None],
        features=features,
        keys=keys,
        hidden=hidden,
        cell=cell,
        **weights._asdict(),
        lengths=None,
        image_index=image_index,
    )
    cells = found["cells"][:, 0].to(hidden.dtype)
    return found["hiddens"][:, 0], cells, found["contexts"][:, 0], found["attention"][:, 0]


class CudaDecoder:
    """A decoder's weights on a GPU, folded and laid out for `pycap._cuda`; safe to share between threads.

    A search is a fixed sequence of launches. The second search of a shape is captured in a CUDA graph, later ones
    replay it. In a graph of the caller's own a search is captured launch by launch, once its shape was searched
    before, and nobody looks whether its result is finite.

    Args:
        weights: the decoder's parameters, on one GPU, of one dtype of `DTYPES`.
        persistent: let one kernel do all steps of a small search, where weights and rows fit.
    """

    def __init__(self, weights: DecoderWeights, persistent: bool = True):
        self.persistent = persistent
        flat = {name: part.detach().contiguous() for name, part in weights.flat().items()}
        # The word part of the gates, for every word.
        flat["word_gates"] = linear(flat["embedding"], flat.pop("input"), flat.pop("input_bias"))
        for part in ("initial", "initial_bias"):
            names = [part.replace("initial", f"initial_{state}") for state in ("hidden", "cell")]
            flat[part] = torch.cat([flat.pop(name) for name in names])
        self.weights = flat
        self._lock = threading.Lock()
        self._searches: OrderedDict[tuple, _Search] = OrderedDict()

    def takes(self, features: Tensor, beam: int, max_length: int) -> bool:
        """True where a search of these sizes fits the kernels' memory."""
        return (
            beam <= MOST_BEAMS
            and max_length <= MOST_LENGTH
            and features.shape[1] <= MOST_REGIONS
            and len(self.weights["query"]) <= MOST_ATTENTION
            and len(self.weights["embedding"]) <= MOST_WORDS
        )

    def search(
        self,
        features: Tensor,
        *,
        beam: int,
        max_length: int,
        n_best: int,
        length_penalty: float,
        start: int,
        end: int,
        banned: Sequence[int],
    ) -> BeamResult:
        """Arguments and result of `BeamDecoder.search`; scores and attention are float32."""
        check_search(len(self.weights["embedding"]), beam, max_length, n_best, length_penalty, end, banned)
        key = (tuple(features.shape), beam, max_length, n_best, length_penalty, start, end, tuple(banned))
        features = features.detach().contiguous()
        capturing = features.is_cuda and torch.cuda.is_current_stream_capturing()
        with self._lock:  # a graph has one workspace
            seen = key in self._searches
            if not seen:
                self._searches[key] = _Search(self._plan(features.shape, features.device, *key[1:]))
            search = self._searches[key]
            self._searches.move_to_end(key)
            while len(self._searches) > GRAPHS:
                self._searches.popitem(last=False)
            if seen and features.is_cuda and not capturing and len(features):
                found, finite = search.replay(features)
            else:
                found, finite = search.plan.launch(features)
        if not capturing and len(features) and not bool(finite):
            raise ValueError(NOT_FINITE)
        return found

    def is_persistent(self, features: Tensor, **wanted: Any) -> bool:
        """True where one kernel does all steps of this search (arguments of `search`)."""
        plan = self._plan(features.shape, features.device, **wanted)
        return library.cuda.beam_search_plan({**plan.weights, "features": features}, plan.settings)[1]

    def _plan(
        self,
        shape: Sequence[int],
        device: torch.device,
        beam: int,
        max_length: int,
        n_best: int,
        length_penalty: float,
        start: int,
        end: int,
        banned: Sequence[int],
    ) -> _Plan:
        barred = torch.zeros(len(self.weights["embedding"]), dtype=torch.uint8)
        barred[[*banned, end]] = 1  # END is ranked apart
        norms = torch.tensor([(count + 1) ** length_penalty for count in range(max_length + 1)])
        constants = {"barred": barred.to(device), "norms": norms.float().to(device)}
        settings = library.cuda.BeamSettings(
            beam=beam,
            max_length=max_length,
            n_best=n_best,
            start=start,
            end=end,
            pad=PAD,
            persistent=self.persistent,
        )
        return _Plan({**self.weights, **constants}, settings, (shape[0], n_best, max_length, shape[1]))


class _Plan:
    """Everything one search needs besides its features."""

    def __init__(self, weights: dict[str, Tensor], settings: Any, sizes: tuple[int, int, int, int]):
        self.weights = weights
        self.settings = settings
        self.sizes = sizes

    def launch(self, features: Tensor) -> tuple[BeamResult, Tensor]:
        """Put the search on the current stream; return its result and whether it is finite, on the GPU."""
        images, n_best, max_length, regions = self.sizes
        tokens = features.new_empty(images, n_best, max_length, dtype=torch.int64)
        scores = features.new_empty(images, n_best, dtype=torch.float32)
        found = BeamResult(
            tokens=tokens,
            lengths=tokens.new_empty(images, n_best),
            scores=scores,
            log_probs=torch.empty_like(scores),
            attention=scores.new_empty(images, n_best, max_length, regions),
        )
        given = {**self.weights, "features": features}
        not_finite = tokens.new_zeros(1, dtype=torch.int32)
        memory, _ = library.cuda.beam_search_plan(given, self.settings)
        given |= {**found._asdict(), "not_finite": not_finite}
        given["workspace"] = tokens.new_empty(memory, dtype=torch.uint8)
        library.cuda.beam_search(given, self.settings, stream_of(features))
        return found, not_finite == 0


class _Search:
    """A plan, and its captured graph once it was replayed: replays cost one launch."""

    def __init__(self, plan: _Plan):
        self.plan = plan
        self.graph: torch.cuda.CUDAGraph | None = None

    def replay(self, features: Tensor) -> tuple[BeamResult, Tensor]:
        """Search again, by a graph; the results are copies, which the next replay leaves alone."""
        if self.graph is None:
            graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream(features.device)
            self.features, self.done = features.clone(), torch.cuda.Event()
            with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
                self.found, self.finite = self.plan.launch(self.features)
            self.graph = graph
        stream = torch.cuda.current_stream(features.device)  # another thread's, perhaps, than the last time
        stream.wait_event(self.done)  # the last replay, whose memory this one uses
        self.features.copy_(features)
        self.graph.replay()
        found = BeamResult(*(part.clone() for part in self.found)), self.finite.clone()
        self.done.record(stream)
        return found
