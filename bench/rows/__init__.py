"""The claims, one a file: `cases(settings)` yields each with its peers, its floor and its check of equality."""

import importlib
from collections.abc import Iterator

from bench.case import Case, Settings

TITLES = {
    "decode": "beam search, from features to sentences",
    "attend_lstm": "attention and LSTM over whole captions, forward and backward, with peak memory",
    "train_step": "a whole training step on cached features",
    "self_critical": "captions drawn and rewarded for self-critical training",
    "encoder": "from pixels to features: CNN and region encoder",
    "cold_start": "`pycap caption photo.jpg` in a new process",
    "folder": "a folder of pictures, steady state",
}


def cases_of(name: str, settings: Settings) -> Iterator[Case]:
    """Return the cases of a row."""
    return importlib.import_module(f"bench.rows.{name}").cases(settings)
