"""Other runtimes for the same graph: torch.compile, ONNX Runtime and OpenVINO, behind one kind of function.

A function made here takes and returns tensors like the module it was made of. Shapes are fixed.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import io
import logging
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

Function = Callable[..., tuple[Tensor, ...]]
NEEDS = {"onnxruntime": ("onnx", "onnxscript", "onnxruntime"), "openvino": ("onnx", "onnxscript", "openvino")}


def missing(runtime: str) -> str:
    """Return "" if a runtime can be used, else which packages are not installed."""
    absent = [name for name in NEEDS.get(runtime, ()) if importlib.util.find_spec(name) is None]
    return f"{', '.join(absent)} not installed" if absent else ""


def compiled(function: Callable, tuned: bool = False) -> Callable:
    """Return a function compiled by torch.compile for the shapes it will see.

    Args:
        function: function or module.
        tuned: weights are frozen and packed, products autotuned, and the wrapper is C++: slower to compile.
    """
    import torch._dynamo.config as dynamo
    import torch._inductor.config as inductor

    dynamo.recompile_limit = 64  # shapes of one function, beyond which it would silently run uncompiled
    inductor.compile_threads = 1  # idle workers would disturb the others
    inductor.autotune_num_choices_displayed = 0
    options = {"max_autotune": True, "freezing": True, "cpp_wrapper": True} if tuned else None
    return torch.compile(function, dynamic=False, options=options)


def export(module: nn.Module, arguments: Sequence[Tensor]) -> bytes:
    """Return a module as an ONNX model for arguments of these shapes."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it tells what else is not installed
    target = io.BytesIO()
    names = [f"input_{number}" for number in range(len(arguments))]
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module.eval(), tuple(arguments), input_names=names, dynamo=True, verbose=False
        )
        program.save(target)
    return target.getvalue()


@functools.cache
def share_threads(threads: int) -> bool:
    """Give ONNX Runtime one pool of threads for all models; False where this version or this late call cannot."""
    import onnxruntime

    try:
        onnxruntime.set_global_thread_pool_sizes(threads, 1)
    except (AttributeError, RuntimeError):
        return False
    return True


def run_onnxruntime(model: bytes, threads: int) -> Function:
    """Return an exported model as a function of ONNX Runtime; all of them share their threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    if share_threads(threads):  # a pool each would spin against the others
        options.use_per_session_threads = False
    else:
        options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]

    def run(*arguments: Tensor) -> tuple[Tensor, ...]:
        feeds = dict(zip(names, map(as_array, arguments), strict=True))
        return tuple(map(torch.from_numpy, session.run(None, feeds)))

    return run


def run_openvino(model: bytes, threads: int, precision: str | None = "f32") -> Function:
    """Return an exported model as a function of OpenVINO; precision None is its default for this CPU."""
    import openvino

    core = openvino.Core()
    settings: dict[str, Any] = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    if precision is not None:
        settings["INFERENCE_PRECISION_HINT"] = precision
    compiled_model = core.compile_model(core.read_model(model), "CPU", settings)
    request, count = compiled_model.create_infer_request(), len(compiled_model.outputs)

    def run(*arguments: Tensor) -> tuple[Tensor, ...]:
        found = request.infer([as_array(argument) for argument in arguments], share_inputs=True)
        return tuple(torch.from_numpy(found[number].copy()) for number in range(count))

    run.precision = str(compiled_model.get_property("INFERENCE_PRECISION_HINT").to_string())
    return run


def by_shape(module: nn.Module, build: Callable[[bytes], Function], exported: dict[Any, bytes]) -> Function:
    """Return a module as a function of another runtime that is built anew for every set of shapes it meets.

    Args:
        module: what to export.
        build: makes a function of an exported model.
        exported: models by type of module and shapes; filled, so that several runtimes can share them.
    """
    known: dict[Any, Function] = {}

    def run(*arguments: Tensor) -> tuple[Tensor, ...]:
        key = (type(module), *(argument.shape for argument in arguments))
        if key not in known:
            if key not in exported:
                with torch.inference_mode(False), torch.no_grad():
                    exported[key] = export(module, [argument.clone() for argument in arguments])
            known[key] = build(exported[key])
        return known[key](*arguments)

    return run


def as_array(tensor: Tensor) -> np.ndarray:
    """Return a tensor's memory, row by row."""
    return tensor.detach().contiguous().numpy()
