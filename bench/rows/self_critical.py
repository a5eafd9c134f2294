"""What self-critical training needs of a batch: captions drawn from the model, and their CIDEr-D.

Draws are random, so equality is checked in two parts: pycap's kernel draws the captions that its reference draws
from the same noise, and the peer's reward of pycap's captions is pycap's.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from bench.case import Agreement, Case, Contender, Goal, Settings
from bench.floors import Work, sample_work
from bench.peers.self_critical import DictionaryRewards, Sampler
from bench.problems import draw_captions, draw_features, draw_weights, draw_words
from pycap.config import END, SPECIAL_TOKENS
from pycap.metrics.references import tokenize_caption
from pycap.ops import use
from pycap.ops.beam import BeamDecoder
from pycap.ops.packed import PRECISIONS
from pycap.text import Vocabulary
from pycap.training.objectives import FINISHED, Rewards


class Drawn(NamedTuple):
    """Captions and rewards of a batch, and pycap's rewards of pycap's captions for the check."""

    captions: list[str]
    rewards: np.ndarray


def cases(settings: Settings) -> Iterator[Case]:
    """64 pictures, 5 samples of 20 words each, rewarded against 5 captions of 2,000 pictures' corpus."""
    shape = {
        "pictures": 64,
        "samples": 5,
        "regions": 81,
        "vocab": 2_576,
        "dim": 512,
        "words": 20,
        "corpus": 2_000,
    }
    if settings.quick:
        shape = {"pictures": 2, "samples": 2, "regions": 4, "vocab": 40, "dim": 16, "words": 4, "corpus": 20}
    bench = Bench(**shape)
    contenders = [
        Contender("pycap float32", bench.run_pycap, required=1.0, work=bench.work()),
        Contender(
            "pycap int8",
            partial(bench.run_pycap, "native", "int8"),
            dtype="int8",
            required=0.0 if settings.quick else 0.6,
            note="the default in training: small differences of probability draw other words now and then",
        ),
    ]
    if "eager" in settings.peers:
        contenders.append(
            Contender(
                "eager",
                bench.run_peer,
                "eager",
                required=1.0,
                note="torch.multinomial, n-grams in dictionaries",
            )
        )
        contenders.append(
            Contender("pycap's reference", partial(bench.run_pycap, "reference"), "eager", required=0.99)
        )
    yield Case(
        title="{pictures} pictures x {samples} samples of {words} words, {regions} regions, vocabulary {vocab:,}, "
        "widths {dim}, 5 captions each of {corpus:,} pictures".format(**shape),
        shape=shape,
        contenders=contenders,
        agree=bench.agree,
        item="batch",
        goals=() if settings.quick else (Goal("speedup", 5.0),),
    )


class Bench:
    """One problem: a decoder, features, and references of random words.

    Args:
        pictures, samples, regions, vocab, dim, words, corpus: sizes.
    """

    def __init__(
        self, pictures: int, samples: int, regions: int, vocab: int, dim: int, words: int, corpus: int
    ):
        self.pictures, self.samples, self.regions, self.dim, self.words = (
            pictures,
            samples,
            regions,
            dim,
            words,
        )
        self.weights = draw_weights(vocab, dim)
        self.decoders = {name: BeamDecoder(self.weights, precision=name) for name in PRECISIONS}
        self.sampler = Sampler(self.weights)
        self.features = draw_features(pictures, regions, dim)
        names = draw_words(vocab - len(SPECIAL_TOKENS))
        self.vocabulary = Vocabulary(names)
        captions = draw_captions(corpus, 5, names)
        self.rewards = Rewards(captions)
        self.dictionary = DictionaryRewards(
            [
                [tokenize_caption(f"{caption} {FINISHED}", "captions", 0) for caption in known]
                for known in captions
            ]
        )
        self.index = np.arange(pictures).repeat(samples)

    def work(self) -> Work:
        """Work of the decoder; text is not counted."""
        size = len(self.weights.embedding)
        return sample_work(self.pictures, self.regions, size, self.dim, self.samples, self.words)

    def run_pycap(self, backend: str = "native", precision: str = "float32") -> Drawn:
        """Draw and reward with pycap, on one backend (native where it is built)."""
        draw = partial(
            self.decoders[precision].sample, self.features, samples=self.samples, max_length=self.words
        )
        if backend == "reference":
            with use(backend):
                found = draw()
        else:
            found = draw()
        rows = zip(found.tokens.flatten(0, 1).tolist(), found.lengths.flatten().tolist(), strict=True)
        captions = [self.vocabulary.decode(row[:length]) for row, length in rows]
        return Drawn(captions, self.rewards(captions, found.ended.flatten().tolist(), self.index))

    def run_peer(self) -> Drawn:
        """Draw and reward in PyTorch and Python."""
        tokens = self.sampler(self.features, self.samples, self.words)
        captions = []
        for row in tokens.tolist():
            ended = END in row
            words = row[: row.index(END)] if ended else row
            captions.append(self.vocabulary.decode(words) + (f" {FINISHED}" if ended else ""))
        return Drawn(captions, np.array(self.dictionary(captions, self.index.tolist())))

    def agree(self, first: Drawn, other: Drawn) -> Agreement:
        """Compare captions where noise is shared; else the peer's reward of its captions with pycap's of them."""
        same_noise = sum(a == b for a, b in zip(first.captions, other.captions, strict=True))
        if same_noise * 2 > len(first.captions):
            error = np.abs(first.rewards - other.rewards)[
                np.array(first.captions) == np.array(other.captions)
            ]
            return Agreement(same_noise, len(first.captions), "captions", float(error.max()))
        plain = [caption.removesuffix(f" {FINISHED}") for caption in other.captions]
        ended = [caption.endswith(FINISHED) for caption in other.captions]
        error = np.abs(self.rewards(plain, ended, self.index) - other.rewards)
        return Agreement(int((error < 1e-9).sum()), len(error), "rewards", float(error.max()))
