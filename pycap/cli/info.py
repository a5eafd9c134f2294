"""`pycap info`: what is installed, what is missing and how to get it."""

from __future__ import annotations

import argparse
import json
import platform
import re
from pathlib import Path
from typing import Any

from pycap import __version__
from pycap.config import SPECIAL_TOKENS

_SCORE = re.compile(r"^\|\s*(bleu_[1-4]|rouge_l|cider|meteor)\s*\|\s*([0-9.]+)\s*\|", re.MULTILINE)


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "info",
        help="say what is installed and what is missing",
        description="Say what is installed, what is missing and how to get it.",
    )
    parser.add_argument("--json", action="store_true", help="one object")


def run(args: argparse.Namespace) -> int:
    """Print the report; the exit code is 0 even where something is missing."""
    report = collect()
    if args.json:
        print(json.dumps(report))
        return 0
    for name, value in describe(report):
        print(f"{name:<12} {value}")
    return 0


def collect() -> dict[str, Any]:
    """Return everything worth knowing about this installation as plain JSON types."""
    from pycap.checkpoint import SHIPPED
    from pycap.data.features import default_cache
    from pycap.ops import library

    found = library.describe()
    torch, gpu = find_torch()
    return {
        "version": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "torch": torch,
        "backend": found["backend"],
        "native": {
            "available": library.native_available(),
            "isa": found["isa"],
            "threads": found["threads"],
            "missing": library.missing_reason() or None,
        },
        "cuda": {"built": found["cuda_built"], "missing": found["cuda_missing"] or None, "device": gpu},
        "checkpoint": describe_checkpoint(SHIPPED),
        "cache": str(default_cache()),
    }


def find_torch() -> tuple[str | None, str | None]:
    """Return the version of PyTorch and the name of its GPU, each None if there is none."""
    try:
        import torch
    except ModuleNotFoundError:
        return None, None
    return torch.__version__, torch.cuda.get_device_name(0) if torch.cuda.is_available() else None


def describe_checkpoint(folder: Path) -> dict[str, Any]:
    """Return path, size, words and the scores of its model card, or what is missing; loads no weights."""
    found: dict[str, Any] = {"path": str(folder), "name": folder.name, "missing": None}
    needed = ("model.safetensors", "config.json", "vocab.json")
    absent = [name for name in needed if not (folder / name).is_file()]
    if absent:
        return {**found, "missing": f"{absent[0]} is not there; `pycap train` makes such a folder"}
    card = folder / "README.md"
    scores = _SCORE.findall(card.read_text(encoding="utf-8")) if card.is_file() else []
    try:
        settings, words = (json.loads((folder / name).read_text(encoding="utf-8")) for name in needed[1:])
        details = {
            "cnn": settings["model"]["cnn"],
            "image_size": settings["preprocess"]["size"],
            "words": len(words) - len(SPECIAL_TOKENS),
        }
    except (ValueError, KeyError, TypeError) as error:
        return {**found, "missing": f"config.json or vocab.json cannot be read ({error})"}
    size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    return {**found, "bytes": size, **details, "scores": {name: float(value) for name, value in scores}}


def describe(report: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the report as lines for people: a name and what there is to say."""
    native, cuda, checkpoint = report["native"], report["cuda"], report["checkpoint"]
    if checkpoint["missing"]:
        model = f"{checkpoint['path']}: {checkpoint['missing']}"
    else:
        scores = ", ".join(f"{name} {value:.3f}" for name, value in checkpoint["scores"].items())
        model = (
            f"{checkpoint['name']}, {checkpoint['bytes'] / 1e6:.1f} MB, {checkpoint['cnn']} at "
            f"{checkpoint['image_size']} px, {checkpoint['words']} words"
        )
        model += f"; dev scores: {scores}" if scores else ""
    return [
        ("pycap", report["version"]),
        ("python", f"{report['python']} on {report['platform']}"),
        ("torch", report["torch"] or "not installed: only training, other devices and the reference need it"),
        ("backend", report["backend"]),
        ("CPU kernels", native["missing"] or f"{native['isa']}, {native['threads']} threads"),
        ("CUDA kernels", "built" if cuda["built"] else f"not built: {cuda['missing']}"),
        ("GPU", cuda["device"] or "none that torch can use"),
        ("checkpoint", model),
        ("cache", report["cache"]),
    ]
