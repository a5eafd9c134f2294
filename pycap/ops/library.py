"""Load the compiled modules, say why one is missing, and choose between native kernels and the reference."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import ModuleType

BACKENDS = ("native", "reference")
BUILD_NOTES = Path(__file__).parent.parent / "_build_notes.txt"  # setup.py's, when a module was not built
REBUILD = "python -m pip install --force-reinstall --no-deps ."
REMEDY = f"install a C++17 compiler (Debian: apt install g++) and run in pycap's sources: {REBUILD}"

FORCE_ISA = "PYCAP_FORCE_ISA"  # an instruction set that the CPU lacks fails the import

_wanted: ContextVar[str] = ContextVar("pycap_backend", default="native")


def load(name: str) -> tuple[ModuleType | None, str]:
    """Import the compiled module `pycap.<name>`; return it and "", or None and the reason it is missing."""
    try:
        return importlib.import_module(f"pycap.{name}"), ""
    except ImportError as error:
        reason = str(error)
    if BUILD_NOTES.exists():
        notes = [line for line in BUILD_NOTES.read_text().splitlines() if line.startswith(name + ":")]
        reason = notes[0].partition(":")[2].strip() if notes else reason
    return None, reason


cpu, _cpu_reason = load("_cpu")
cuda, _cuda_reason = load("_cuda")


def native_available() -> bool:
    """True when the compiled CPU module is loaded."""
    return cpu is not None


def missing_reason() -> str:
    """One line that says why the compiled CPU module is missing and how to get it; "" when it is there."""
    if cpu is not None:
        return ""
    remedy = f"unset {FORCE_ISA} or name another" if FORCE_ISA in _cpu_reason else REMEDY
    return f"pycap._cpu is missing: {_cpu_reason}; {remedy}"


def backend() -> str:
    """The backend that runs now: "native", or "reference" when asked for or when nothing is compiled."""
    return _wanted.get() if native_available() else "reference"


def wanted() -> str:
    """The backend that `use` asked for, built or not; "native" where nobody asked."""
    return _wanted.get()


@contextmanager
def use(name: str) -> Iterator[None]:
    """Run the operations of this `with` block (this thread and task only) on one backend.

    Args:
        name: "native" for the compiled kernels, "reference" for plain PyTorch.

    Raises:
        ValueError: the name is neither.
        RuntimeError: "native" is asked for but not built; the message says how to build it.
    """
    if name not in BACKENDS:
        raise ValueError(f"backend must be one of {', '.join(BACKENDS)}, got {name!r}")
    if name == "native" and not native_available():
        raise RuntimeError(missing_reason())
    token = _wanted.set(name)
    try:
        yield
    finally:
        _wanted.reset(token)


def set_threads(count: int) -> None:
    """Set the size of the native thread pool, at least 1; results do not depend on it."""
    if count < 1:
        raise ValueError(f"threads must be at least 1, got {count}")
    if cpu is not None:
        cpu.set_threads(count)


def share_threads() -> bool:
    """Run native kernels on PyTorch's own threads, which else spin beside them, while it uses as many.

    Call it where PyTorch is loaded anyway. Returns False where its threads are not OpenMP's, or nothing is compiled.
    """
    return cpu is not None and cpu.adopt_openmp("libtorch_cpu.so")


def describe() -> dict[str, object]:
    """What is compiled and chosen: backend, isa, threads, and for each module "" or the reason it is missing."""
    return {
        "backend": backend(),
        "isa": cpu.isa() if cpu is not None else None,
        "threads": cpu.threads() if cpu is not None else None,
        "cpu_missing": missing_reason(),
        "cuda_built": cuda is not None,
        "cuda_missing": _cuda_reason,
    }
