"""How good the model is right now, measured the way users will see it: real beam search, real scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter

import numpy as np
import torch

from pycap.config import SearchConfig
from pycap.data.features import FeatureCache
from pycap.metrics import References, score
from pycap.model import CaptionModel
from pycap.text import Vocabulary


def caption_rows(
    model: CaptionModel,
    vocabulary: Vocabulary,
    cache: FeatureCache,
    rows: np.ndarray,
    search: SearchConfig,
    batch: int = 32,
    progress: Callable[[int], None] = lambda count: None,
) -> list[str]:
    """Caption cached pictures.

    Args:
        model: in evaluation mode.
        vocabulary: turns word ids into text.
        cache, rows: where the pictures' regions are.
        search: beam and length settings.
        batch: pictures at once.
        progress: told how many were captioned.

    Returns:
        one caption per row.
    """
    captions = []
    for start in range(0, len(rows), batch):
        features, _ = model.encode(torch.from_numpy(cache.read(rows[start : start + batch])))
        found = model.search(features, search)
        captions += [
            vocabulary.decode(tokens[:length])
            for tokens, length in zip(found.tokens[:, 0].tolist(), found.lengths[:, 0].tolist(), strict=True)
        ]
        progress(len(features))
    return captions


def validate(
    model: CaptionModel,
    vocabulary: Vocabulary,
    cache: FeatureCache,
    rows: np.ndarray,
    ids: Sequence[str],
    references: References,
    search: SearchConfig,
) -> dict[str, float]:
    """Score a model on held-out pictures whose regions are cached; one decode per picture.

    Returns:
        the scores of `pycap.metrics.score`, 0-1, and `dev_captions_per_second` of encoder attention and search.
    """
    began = perf_counter()
    captions = caption_rows(model.eval(), vocabulary, cache, rows, search)
    seconds = perf_counter() - began
    scores = score(dict(zip(ids, captions, strict=True)), references)
    return {
        **{name: value for name, value in scores.items() if value is not None},
        "dev_captions_per_second": len(rows) / seconds,
    }
