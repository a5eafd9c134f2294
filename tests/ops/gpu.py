"""Where the tests of the CUDA kernels run: on a GPU, and everywhere on the host that plays one.

The emulation is the binding and all kernels compiled by the host's C++ compiler (csrc/tests/cuda_emulation.h); its
device is the CPU, so the same tests, and the same Python code, serve both.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from types import ModuleType

import pytest
import torch

from pycap.ops import library

CSRC = Path(__file__).parents[2] / "csrc"
ORDERS = {"forward": 0, "backward": 1, "shuffled": 2}  # in which the emulation runs its threads

needs_module = pytest.mark.skipif(
    library.cuda is None, reason=f"pycap._cuda is not built: {library.describe()['cuda_missing']}"
)
needs_gpu = [
    needs_module,
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
needs_emulation = [
    pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler"),
    pytest.mark.skipif(sys.platform != "linux", reason="the emulation needs ucontext"),
]
DEVICES = [pytest.param("cpu", marks=needs_emulation, id="emulated"), pytest.param("cuda", marks=needs_gpu)]


@functools.cache
def build_emulation() -> ModuleType:
    """Compile `pycap._cuda` for the host."""
    import pybind11

    folder = Path(tempfile.mkdtemp(prefix="pycap-emulation-"))
    sources = [CSRC / "bind" / "cuda.cpp", CSRC / "tests" / "emulated_device.cpp"]
    kernels = sorted((CSRC / "cuda").glob("*.cu"))
    includes = [CSRC, pybind11.get_include(), sysconfig.get_path("include")]
    definitions = {"PYCAP_EMULATED": "", "PYCAP_MODULE": "_cuda_emulated", "PYCAP_CUDA_ARCHITECTURES": '"90"'}
    library_path = folder / "_cuda_emulated.so"
    command = [
        *("c++", "-std=c++17", "-O1", "-fPIC", "-shared", "-fvisibility=hidden", "-Wno-unknown-pragmas"),
        *os.environ.get(
            "PYCAP_EMULATION_FLAGS", ""
        ).split(),  # -fsanitize=address, with its library preloaded
        *(f"-D{name}={value}" for name, value in definitions.items()),
        *(f"-I{include}" for include in includes),
        *map(str, sources),
        *("-x", "c++", *map(str, kernels)),
        *("-o", str(library_path)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    spec = importlib.util.spec_from_file_location("_cuda_emulated", library_path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    shutil.rmtree(folder)  # what is loaded stays
    return module


def prepare(device: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Put the emulation in the place of `pycap._cuda` where the device is the CPU; return the device."""
    if device == "cpu":
        module = build_emulation()
        module.set_order(ORDERS["forward"])
        monkeypatch.setattr(library, "cuda", module)
    return device
