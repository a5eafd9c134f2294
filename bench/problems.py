"""Random weights, features and pictures of given sizes, the same in every run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pycap.config import END
from pycap.ops import AttendLSTMWeights
from pycap.ops.decoder_step import DecoderWeights


def draw_weights(vocab_size: int, dim: int) -> DecoderWeights:
    """Random decoder weights with every width `dim`; END is so unlikely that a search takes all its steps."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int, scale: float = 1.0) -> Tensor:
        return torch.randn(*shape, generator=generator) * scale

    def matrix(rows: int) -> Tensor:
        return draw(rows, dim, scale=dim**-0.5)

    return DecoderWeights(
        embedding=draw(vocab_size, dim),
        input=matrix(4 * dim),
        input_bias=draw(4 * dim),
        key=matrix(dim),
        key_bias=draw(dim),
        attend=AttendLSTMWeights(
            query=matrix(dim),
            score=draw(dim, scale=dim**-0.5),
            gate=draw(dim, scale=dim**-0.5),
            gate_bias=draw(1),
            context=matrix(4 * dim),
            recurrent=matrix(4 * dim),
        ),
        initial_hidden=matrix(dim),
        initial_hidden_bias=draw(dim),
        initial_cell=matrix(dim),
        initial_cell_bias=draw(dim),
        output_hidden=matrix(dim),
        output_context=matrix(dim),
        output_bias=draw(dim),
        output=4 * matrix(vocab_size),
        output_vocab_bias=draw(vocab_size).index_fill(0, torch.tensor(END), -50.0),
    )


def draw_features(images: int, regions: int, dim: int) -> Tensor:
    """Random features, `(images, regions, dim)`."""
    return torch.randn(images, regions, dim, generator=torch.Generator().manual_seed(1))


def draw_words(count: int) -> list[str]:
    """Return `count` different words of letters."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    return ["q" + "".join(letters[number // 26**place % 26] for place in range(4)) for number in range(count)]


def draw_captions(pictures: int, captions: int, words: list[str], seed: int = 0) -> list[list[str]]:
    """Random captions of about 11 words whose frequencies fall like those of a language (Zipf)."""
    random = np.random.default_rng(seed)
    share = 1 / np.arange(1, len(words) + 1)
    share /= share.sum()
    lengths = np.clip(random.normal(11, 3.5, (pictures, captions)).round().astype(int), 3, 24)
    return [[" ".join(random.choice(words, length, p=share)) for length in row] for row in lengths]


def draw_pictures(folder: Path, count: int, width: int = 500, height: int = 375) -> list[Path]:
    """Write JPEG files of clouds of colour in many sizes, about as detailed as photos (40-60 kB at 500 x 375)."""
    paths = []
    for number in range(count):
        random = np.random.default_rng(number)
        picture = np.zeros((height, width, 3), dtype=np.float32)
        for side in (3, 7, 16, 40, 100, 250):  # coarse to fine, fine details weaker
            noise = Image.fromarray(random.integers(0, 256, (side, side, 3), dtype=np.uint8))
            grown = np.asarray(noise.resize((width, height), Image.Resampling.BICUBIC), dtype=np.float32)
            picture += (grown - 128) * side**-0.45
        picture = 128 + 60 * picture / picture.std()
        path = folder / f"{number:04}.jpg"
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(path, quality=90)
        paths.append(path)
    return paths


def find_pictures(settings_data: Path | None, folder: Path, count: int) -> tuple[list[Path], str]:
    """Return `count` pictures and what they are: real ones where a data set is given, else drawn ones.

    Args:
        settings_data: folder that holds JPEG files, at any depth; None: draw pictures.
        folder: where drawn pictures go.
        count: at most.
    """
    if settings_data is None:
        return draw_pictures(folder, count), "drawn, 500 x 375 JPEG"
    return sorted(settings_data.rglob("*.jpg"))[:count], f"the first {count} JPEG files of the data set"
