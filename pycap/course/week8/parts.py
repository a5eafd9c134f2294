"""Which part of the captioner was taught in which week, with the weights it has."""

from __future__ import annotations

from math import prod

from pycap.checkpoint import TIED, load

# prefix of the weights -> what it is, its module, the week that explains it
PARTS = {
    "cnn": ("CNN, frozen part", "pycap/cnn.py", 2),
    "tail": ("CNN, tuned blocks", "pycap/cnn.py", 2),
    "encoder": ("encoder: self-attention", "pycap/encoder.py", 5),
    "decoder.embedding": ("word vectors, also output", "pycap/decoder.py", 4),
    "decoder.attention": ("decoder: additive attention", "pycap/nn/attention.py", 5),
    "decoder.lstm": ("decoder: LSTM", "pycap/nn/recurrent.py", 3),
    "decoder.output": ("decoder: dense layers to words", "pycap/nn/dense.py", 1),
}
ATTENTION = {"key", "query", "score", "gate"}
LSTM = {"input", "context", "recurrent", "initial_hidden", "initial_cell"}


def count_weights() -> list[dict]:
    """Return a row for each part of the shipped captioner: what, week, module, weights."""
    checkpoint = load(None)
    counts = dict.fromkeys(PARTS, 0)
    for name, array in checkpoint.weights.items():
        if name in TIED and checkpoint.config.model.tie_embedding:  # the word vectors once more
            continue
        counts[_find_part(name)] += prod(array.shape)
    counts["cnn"] = sum(prod(array.shape) for array in (checkpoint.cnn or {}).values())
    return [
        {"part": part, "week": week, "module": module, "weights": counts[key]}
        for key, (part, module, week) in PARTS.items()
    ]


def _find_part(name: str) -> str:
    """Return the part that a stored weight belongs to."""
    top, _, rest = name.partition(".")
    if top != "decoder":
        return top
    layer = rest.partition(".")[0]
    if layer == "embedding":
        return "decoder.embedding"
    return f"decoder.{'attention' if layer in ATTENTION else 'lstm' if layer in LSTM else 'output'}"
