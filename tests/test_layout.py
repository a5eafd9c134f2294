"""The house keeps its shape: imports point one way, files stay short."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "pycap"

# What a module may import from pycap, besides its own package. Lower layers never import higher ones.
LAYERS = {
    "config": set(),
    "text": {"config"},
    "metrics": set(),
    "window": set(),
    "cnn_plan": {"config"},
    "weights": {"config", "cnn_plan"},
    "int8": {"weights"},
    "phrases": {"config", "weights"},
    "ops": {"config", "cnn_plan", "weights"},
    "nn": {"config", "ops"},
    "cnn": {"config", "cnn_plan", "nn"},
    "encoder": {"config", "nn"},
    "decoder": {"config", "weights", "ops", "nn"},
    "model": {"config", "ops", "cnn", "encoder", "decoder", "window"},
    "data": {"config", "text", "window"},
    "checkpoint": {"config", "text", "weights", "int8", "phrases", "model"},
    "training": {
        "config",
        "text",
        "metrics",
        "window",
        "weights",
        "int8",
        "phrases",
        "ops",
        "cnn_plan",
        "cnn",
        "model",
        "data",
        "checkpoint",
    },
    "figure": {"config", "data"},
    "engines": {"config", "ops", "weights", "checkpoint"},
    "captioner": {"config", "text", "ops", "data", "checkpoint", "engines", "phrases"},
    "evaluation": {"text", "captioner", "data", "figure", "metrics"},
    "catalog": {"config"},
    "course": {"config", "data"},
}
TOP = {"course", "cli", "__init__", "__main__"}  # may import everything


def unit(path: Path) -> str:
    """Return the layer a source file belongs to: its package or module name directly below pycap."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def pycap_imports(path: Path) -> set[str]:
    """Return the layers of pycap that a source file imports anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "pycap":
            parts = node.module.split(".")[1:]
            names |= {parts[0]} if parts else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("pycap.")}
    return names


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_from_higher_to_lower_layers(path: Path):
    layer = unit(path)
    if layer in TOP:
        return
    assert layer in LAYERS, f"give {layer} a place in LAYERS"
    allowed = LAYERS[layer] | {layer, "__version__"} | ({"_cpu", "_cuda"} if layer == "ops" else set())
    wrong = pycap_imports(path) - allowed
    assert not wrong, f"{path.relative_to(ROOT)} must not import {sorted(wrong)}"


def test_only_the_command_line_imports_the_course():
    outside = [path for path in PACKAGE.rglob("*.py") if unit(path) not in ("course", "cli")]
    assert not [path for path in outside if "course" in pycap_imports(path)]


def test_no_source_file_is_longer_than_400_lines():
    folders = ("pycap", "csrc", "tests", "bench")
    suffixes = {".py", ".h", ".cpp", ".cu", ".cuh"}
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in suffixes]
    assert len(files) > 50
    long = {
        str(path.relative_to(ROOT)): count
        for path in files
        if (count := len(path.read_text().splitlines())) > 400
    }
    assert not long
