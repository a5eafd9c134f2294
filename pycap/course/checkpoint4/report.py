"""What the terminal and the pictures show of a classified sentence."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch

from pycap.course.checkpoint4.network import Ensemble
from pycap.course.checkpoint4.words import Lexicon, split_words

BAR = 24  # characters of the longest bar


class Verdict(NamedTuple):
    """One classified sentence.

    Attributes:
        words: as the network reads them.
        positive: probability that it praises.
        attention: weight of each word, summing to 1.
        effect: how far the logit of "positive" falls when this word is left out; above 0: the word praises.
    """

    words: list[str]
    positive: float
    attention: np.ndarray
    effect: np.ndarray

    @property
    def label(self) -> str:
        return "positive" if self.positive >= 0.5 else "negative"

    @property
    def probability(self) -> float:
        """Probability of the label."""
        return max(self.positive, 1 - self.positive)


@torch.no_grad()
def judge(network: Ensemble, lexicon: Lexicon, text: str) -> Verdict:
    """Classify one sentence, and once more without each of its words.

    Raises:
        ValueError: it holds no word.
    """
    words = split_words(text)
    if not words:
        raise ValueError("the sentence is empty: give at least one word")
    logits, weights = network(lexicon.batch([words]))
    logit = float(logits[0])
    without = [words[:i] + words[i + 1 :] for i in range(len(words))]
    if len(words) > 1:
        rest = np.concatenate(
            [network(lexicon.batch(without[i : i + 64]))[0] for i in range(0, len(words), 64)]
        )
    else:
        rest = np.zeros(1)
    return Verdict(words, 1 / (1 + math.exp(-logit)), weights[0].numpy(), logit - rest)


def draw(verdict: Verdict) -> list[str]:
    """Return the lines that show a verdict: label, probability, and a row for each word."""
    lines = [f"{verdict.label} (probability {verdict.probability:.3f})", ""]
    width = max(4, *(len(word) for word in verdict.words))
    largest = max(float(verdict.attention.max()), 1e-9)
    lines.append(f"{'word':<{width}}  attention  {'':<{BAR}}  effect on the verdict")
    for word, weight, effect in zip(verdict.words, verdict.attention, verdict.effect, strict=True):
        bar = "#" * round(BAR * float(weight) / largest)
        lines.append(f"{word:<{width}}  {weight:9.3f}  {bar:<{BAR}}  {effect:+.2f}")
    return lines


def brief(verdict: Verdict, text: str) -> str:
    """Return one line for one sentence of a file: label, probability, sentence."""
    return f"{verdict.label}\t{verdict.probability:.3f}\t{text}"
