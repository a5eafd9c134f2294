"""The machine of a run: processor, memory, libraries, how quiet it is, and what it can do at most."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

from bench import peaks

FLAGS = ("avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "amx_bf16")
PACKAGES = ("torch", "numpy", "onnx", "onnxruntime", "openvino")
BUSY = 0.3  # load average from which times are not to be trusted


def describe(threads: int, quick: bool = False) -> dict[str, Any]:
    """Describe and measure this machine.

    Args:
        threads: that every rival uses.
        quick: measure limits on small arrays.
    """
    import torch

    from pycap import ops

    cpu, caches, built = read_cpuinfo(), read_caches(), ops.describe()
    return {
        "cpu": cpu["model"],
        "flags": [flag for flag in FLAGS if flag in cpu["flags"]],
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": threads,
        "caches": caches,
        "memory": read_memory(),
        "governor": read_first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": {name: find_version(name) for name in PACKAGES},
        "float32_products": torch.get_float32_matmul_precision(),
        "native": {name: built[name] for name in ("backend", "isa", "threads")},
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "limits": peaks.measure(threads, caches, quick),
    }


def warn(machine: dict[str, Any]) -> list[str]:
    """Return what makes times of this run doubtful, a line each."""
    lines = []
    if machine["load"] is not None and machine["load"] > BUSY:
        lines.append(f"the machine is not quiet: load average {machine['load']:.2f} before the first row")
    if machine["governor"] not in (None, "performance"):
        lines.append(f"the frequency governor is {machine['governor']!r}: clocks may move during the run")
    if machine["native"]["backend"] != "native":
        lines.append("the compiled kernels are missing: every row of pycap runs its PyTorch reference")
    return lines


def read_cpuinfo() -> dict[str, Any]:
    """Return the processor's name and flags."""
    model, flags = platform.processor() or "unknown processor", set()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        key, _, value = (part.strip() for part in line.partition(":"))
        if key == "model name":
            model = value
        elif key == "flags":
            flags = set(value.split())
            break
    return {"model": model, "flags": flags}


def read_caches() -> dict[str, int]:
    """Return the bytes of a core's "L1" and "L2" and of "L3", as far as the system tells."""
    found = {}
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = (read_first_line(index / name) for name in ("level", "type", "size"))
        if level and size and kind != "Instruction":
            scale = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}.get(size[-1], 1)
            found[f"L{level}"] = int(size.rstrip("KMG")) * scale
    return found


def read_memory() -> int:
    """Return the bytes of main memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def read_first_line(path: str | Path) -> str | None:
    """Return the first line of a file, None where it cannot be read."""
    try:
        return Path(path).read_text().splitlines()[0].strip()
    except (OSError, IndexError):
        return None


def find_version(package: str) -> str | None:
    """Return the version of an installed package, else None."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def describe_lines(machine: dict[str, Any]) -> list[str]:
    """Return the machine as lines of text."""
    limits, caches = machine["limits"], machine["caches"]
    versions = ", ".join(
        f"{name} {version or 'not installed'}" for name, version in machine["versions"].items()
    )
    sizes = ", ".join(f"{level} {size / 2**20:.3g} MB" for level, size in caches.items())
    speeds = ", ".join(f"{level} {one:.0f} / {every:.0f}" for level, (one, every) in limits["gbs"].items())
    int8 = limits["int8_gops"]
    return [
        f"{machine['cpu']}, {machine['cores']} cores, {machine['threads']} threads used by every rival, "
        f"{machine['memory'] / 2**30:.0f} GB, {sizes}; {', '.join(machine['flags'])}; "
        f"governor {machine['governor'] or 'not readable'}; {machine['system']}",
        f"Python {machine['python']}, {versions}; pycap {machine['native']['backend']}, {machine['native']['isa']}; "
        f"float32 products of torch: {machine['float32_products']}",
        f"limits of one core / all threads, {limits['how']}: float32 multiply-add "
        f"{limits['gflops'][0]:.0f} / {limits['gflops'][1]:.0f} GFLOP/s, "
        + (f"int8 VNNI {int8[0]:.0f} / {int8[1]:.0f} GOP/s, " if int8[0] else "")
        + f"reading {speeds} GB/s",
    ]
