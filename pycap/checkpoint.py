"""The file format where training and captioning meet: a folder of weights, words and settings, no pickle.

model.safetensors   weights of encoder and decoder (float16 unless asked otherwise)
config.json         every setting, and `format`, the version of this layout
vocab.json          the words, in order of their ids
README.md           the model card (optional)
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from pycap.config import Config
from pycap.model import CaptionModel
from pycap.text import Vocabulary

FORMAT = 1
SHIPPED = Path(__file__).parent / "checkpoints" / "flickr8k"
TIED = {"decoder.output.weight": "decoder.embedding.weight"}  # stored once


class CheckpointError(RuntimeError):
    """A checkpoint folder is missing, incomplete or does not fit together; the message is one line."""


@dataclass(frozen=True)
class Checkpoint:
    """A loaded checkpoint.

    Attributes:
        model: network in evaluation mode.
        vocabulary: its words.
        config: its settings.
        folder: where it came from.
    """

    model: CaptionModel
    vocabulary: Vocabulary
    config: Config
    folder: Path


def save(
    folder: Path,
    model: CaptionModel,
    vocabulary: Vocabulary,
    config: Config,
    card: str = "",
    half: bool = True,
) -> None:
    """Write a checkpoint folder beside the old one, then change their places.

    A kill leaves the old one, the new one, or for a moment neither; it never leaves a mixture.

    Args:
        folder: created or replaced.
        model, vocabulary, config: what to store.
        card: text of the model card.
        half: store weights as float16.
    """
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh, old = (folder.with_name(f".{folder.name}-{name}") for name in ("new", "old"))
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    dtype = torch.float16 if half else torch.float32
    tensors = {
        name: value.detach().cpu().to(dtype).contiguous() for name, value in model.state_dict().items()
    }
    if config.model.tie_embedding:
        tensors = {name: value for name, value in tensors.items() if name not in TIED}
    save_file(tensors, fresh / "model.safetensors")
    (fresh / "model.safetensors").chmod((fresh.stat().st_mode & 0o666) | 0o600)  # as readable as the folder
    (fresh / "config.json").write_text(json.dumps({"format": FORMAT, **config.to_dict()}, indent=2) + "\n")
    (fresh / "vocab.json").write_text(vocabulary.to_json() + "\n", encoding="utf-8")
    if card:
        (fresh / "README.md").write_text(card, encoding="utf-8")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def load(folder: Path | str | None = None, device: str = "cpu") -> Checkpoint:
    """Read a checkpoint folder.

    Args:
        folder: the folder; None for the shipped one.
        device: where the weights go.

    Raises:
        CheckpointError: something is missing or does not fit; one line that names the file and the remedy.
    """
    folder = SHIPPED if folder is None else Path(folder)
    for name in ("config.json", "vocab.json", "model.safetensors"):
        if not (folder / name).is_file():
            raise CheckpointError(
                f"{folder}: not a checkpoint, {name} is missing; give a folder made by `pycap train`"
            )
    settings = _read_json(folder / "config.json")
    if not isinstance(settings, dict) or settings.pop("format", None) != FORMAT:
        raise CheckpointError(
            f"{folder / 'config.json'}: not format {FORMAT}; made by another version of pycap?"
        )
    try:
        config = Config.from_dict(settings)
        vocabulary = Vocabulary.from_json((folder / "vocab.json").read_text(encoding="utf-8"))
        tensors = load_file(folder / "model.safetensors")
        model = CaptionModel(config.model, len(vocabulary))
    except (ValueError, TypeError, ArithmeticError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(
            f"{folder}: broken checkpoint: {str(error).splitlines()[0]}; copy or train it again"
        ) from None
    if config.model.tie_embedding:
        tensors.update({name: tensors[twin] for name, twin in TIED.items() if twin in tensors})
    expected = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    for name in sorted(expected.keys() | tensors.keys()):
        found = tuple(tensors[name].shape) if name in tensors else None
        if expected.get(name) != found:
            raise CheckpointError(
                f"{folder / 'model.safetensors'}: {name} is {found or 'missing'}, config.json and vocab.json want "
                f"{expected.get(name) or 'no such tensor'}; the files do not belong together"
            )
    model.load_state_dict({name: value.float() for name, value in tensors.items()})
    return Checkpoint(model.eval().requires_grad_(False).to(device), vocabulary, config, folder)


def _read_json(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(
            f"{path}: not valid JSON ({error}); copy or train the checkpoint again"
        ) from None
