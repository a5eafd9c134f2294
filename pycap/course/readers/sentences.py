"""Review sentences with a label: the sentence polarity data (Pang and Lee 2005) and SST-2 (Socher et al. 2013).

SST was made from the polarity sentences: train on one of the two and never score on the other.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pycap.course.readers.files import read_lines

POLARITY = (("rt-polarity.pos", 1), ("rt-polarity.neg", 0))  # file, label


class Sentences(NamedTuple):
    """Sentences and whether they praise.

    Attributes:
        texts: sentences as written, without blanks around them.
        labels: int64 `(sentences,)`, 1 for positive, 0 for negative.
    """

    texts: list[str]
    labels: np.ndarray


def read_polarity(folder: str | os.PathLike[str]) -> Sentences:
    """Read the sentence polarity data: one sentence a line, Latin-1, a file for each label.

    Args:
        folder: holds `rt-polarity.pos` and `rt-polarity.neg`, or the `rt-polaritydata` of the archive.

    Returns:
        Positive sentences, then negative ones, in the order of the files; blank lines are left out.

    Raises:
        ValueError: a file is missing, unreadable or without sentences, naming it.
    """
    folder = Path(folder)
    if not (folder / POLARITY[0][0]).exists() and (folder / "rt-polaritydata").is_dir():
        folder = folder / "rt-polaritydata"
    texts: list[str] = []
    labels: list[int] = []
    for name, label in POLARITY:
        sentences = [line.strip() for line in read_lines(folder / name, "latin-1")]
        sentences = [sentence for sentence in sentences if sentence]
        if not sentences:
            raise ValueError(f"{folder / name}: no sentences in it; copy or download the file again")
        texts += sentences
        labels += [label] * len(sentences)
    return Sentences(texts, np.array(labels, np.int64))


def read_sst(path: str | os.PathLike[str]) -> Sentences:
    """Read sentences with labels, a line each: `LABEL sentence`, where the label is 0 or 1.

    Args:
        path: a UTF-8 text file, such as `stsa.binary.train`.

    Returns:
        Sentences in the order of the file; blank lines are left out.

    Raises:
        ValueError: unreadable, a line of another form (naming it), or no sentences.
    """
    texts: list[str] = []
    labels: list[int] = []
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        label, _, sentence = line.strip().partition(" ")
        if label not in ("0", "1") or not sentence.strip():
            shown = line if len(line) <= 40 else f"{line[:40]}..."
            raise ValueError(
                f"{path} line {number}: must be a label, 0 or 1, and a sentence, got {shown!r}; correct the line"
            )
        texts.append(sentence.strip())
        labels.append(int(label))
    if not texts:
        raise ValueError(f"{path}: no sentences in it; copy or download the file again")
    return Sentences(texts, np.array(labels, np.int64))
