"""Which of a beam's sentences would people write? The CIDEr-D that each may expect, from phrases that fit the picture.

A captioner ranks its sentences by their probability, in which much is learnt by heart. What people call pictures like
this one says more: a linear map, learnt in closed form (`pycap.training.phrases`), goes from mean and maximum of the
CNN's last map to the weight that every frequent phrase of one to four words has in a reference, and a sentence is
worth the agreement with such references that CIDEr-D would find on average (Vedantam et al. 2015). Choosing the
sentence that agrees best with the captions of similar pictures is from Devlin et al. (2015, "Exploring nearest
neighbor approaches for image captioning"); here a ridge regression takes the neighbours' place.

Imports no torch.
"""

from __future__ import annotations

import numpy as np

from pycap.config import END, POOLS
from pycap.weights import Arrays, Shapes

ORDERS = 4  # words of the longest phrase
LONGEST = 64  # words, END included, up to which a length has its own factor
WORD_BITS = 16  # of a phrase's key, for each of its words


class Phrases:
    """Scores sentences by the phrases that a picture lets expect.

    Args:
        arrays: of a checkpoint, as `phrase_weights` lists them; codes times scales are the weights.

    Raises:
        ValueError: the arrays do not belong together.
    """

    def __init__(self, arrays: Arrays):
        check_phrases(arrays)
        self._centre = arrays["centre"].astype(np.float32)
        self._projection = _restore(arrays, "projection")
        self._keys = arrays["keys"]
        self._weights, self._scale = arrays["weights"], arrays["weights.scale"].astype(np.float32)
        self._mean, self._rarity = (arrays[name].astype(np.float32) for name in ("mean", "rarity"))
        self._unseen, self._lengths = (arrays[name].astype(np.float32) for name in ("unseen", "lengths"))

    def score(self, pooled: np.ndarray, tokens: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Return the CIDEr-D that sentences may expect.

        Args:
            pooled: the CNN's last map, mean and maximum over regions, `(images, POOLS, region_channels)`.
            tokens: word ids of sentences without START and END, `(images, sentences, max_length)`.
            lengths: words of each, `(images, sentences)`; END is taken to follow.

        Returns:
            expected scores, `(images, sentences)` float32, 0 to 10, as far as a linear map keeps to that.
        """
        return self.score_seen(self.see(pooled), tokens, lengths)

    def score_seen(self, seen: np.ndarray, tokens: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Return what `score` returns, of pictures as `see` gave them, `(images, rank)`."""
        longest = lengths.max(initial=0)
        tokens = tokens[:, :, :longest]  # what follows takes the square of the width
        images, sentences, _ = tokens.shape
        image = np.arange(images).repeat(sentences)  # of each row
        words, ends = tokens.reshape(len(image), longest), lengths.reshape(-1)
        words = np.pad(words, ((0, 0), (0, 1))).astype(np.uint64)
        words[np.arange(len(words)), ends] = END
        total = np.zeros(len(words), np.float32)
        for order in range(1, ORDERS + 1):
            keys = join_words(words, order)  # (rows, places)
            real = np.arange(keys.shape[1]) + order <= ends[:, None] + 1
            times = ((keys[:, :, None] == keys[:, None]) & real[:, None]).sum(2)
            place = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
            known = real & (self._keys[place] == keys)
            rarity = np.where(known, self._rarity[place], self._unseen[order - 1]) * real
            norm = np.sqrt((times * rarity**2).sum(1))
            rows, at = np.nonzero(known)
            once, again = np.unique(image[rows] * len(self._keys) + place[rows, at], return_inverse=True)
            looked, found = np.divmod(once, len(self._keys))  # a beam's sentences share most phrases
            dots = np.einsum("nr,nr->n", self._weights[found].astype(np.float32), seen[looked])
            weights = (dots * self._scale[found] + self._mean[found]) * self._rarity[found]
            worth = weights[again] / times[rows, at]
            total += np.bincount(rows, worth, len(words)).astype(np.float32) / np.where(norm > 0, norm, 1)
        factor = self._lengths[np.minimum(ends + 1, LONGEST)]
        return (10 / ORDERS * total * factor).reshape(images, sentences)

    def see(self, pooled: np.ndarray) -> np.ndarray:
        """Return what phrases are weighed by, `(images, rank)`; one by one, so that batches change nothing.

        By einsum, because BLAS would wake threads of its own, which spin on while the next search wants the cores.
        """
        gaps = pooled - self._centre
        gaps /= np.maximum(np.sqrt((gaps**2).sum(2, keepdims=True)), 1e-12)
        return np.stack([np.einsum("c,cr->r", gap.ravel(), self._projection) for gap in gaps])


def join_words(words: np.ndarray, order: int) -> np.ndarray:
    """Return keys of all phrases of `order` words: `(rows, length)` uint64 becomes `(rows, length - order + 1)`,
    none where there are too few words.

    A word is a digit of the key, the first one the lowest; no word is 0, so phrases of all orders differ.
    """
    places = max(0, words.shape[1] - order + 1)
    keys = words[:, :places].copy()
    for number in range(1, order):
        keys |= words[:, number : number + places] << np.uint64(number * WORD_BITS)
    return keys


def phrase_weights(channels: int, rank: int, count: int) -> Shapes:
    """Return the arrays of `Phrases` and their shapes.

    centre              mean of the training pictures' pooled maps, subtracted before each is scaled to length 1
    projection[.scale]  int8 codes from both pools' channels to `rank` numbers, and a scale for each of these
    keys                the phrases, ascending, uint64; see `join_words`
    weights[.scale]     int8 codes from these numbers to phrases, and a scale for each phrase
    mean                what is added: the phrases' mean weight
    rarity, unseen      logarithm of pictures by pictures with the phrase; the same for unlisted phrases by order
    lengths             CIDEr-D's factor for sentences of so many words, END included, against all references
    """
    return {
        "centre": (POOLS, channels),
        "projection": (POOLS * channels, rank),
        "projection.scale": (rank,),
        "keys": (count,),
        "weights": (count, rank),
        "weights.scale": (count,),
        "mean": (count,),
        "rarity": (count,),
        "unseen": (ORDERS,),
        "lengths": (LONGEST + 1,),
    }


def check_phrases(arrays: Arrays, channels: int | None = None) -> None:
    """Raise ValueError for arrays that are not those of `phrase_weights`, or of another number of channels."""
    projection = arrays.get("projection", np.zeros((0, 0)))
    rank = projection.shape[-1] if projection.ndim == 2 else 0
    count = len(arrays["keys"]) if "keys" in arrays and arrays["keys"].ndim == 1 else 0
    expected = phrase_weights(len(projection) // POOLS if channels is None else channels, rank, count)
    if set(arrays) != set(expected) or count == 0:
        odd = sorted(set(arrays) ^ set(expected)) or ["keys"]
        raise ValueError(f"phrases: {odd[0]} is missing, empty or unknown")
    for name, shape in expected.items():
        if arrays[name].shape != shape:
            raise ValueError(f"phrases: {name} must be {shape}, got {arrays[name].shape}")
    if arrays["keys"].dtype != np.uint64 or (arrays["keys"][1:] <= arrays["keys"][:-1]).any():
        raise ValueError("phrases: keys must be uint64 and ascend")


def _restore(arrays: Arrays, name: str) -> np.ndarray:
    return arrays[name] * arrays[f"{name}.scale"].astype(np.float32)
