"""The file format where training and captioning meet: a folder of weights, words and settings, no pickle.

model.safetensors   trained weights of CNN tail, encoder and decoder (float16 unless asked otherwise; `export` can
                    round decoder's and encoder's matrices to int8, see `pycap.int8`)
cnn.safetensors     weights of the CNN's frozen part (float32; `export` can round them to float16); without this file
                    they come from their own package, through torch
phrases.safetensors what people say of pictures, to choose among sentences with (optional, see `pycap.phrases`)
config.json         every setting, and `format`, the version of this layout
vocab.json          the words, in order of their ids
README.md           the model card (optional)

Imports no torch; `Checkpoint.model` does.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file
from safetensors.numpy import save as encode_tensors

from pycap import int8
from pycap.config import SHIPPED, Config
from pycap.phrases import check_phrases
from pycap.text import Vocabulary
from pycap.weights import Arrays, Shapes, frozen_weights, model_weights

if TYPE_CHECKING:
    from pycap.model import CaptionModel

FORMAT = 2
READABLE = (1, 2)  # 1 had no int8
FILES = ("config.json", "vocab.json", "model.safetensors")
CNN = "cnn.safetensors"
PHRASES = "phrases.safetensors"
TIED = {"decoder.output.weight": "decoder.embedding.weight"}  # stored once


class CheckpointError(RuntimeError):
    """A checkpoint folder is missing, incomplete or does not fit together; the message is one line."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A loaded checkpoint.

    Attributes:
        vocabulary: its words.
        config: its settings.
        folder: where it came from.
        weights: all that was trained, by the names of `CaptionModel.state_dict()`, in the precision stored; float32
            where that is int8.
        cnn: the CNN's frozen part, by the names of `CnnPart.state_dict()`; None if the folder lacks it.
        device: where `model` goes.
        phrases: arrays of `pycap.phrases.Phrases`; None if the folder has none.
    """

    vocabulary: Vocabulary
    config: Config
    folder: Path
    weights: Arrays
    cnn: Arrays | None
    device: str = "cpu"
    phrases: Arrays | None = None

    @cached_property
    def card(self) -> str:
        """The model card; empty if the folder has none."""
        path = self.folder / "README.md"
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""

    @cached_property
    def model(self) -> CaptionModel:
        """The network in evaluation mode, float32, built when it is first asked for.

        Raises:
            CheckpointError: the settings describe no network, or torch is missing.
        """
        try:
            from pycap.model import CaptionModel
        except ModuleNotFoundError as error:
            if error.name != "torch":
                raise
            raise CheckpointError(
                f"{self.folder}: this use of it needs PyTorch, which is not installed; pip install torch"
            ) from None
        try:
            model = CaptionModel(self.config.model, len(self.vocabulary))
        except (ValueError, TypeError, ArithmeticError, RuntimeError) as error:
            raise _broken(self.folder, error) from None
        model.load_arrays(self.weights, self.cnn)
        return model.eval().requires_grad_(False).to(self.device)


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
        half: store trained weights as float16.

    Raises:
        RuntimeError: the package with the weights of the CNN's frozen part is not installed.
    """
    files = {
        "model.safetensors": _encode(_untie(model.state_dict(), config), half),
        CNN: _encode(model.frozen.state_dict(), half=False),
        "config.json": _encode_config(config),
        "vocab.json": (vocabulary.to_json() + "\n").encode(),
    }
    _write_folder(Path(folder), files | ({"README.md": card.encode()} if card else {}))


def load(folder: Path | str | None = None, device: str = "cpu") -> Checkpoint:
    """Read a checkpoint folder.

    Args:
        folder: the folder; None for the shipped one.
        device: where the network goes, if it is built.

    Raises:
        CheckpointError: something is missing or does not fit; one line that names the file and the remedy.
    """
    folder = SHIPPED if folder is None else Path(folder)
    for name in FILES:
        if not (folder / name).is_file():
            raise CheckpointError(
                f"{folder}: not a checkpoint, {name} is missing; give a folder made by `pycap train`"
            )
    settings = _read_json(folder / "config.json")
    if not isinstance(settings, dict) or settings.pop("format", None) not in READABLE:
        raise CheckpointError(
            f"{folder / 'config.json'}: not format {' or '.join(map(str, READABLE))}; made by another version of pycap?"
        )
    try:
        config = Config.from_dict(settings)
        vocabulary = Vocabulary.from_json((folder / "vocab.json").read_text(encoding="utf-8"))
        weights = int8.restore(load_file(folder / "model.safetensors"))
        cnn = load_file(folder / CNN) if (folder / CNN).is_file() else None
        expected = model_weights(config.model, len(vocabulary)), frozen_weights(config.model)
    except (ValueError, TypeError, ArithmeticError, SafetensorError) as error:
        raise _broken(folder, error) from None
    if config.model.tie_embedding:
        weights.update({name: weights[twin] for name, twin in TIED.items() if twin in weights})
    _check(folder / "model.safetensors", weights, expected[0], "config.json and vocab.json want")
    if cnn is not None:
        _check(folder / CNN, cnn, expected[1], "config.json wants")
    phrases = _load_phrases(folder / PHRASES, config.model.region_channels)
    return Checkpoint(vocabulary, config, folder, weights, cnn, device, phrases)


def _load_phrases(path: Path, channels: int) -> Arrays | None:
    """Return a checkpoint's phrases, None where it has none; it can do without."""
    if not path.is_file():
        return None
    try:
        phrases = load_file(path)
        check_phrases(phrases, channels)
    except (ValueError, TypeError, SafetensorError) as error:
        raise CheckpointError(
            f"{path}: torn, or of another version: {_first_line(error)}; train again, or move it away to go by "
            "probability alone"
        ) from None
    return phrases


def add_phrases(folder: Path, arrays: Arrays) -> None:
    """Write a checkpoint's phrases, in the place of those that it has."""
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    _replace(Path(folder) / PHRASES, encode_tensors(contiguous))


def export(folder: Path, out: Path | None = None, small: bool = False) -> bool:
    """Add to a checkpoint what captioning without torch needs: the weights of the CNN's frozen part.

    Args:
        folder: the checkpoint.
        out: folder to make, with all files of the checkpoint; None completes `folder` itself.
        small: round decoder's and encoder's matrices to int8 and the CNN's frozen part to float16; needs `out`,
            because it cannot be undone.

    Returns:
        whether anything was written.

    Raises:
        CheckpointError: `folder` is no checkpoint, or has no finite weights to round, `out` is there already, or
            torch is missing.
        RuntimeError: the package with these weights is not installed.
    """
    folder = Path(folder)
    if small and out is None:
        raise ValueError("rounding to int8 cannot be undone; name a new folder for it")
    loaded = load(folder)
    if out is not None and Path(out).exists():
        raise CheckpointError(f"{out}: is there already; name a new folder")
    if loaded.cnn is not None and out is None:
        return False
    if loaded.cnn is None:
        cnn = _encode(loaded.model.frozen.state_dict(), half=small)
    else:
        cnn = _halve(loaded.cnn) if small else (folder / CNN).read_bytes()
    if out is None:
        _replace(folder / CNN, cnn)
        return True
    files = {name: folder / name for name in (*FILES, PHRASES, "README.md") if (folder / name).is_file()}
    contents = {name: path.read_bytes() for name, path in files.items()}
    if small:
        contents |= {"model.safetensors": _shrink(loaded), "config.json": _encode_config(loaded.config)}
    _write_folder(Path(out), contents | {CNN: cnn})
    return True


def _shrink(loaded: Checkpoint) -> bytes:
    try:
        return encode_tensors(int8.shrink(_untie(loaded.weights, loaded.config)))
    except ValueError as error:
        raise _broken(loaded.folder, error) from None


def _halve(arrays: Arrays) -> bytes:
    return encode_tensors({name: np.ascontiguousarray(array, np.float16) for name, array in arrays.items()})


def _untie(weights: Mapping[str, Any], config: Config) -> dict[str, Any]:
    """Return weights by name, without those that are another's twin."""
    tied = TIED if config.model.tie_embedding else {}
    return {name: value for name, value in weights.items() if name not in tied}


def _encode_config(config: Config) -> bytes:
    return (json.dumps({"format": FORMAT, **config.to_dict()}, indent=2) + "\n").encode()


def _replace(path: Path, data: bytes) -> None:
    """Write a file beside its old self and let it take its place."""
    fresh = path.with_name(f".{path.name}-new")
    fresh.write_bytes(data)
    os.replace(fresh, path)


def _write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files to a hidden folder, which then takes the place of `folder`."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh, old = (folder.with_name(f".{folder.name}-{name}") for name in ("new", "old"))
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    for name, data in files.items():
        (fresh / name).write_bytes(data)
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _encode(tensors: Mapping[str, Any], half: bool) -> bytes:
    """Return torch tensors as a safetensors file."""
    dtype = np.float16 if half else np.float32
    return encode_tensors(
        {name: np.ascontiguousarray(value.detach().cpu().numpy(), dtype) for name, value in tensors.items()}
    )


def _check(path: Path, found: Arrays, expected: Shapes, who: str) -> None:
    """Raise CheckpointError unless a file holds the weights that it should."""
    for name in sorted(expected.keys() | found.keys()):
        shape = found[name].shape if name in found else None
        if expected.get(name) != shape:
            raise CheckpointError(
                f"{path}: {name} is {shape or 'missing'}, {who} {expected.get(name) or 'no such tensor'}; "
                "the files do not belong together"
            )


def _broken(folder: Path, error: Exception) -> CheckpointError:
    return CheckpointError(f"{folder}: broken checkpoint: {_first_line(error)}; copy or train it again")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _read_json(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(
            f"{path}: not valid JSON ({error}); copy or train the checkpoint again"
        ) from None
