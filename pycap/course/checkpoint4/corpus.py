"""The sentences to learn from and to score on, kept apart.

SST-2 was made from the sentence polarity data: 5,664 of its 10,662 sentences are SST-2 training sentences, and most of
the others are in SST-2's other parts. A model of one corpus must not be scored on the other.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pycap.course.readers.sentences import POLARITY, Sentences, read_polarity, read_sst

TRAIN, DEV = "stsa.binary.train", "stsa.binary.dev"
SST, RT = "SST-2", "sentence polarity"
HELD_OUT = 0.1  # share of the polarity sentences that is scored; SST-2 brings its own dev part
SHARED = 0.02  # a set that shares more of its sentences with the training data was not held out
_MARKUP = re.compile(r"-[lr][rs]b-|[^a-z0-9]")


def key(text: str) -> str:
    """Return what a sentence is recognised by, however it was split into words: letters and digits."""
    return _MARKUP.sub("", text.lower()) or text


def fingerprint(text: str) -> str:
    """Return twelve characters that stand for a sentence."""
    return hashlib.sha256(key(text).encode()).hexdigest()[:12]


class Corpus(NamedTuple):
    """Training and held-out sentences of one corpus.

    Attributes:
        name: "SST-2" or "sentence polarity".
        train, held_out: the two parts; no sentence is in both.
        dropped: training sentences that were left out: repetitions, contradictions, and those that are held out.
    """

    name: str
    train: Sentences
    held_out: Sentences
    dropped: int


def pick(sentences: Sentences, rows: list[int] | np.ndarray) -> Sentences:
    """Return some of the sentences."""
    return Sentences([sentences.texts[i] for i in rows], sentences.labels[rows])


def drop_duplicates(train: Sentences, held_out: Sentences) -> Sentences:
    """Return training sentences once each, without contradictory ones and without those that are held out."""
    hidden = {key(text) for text in held_out.texts}
    said = defaultdict(set)
    for text, label in zip(train.texts, train.labels, strict=True):
        said[key(text)].add(int(label))
    first: dict[str, int] = {}
    for i, text in enumerate(train.texts):
        if len(said[key(text)]) == 1 and key(text) not in hidden:
            first.setdefault(key(text), i)
    return pick(train, list(first.values()))


def split(sentences: Sentences, share: float, seed: int) -> tuple[Sentences, Sentences]:
    """Hold out a share of the sentences at random; the same sentence is never on both sides."""
    names = np.array([key(text) for text in sentences.texts])
    different = np.unique(names)
    chosen = np.random.default_rng(seed).permutation(different)[: round(share * len(different))]
    held = np.isin(names, chosen)
    return pick(sentences, np.flatnonzero(~held)), pick(sentences, np.flatnonzero(held))


def is_polarity(path: Path) -> bool:
    """Say whether a path is the sentence polarity data: its folder, or one of its two files."""
    names = {name for name, _ in POLARITY}
    if path.is_dir():
        return any((path / name).exists() for name in names) or (path / "rt-polaritydata").is_dir()
    return path.name in names


def read_corpus(folder: Path, seed: int) -> Corpus:
    """Read SST-2's train and dev, or the polarity data and hold a tenth out.

    Raises:
        ValueError: the folder holds neither, or one of its files is broken.
    """
    if is_polarity(folder):
        name = RT
        train, held_out = split(read_polarity(folder if folder.is_dir() else folder.parent), HELD_OUT, seed)
    elif folder.is_dir():
        name = SST
        train, held_out = read_sst(folder / TRAIN), read_sst(folder / DEV)
    else:
        raise ValueError(
            f"--data must be a folder with {TRAIN} and {DEV}, or with {POLARITY[0][0]} and {POLARITY[1][0]}, "
            f"got {folder}"
        )
    kept = drop_duplicates(train, held_out)
    return Corpus(name, kept, held_out, len(train.texts) - len(kept.texts))


def read_scored(path: Path, trained_on: str, seen: set[str]) -> Sentences:
    """Read sentences to score a trained model on, in the format of its training data.

    Args:
        path: a file of `LABEL sentence` lines.
        trained_on: the corpus of the model.
        seen: fingerprints of its training sentences.

    Raises:
        ValueError: the other corpus, or sentences the model was trained on.
    """
    if is_polarity(path):
        raise ValueError(
            f"{path}: the {RT} data cannot score this model, which was trained on {trained_on}: SST-2 was made from "
            f"the polarity sentences; give a held-out file of 'LABEL sentence' lines from {trained_on}"
        )
    if path.is_dir():
        path = path / DEV
    sentences = read_sst(path)
    known = sum(fingerprint(text) in seen for text in sentences.texts)
    if known > SHARED * len(sentences.texts):
        raise ValueError(
            f"{path}: {known} of its {len(sentences.texts)} sentences are in the {trained_on} training data of this "
            "model (SST-2 was made from the polarity sentences): score on sentences held out of the same corpus"
        )
    if trained_on != SST and path.name.startswith("stsa.binary"):
        raise ValueError(
            f"{path}: SST-2 cannot score this model, which was trained on {trained_on}: SST-2 was made from the "
            "polarity sentences; train on SST-2 first, without --data"
        )
    return sentences
