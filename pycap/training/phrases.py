"""Which phrases people use for a picture, learnt in closed form from the training captions; see `pycap.phrases`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from pycap.config import UNKNOWN, ModelConfig
from pycap.data.batches import TrainingBatches
from pycap.int8 import round_rows
from pycap.metrics.cider import SIGMA
from pycap.model import CaptionModel
from pycap.phrases import LONGEST, ORDERS, WORD_BITS, Phrases, join_words
from pycap.weights import Arrays

FEWEST = 1000  # training pictures below which nothing is learnt: it was never tried
RIDGE = 1.0  # for the choice among a beam, by dev
HELD_OUT_RIDGE = 2.0  # for rewards, by what it explains of held-out pictures
FOLDS = 5  # parts of the training pictures of which each is judged by the others
COUNT = 8000  # phrases at most, the most frequent ones
SEEN = 5  # pictures that a phrase must occur with
RANK = 512
BATCH = 50


def learn_phrases(model: CaptionModel, batches: TrainingBatches) -> Arrays | None:
    """Learn from all training pictures what a checkpoint chooses its sentences by.

    Args:
        model: as it was trained; its window is looked through.
        batches: pictures and captions that it was trained on.

    Returns:
        arrays as `pycap.phrases.phrase_weights` lists them; None where there are too few pictures or phrases.
    """
    if not enough(batches):
        return None
    return fit_phrases(_pool(model, batches), batches.captions, RIDGE)


def enough(batches: TrainingBatches) -> bool:
    """Return whether there are pictures enough to learn phrases from, and words few enough for their keys."""
    return len(batches.captions) >= FEWEST and len(batches.words) <= 2**WORD_BITS


class HeldOutPhrases:
    """CIDEr-D that captions of training pictures may expect, by phrases learnt from the other training pictures.

    A captioner learns the captions of its training pictures by heart, and which of its own sentences agree with these
    says little about new pictures. What others write of pictures like this one can be found out for new ones, too.
    For every fifth of the pictures a regression of its own is learnt from the rest, on the CNN as ImageNet left it,
    which has seen no caption. That takes minutes, and is done at the first call.

    Args:
        config: of the captioner.
        batches: pictures and captions.
        device: where the CNN runs.
        say: receives a note for the user.
    """

    def __init__(
        self, config: ModelConfig, batches: TrainingBatches, device: str, say: Callable[[str], None]
    ):
        self.config, self.batches, self.device, self.say = config, batches, device, say
        self._fold = np.arange(len(batches.captions)) % FOLDS

    @cached_property
    def _learnt(self) -> tuple[np.ndarray, list[Phrases | None]]:
        """What pictures' phrases are weighed by, `(pictures, RANK)`, and the phrases for every fold."""
        self.say("learning what people say of pictures like each training picture")
        with torch.random.fork_rng(devices=[]):  # a resumed run does this in another step
            model = CaptionModel(self.config, len(self.batches.words))
        model.load_pretrained_tail()
        pooled, learnt = _pool(model.to(self.device), self.batches), []
        seen = np.zeros((len(pooled), RANK), np.float32)
        for fold in range(FOLDS):
            own, others = np.flatnonzero(self._fold == fold), np.flatnonzero(self._fold != fold)
            captions = [self.batches.captions[number] for number in others]
            arrays = fit_phrases(pooled[others], captions, HELD_OUT_RIDGE)
            learnt.append(None if arrays is None else Phrases(arrays))
            if arrays is not None:
                seen[own] = learnt[-1].see(pooled[own].numpy())
        return seen, learnt

    def __call__(self, captions: Sequence[Sequence[int]], pictures: np.ndarray) -> np.ndarray:
        """Return expected scores.

        Args:
            captions: word ids, without END, which is taken to follow.
            pictures: number of each caption's picture, `(captions,)`.

        Returns:
            one for each caption, float32, as `Phrases.score` gives them.
        """
        lengths = np.array([len(words) for words in captions])
        tokens = np.zeros((len(captions), max(lengths, default=0)), np.int64)
        for row, words in zip(tokens, captions, strict=True):
            row[: len(words)] = words
        expected = np.zeros(len(captions), np.float32)
        seen, learnt = self._learnt
        for fold, phrases in enumerate(learnt):
            rows = np.flatnonzero(self._fold[pictures] == fold)
            if phrases is not None and len(rows):
                found = phrases.score_seen(seen[pictures[rows]], tokens[rows, None], lengths[rows, None])
                expected[rows] = found[:, 0]
        return expected


def fit_phrases(pooled: Tensor, captions: Sequence[Sequence[Sequence[int]]], ridge: float) -> Arrays | None:
    """Regress phrases' weights in the references (CIDEr's, Vedantam et al. 2015) on what the CNN sees.

    Ridge regression, of which the best approximation of rank `RANK` is kept, rounded to int8.

    Args:
        pooled: the CNN's last map of each picture, mean and maximum over regions, `(pictures, POOLS, region_channels)`.
        captions: of each picture, word ids with END.
        ridge: added to the squares of features, each pool's of length 1, summed over the pictures.

    Returns:
        arrays as `pycap.phrases.phrase_weights` lists them; None where no phrase occurs often enough.
    """
    pictures = len(captions)
    used = [[_count_phrases(caption) for caption in some] for some in captions]
    seen = [_count_pictures(used, order) for order in range(ORDERS)]
    keys = _choose(seen)
    if not len(keys):
        return None
    rarity = {key: math.log(pictures / count) for counts in seen for key, count in counts.items()}
    targets = _weigh(used, rarity, keys)
    centre = pooled.mean(0)
    views = torch.nn.functional.normalize(pooled - centre, dim=2).flatten(1).double()
    mean = torch.sparse.sum(targets, 0).to_dense() / pictures
    squares = views.T @ views + ridge * torch.eye(views.shape[1], dtype=torch.float64)
    products = torch.sparse.mm(targets.t(), views).T - views.sum(0)[:, None] * mean
    projection, weights = _reduce_rank(torch.linalg.cholesky(squares), products)
    across, across_scale = round_rows(projection.T.float().numpy())
    codes, scale = round_rows(weights.float().numpy())
    listed = keys.tolist()
    return {
        "centre": centre.numpy(),
        "projection": across.T,
        "projection.scale": across_scale,
        "keys": keys,
        "weights": codes,
        "weights.scale": scale,
        "mean": mean.numpy().astype(np.float16),
        "rarity": np.array([rarity[key] for key in listed], np.float16),
        "unseen": np.array([_mean_rarity(counts, set(listed), rarity) for counts in seen], np.float32),
        "lengths": _factors([len(caption) for some in captions for caption in some]),
    }


def _count_phrases(caption: Sequence[int]) -> list[Counter[int]]:
    """Return a caption's phrases by order, with their counts."""
    words = np.array([caption], np.uint64)
    return [Counter(join_words(words, order)[0].tolist()) for order in range(1, ORDERS + 1)]


def _count_pictures(used: list[list[list[Counter[int]]]], order: int) -> Counter[int]:
    """Return how many pictures have each phrase of an order in their captions."""
    counts: Counter[int] = Counter()
    for captions in used:
        counts.update(set().union(*(caption[order] for caption in captions)))
    return counts


def _choose(seen: list[Counter[int]]) -> np.ndarray:
    """Return the keys of the most frequent phrases of known words, ascending."""
    often = [(-count, key) for counts in seen for key, count in counts.items() if count >= SEEN]
    spelled = (key for _, key in sorted(often) if UNKNOWN not in _words(key))
    return np.array(sorted(key for key, _ in zip(spelled, range(COUNT), strict=False)), np.uint64)


def _words(key: int) -> list[int]:
    return [key >> number * WORD_BITS & (1 << WORD_BITS) - 1 for number in range(ORDERS)]


def _weigh(used: list[list[list[Counter[int]]]], rarity: dict[int, float], keys: np.ndarray) -> Tensor:
    """Return phrases' tf-idf in references scaled to length 1, `(pictures, phrases)`, mean over captions, sparse."""
    column = {key: number for number, key in enumerate(keys.tolist())}
    rows, columns, values = [], [], []
    for picture, captions in enumerate(used):
        for caption in captions:
            for counts in caption:
                norm = math.sqrt(sum((count * rarity[key]) ** 2 for key, count in counts.items()))
                for key in counts.keys() & column.keys():
                    rows.append(picture)
                    columns.append(column[key])
                    values.append(counts[key] * rarity[key] / (norm or 1) / len(captions))
    place = torch.tensor([rows, columns])
    return torch.sparse_coo_tensor(
        place, torch.tensor(values, dtype=torch.float64), (len(used), len(keys)), check_invariants=False
    ).coalesce()


@torch.inference_mode()
def _pool(model: CaptionModel, batches: TrainingBatches) -> Tensor:
    """Return the CNN's last map of the training pictures, pooled, `(pictures, POOLS, region_channels)`."""
    model = model.eval()
    parts = np.array_split(batches.plain, -(-len(batches.plain) // BATCH))
    return torch.cat(
        [
            model.pool(model.regions(torch.from_numpy(batches.cache.read(part)))).float().cpu()
            for part in parts
        ]
    )


def _reduce_rank(root: Tensor, products: Tensor) -> tuple[Tensor, Tensor]:
    """Return the ridge solution as factors `(channels, rank)` and `(phrases, rank)`, best in what they predict.

    Args:
        root: Cholesky factor of the features' squares, the ridge included.
        products: of features and targets.
    """
    whitened = torch.linalg.solve_triangular(root, products, upper=False)  # root.T @ solution
    _, vectors = torch.linalg.eigh(whitened @ whitened.T)
    kept = vectors[:, -RANK:]
    return torch.linalg.solve_triangular(root.T, kept, upper=True), (kept.T @ whitened).T


def _mean_rarity(seen: Counter[int], listed: set[int], rarity: dict[int, float]) -> float:
    """Return the mean rarity of an order's phrases that are not listed, the greatest possible one where all are."""
    rest = [rarity[key] for key in seen if key not in listed]
    return float(np.mean(rest)) if rest else max((rarity[key] for key in seen), default=0.0)


def _factors(lengths: Sequence[int]) -> np.ndarray:
    """Return CIDEr-D's mean factor of every length against references of these lengths, END included in all."""
    gaps = np.arange(LONGEST + 1)[:, None] - np.unique(lengths)
    shares = np.unique(lengths, return_counts=True)[1] / len(lengths)
    return (np.exp(-(gaps**2) / (2 * SIGMA**2)) @ shares).astype(np.float32)
