"""Self-critical training's captions and rewards as one would write them in PyTorch and Python.

Sampling is a loop over `torch.multinomial` in which all samples of the batch are rows. The reward is CIDEr-D over
dictionaries of n-grams, as the published code computes it; document frequencies and the references' vectors are
prepared once.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor

from bench.peers.beam import Start, Step
from pycap.config import END, PAD, START, UNKNOWN
from pycap.ops.decoder_step import DecoderWeights

ORDERS, SIGMA = 4, 6.0
Ngram = tuple[str, ...]
Vector = tuple[list[dict[Ngram, float]], list[float], int]  # weights and norm of every order, bigrams


class Sampler:
    """Draws captions.

    Args:
        weights: the decoder's parameters.
    """

    def __init__(self, weights: DecoderWeights):
        self.start, self.step = Start(weights), Step(weights)

    @torch.inference_mode()
    def __call__(self, features: Tensor, samples: int, length: int) -> Tensor:
        """Return tokens `(images * samples, length)` drawn from the allowed words, PAD behind END.

        Args:
            features: regions, `(images, regions, feature_dim)`.
            samples: captions an image.
            length: words at most.
        """
        hidden, cell, keys = self.start(features)
        hidden, cell = hidden.repeat_interleave(samples, dim=0), cell.repeat_interleave(samples, dim=0)
        tokens = torch.full((len(hidden),), START)
        going, drawn = torch.ones(len(tokens), dtype=torch.bool), []
        for position in range(length):
            log_probs, hidden, cell = self.step(hidden, cell, tokens, features, keys)
            shares = log_probs.exp_()
            shares[:, [PAD, START, UNKNOWN, *([] if position else [END])]] = 0
            tokens = torch.multinomial(shares, 1)[:, 0].where(going, torch.tensor(PAD))
            drawn.append(tokens)
            going = going & (tokens != END)
            if not bool(going.any()):
                break
        return torch.stack(drawn, dim=1)


class DictionaryRewards:
    """CIDEr-D of captions against the references of their pictures.

    Args:
        references: tokenised reference captions of every picture.
    """

    def __init__(self, references: Sequence[Sequence[str]]):
        self.pictures = math.log(len(references))
        frequency: Counter[Ngram] = Counter()
        counted = [[count_ngrams(caption) for caption in known] for known in references]
        for known in counted:
            frequency.update({gram for counts in known for gram in counts})
        self.rarity = {gram: self.pictures - math.log(count) for gram, count in frequency.items()}
        self.vectors = [[self._weigh(counts) for counts in known] for known in counted]

    def _weigh(self, counts: Counter[Ngram]) -> Vector:
        weights: list[dict[Ngram, float]] = [{} for _ in range(ORDERS)]
        squares, bigrams = [0.0] * ORDERS, 0
        for gram, count in counts.items():
            weight = count * self.rarity.get(gram, self.pictures)
            weights[len(gram) - 1][gram] = weight
            squares[len(gram) - 1] += weight * weight
            bigrams += count * (len(gram) == 2)
        return weights, [math.sqrt(square) for square in squares], bigrams

    def __call__(self, captions: Sequence[str], pictures: Sequence[int]) -> list[float]:
        """Return the CIDEr-D, 0 to 10, of every caption.

        Args:
            captions: tokenised sentences.
            pictures: number of each one's picture.
        """
        scores = []
        for caption, picture in zip(captions, pictures, strict=True):
            ours, norms, bigrams = self._weigh(count_ngrams(caption))
            total = 0.0
            for theirs, their_norms, their_bigrams in self.vectors[picture]:
                similarity = 0.0
                for order in range(ORDERS):
                    known = theirs[order]
                    dot = sum(
                        min(w, known[gram]) * known[gram] for gram, w in ours[order].items() if gram in known
                    )
                    similarity += dot / (norms[order] * their_norms[order]) if dot else 0.0
                total += similarity * math.exp(-((bigrams - their_bigrams) ** 2) / (2 * SIGMA**2))
            scores.append(10 * total / ORDERS / len(self.vectors[picture]))
        return scores


def count_ngrams(caption: str) -> Counter[Ngram]:
    """Count the n-grams of one to four words."""
    words, counts = caption.split(), defaultdict(int)
    for order in range(1, ORDERS + 1):
        for first in range(len(words) - order + 1):
            counts[tuple(words[first : first + order])] += 1
    return Counter(counts)
