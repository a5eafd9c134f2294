"""Train classifiers, and ask them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from pycap.course.checkpoint4.network import Classifier, Sizes
from pycap.course.checkpoint4.words import Lexicon

RATE, BATCH, EPOCHS, CLIP = 2e-3, 50, 4, 5.0
BUCKETS = 20  # batches whose sentences are sorted by length together: less padding, still random


def random_batches(lengths: np.ndarray, size: int, random: np.random.Generator) -> list[np.ndarray]:
    """Return indices of sentences in batches of similar length, in random order."""
    order = random.permutation(len(lengths))
    batches = []
    for start in range(0, len(order), size * BUCKETS):
        chunk = order[start : start + size * BUCKETS]
        chunk = chunk[np.argsort(lengths[chunk], kind="stable")]
        batches += [chunk[i : i + size] for i in range(0, len(chunk), size)]
    return [batches[i] for i in random.permutation(len(batches))]


def train(
    sentences: list[list[str]],
    labels: np.ndarray,
    lexicon: Lexicon,
    sizes: Sizes,
    seed: int,
    epochs: int = EPOCHS,
    bar: Callable[[Iterable], Iterable] = iter,
    after: Callable[[int, Classifier], None] = lambda epoch, network: None,
) -> Classifier:
    """Train one classifier by Adam, its rate falling to zero along a line.

    Args:
        sentences: words of each.
        labels: 1 positive, 0 negative, `(sentences,)`.
        lexicon: built from these sentences.
        sizes: widths and dropout.
        seed: of weights, order and dropout.
        epochs: times every sentence is seen.
        bar: goes through the steps, for a progress bar.
        after: called after each epoch with its number, from 1, and the classifier.
    """
    torch.manual_seed(seed)
    network = Classifier(len(lexicon), sizes)
    targets = torch.from_numpy(labels).float()
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE, fused=True)
    steps = _steps(np.array([len(words) for words in sentences]), epochs, np.random.default_rng(seed))
    total = epochs * -(-len(sentences) // BATCH)
    network.train()
    for step, (rows, last) in enumerate(bar(steps)):
        optimizer.param_groups[0]["lr"] = RATE * (1 - step / total)
        logits, _ = network(lexicon.batch([sentences[i] for i in rows]))
        optimizer.zero_grad()
        functional.binary_cross_entropy_with_logits(logits, targets[rows]).backward()
        nn.utils.clip_grad_norm_(network.parameters(), CLIP)
        optimizer.step()
        if last:
            after(last, network.eval())
            network.train()
    return network.eval()


def _steps(lengths: np.ndarray, epochs: int, random: np.random.Generator) -> Iterator[tuple[np.ndarray, int]]:
    """Yield the rows of each step, and the epoch's number with the last of each epoch, else 0."""
    for epoch in range(1, epochs + 1):
        batches = random_batches(lengths, BATCH, random)
        for i, rows in enumerate(batches):
            yield rows, epoch if i + 1 == len(batches) else 0


@torch.no_grad()
def classify(network: nn.Module, lexicon: Lexicon, sentences: list[list[str]]) -> np.ndarray:
    """Return the logit of "positive" for each sentence, float64 `(sentences,)`; 0 for one without words."""
    logits = np.zeros(len(sentences))
    filled = [i for i, words in enumerate(sentences) if words]
    filled.sort(key=lambda i: len(sentences[i]))
    for start in range(0, len(filled), 200):
        rows = filled[start : start + 200]
        logits[rows] = network(lexicon.batch([sentences[i] for i in rows]))[0].numpy()
    return logits
