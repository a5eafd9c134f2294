"""Knowledge distillation (Hinton, Vinyals & Dean 2015): trained captioners tell a new one how likely words are.

People's captions name one next word; several captioners together know what else might be said, and how likely. They are
asked once, before training: for the next word at every step of every training caption, on the picture as it is and
mirrored. The mean of their probabilities is kept, so a step of training costs no more than without them.
"""

from __future__ import annotations

import contextlib
import hashlib
import zlib
from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from pycap import checkpoint
from pycap.checkpoint import Checkpoint
from pycap.config import Config
from pycap.data.batches import Advice, TrainingBatches
from pycap.model import CaptionModel
from pycap.text import Vocabulary
from pycap.window import zoom_middle

KEPT = 24  # likeliest words that are kept of a step; what is left of the probability is spread over all

TORN = (ValueError, KeyError, OSError, EOFError, BadZipFile, zlib.error)  # what NumPy says of a broken file


def load_teachers(folders: Sequence[Path], config: Config) -> list[Checkpoint]:
    """Load checkpoints that can advise a model with these settings, as far as its words are theirs.

    Raises:
        CheckpointError: one is none.
        ValueError: one looks at pictures in another way.
    """
    teachers = [checkpoint.load(folder) for folder in folders]
    for teacher in teachers:
        theirs, ours = (
            (c.preprocess, c.model.cnn, c.model.tuned_blocks, c.model.grid) for c in (teacher.config, config)
        )
        if theirs != ours:
            raise ValueError(
                f"{teacher.folder}: cannot teach, its CNN is not the same; a teacher has the same preprocess.*, "
                "model.cnn, model.grid and model.tuned_blocks"
            )
    return teachers


def check_words(teachers: Sequence[Checkpoint], vocabulary: Vocabulary) -> None:
    """Raise ValueError for a teacher that has other words."""
    for teacher in teachers:
        if teacher.vocabulary != vocabulary:
            raise ValueError(
                f"{teacher.folder}: cannot teach, its words are others; a teacher is trained on the same captions "
                "with the same train.min_count"
            )


def collect_advice(
    teachers: Sequence[Checkpoint],
    batches: TrainingBatches,
    kept: Path,
    device: str = "cpu",
    precision: str = "fp32",
    write: bool = True,
) -> Advice:
    """Ask the teachers about every step of every training caption, or read what they said before.

    Args:
        teachers: captioners with the words of `batches`.
        batches: the training data.
        kept: file in which answers are kept for a resumed run.
        device: where teachers run.
        precision: "fp32" or "bf16", as in training.
        write: False for processes that only read what the first one kept.
    """
    key = _digest(teachers, batches)
    if kept.exists():
        with contextlib.suppress(*TORN), open(kept, "rb") as file, np.load(file) as stored:
            if str(stored["key"]) == key:
                return Advice(torch.from_numpy(stored["words"]), torch.from_numpy(stored["shares"]), key)
    advice = _ask(teachers, batches, key, device, precision)
    if write:
        fresh = kept.with_suffix(".tmp.npz")
        np.savez(fresh, words=advice.words.numpy(), shares=advice.shares.numpy(), key=key)
        fresh.replace(kept)
    return advice


@torch.inference_mode()
def _ask(
    teachers: Sequence[Checkpoint], batches: TrainingBatches, key: str, device: str, precision: str
) -> Advice:
    models = [teacher.model.to(device) for teacher in teachers]
    views = [batches.plain] if not batches.config.mirror else [batches.plain, batches.mirrored]
    mixed = torch.autocast(torch.device(device).type, torch.bfloat16, enabled=precision == "bf16")
    words, shares = [], []
    with (
        tqdm(
            total=len(batches.captions), desc="teachers", unit="picture", disable=None, dynamic_ncols=True
        ) as bar,
        mixed,
    ):
        for examples in np.array_split(np.arange(len(batches.captions)), batches.steps()):
            likely = sum(_probabilities(model, batches, view, examples) for model in models for view in views)
            top = (likely / (len(models) * len(views))).topk(min(KEPT, likely.shape[1]))
            words.append(top.indices.cpu().short() if likely.shape[1] < 2**15 else top.indices.cpu().int())
            shares.append(top.values.cpu().half())
            bar.update(len(examples))
    return Advice(torch.cat(words), torch.cat(shares), key)


def _probabilities(
    model: CaptionModel, batches: TrainingBatches, view: np.ndarray, examples: np.ndarray
) -> Tensor:
    """Return a model's probabilities of the next word at all steps of pictures' captions, `(steps, vocab_size)`."""
    batch = batches.whole(examples, view).to(model.device)
    regions = zoom_middle(batch.regions, model.config.window)
    logits, _ = model(regions, batch.tokens, batch.lengths, batch.image_index)
    return logits.float().softmax(-1)


def _digest(teachers: Sequence[Checkpoint], batches: TrainingBatches) -> str:
    digest = hashlib.sha256(batches.fingerprint().encode())
    for teacher in teachers:
        digest.update((teacher.folder / "model.safetensors").read_bytes())
    return digest.hexdigest()[:16]
