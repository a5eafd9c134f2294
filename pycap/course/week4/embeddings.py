"""Learn word vectors from sentences with the skip-gram made by hand, and place them on a plane."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

import numpy as np

from pycap.config import SPECIAL_TOKENS, UNKNOWN
from pycap.course.scratch.embedding import SkipGram, negative_samples, noise_distribution, skip_gram_pairs
from pycap.text import Vocabulary, tokenize

BATCH, NEGATIVES, WINDOW = 512, 5, 2
FREQUENT = 1e-3  # words more frequent than this are left out now and then


def encode(sentences: Iterable[str], vocabulary: Vocabulary) -> list[list[int]]:
    """Return the ids of each sentence's known words, without END: a window sees only words."""
    encoded = (vocabulary.encode(tokenize(sentence))[:-1] for sentence in sentences)
    return [[word for word in ids if word != UNKNOWN] for ids in encoded]


def count(encoded: list[list[int]], vocab_size: int) -> np.ndarray:
    """Return how often each word occurs, `(vocab_size,)`; special tokens never do."""
    counts = np.zeros(vocab_size, np.int64)
    for word, number in Counter(word for ids in encoded for word in ids).items():
        counts[word] = number
    return counts


def learn(
    encoded: list[list[int]],
    vocab_size: int,
    embed_dim: int,
    epochs: int,
    seed: int,
    rate: float = 0.05,
    bar: Callable[[Iterable], Iterable] = iter,
) -> tuple[np.ndarray, list[float]]:
    """Train skip-gram by stochastic gradient descent, its rate falling along a line.

    Args:
        encoded: word ids of each sentence.
        vocab_size, embed_dim: size of the tables.
        epochs: times all sentences are seen; which frequent words are left out differs each time.
        seed: of every random number.
        rate: of a single pair; a batch moves each word by the sum over its pairs.
        bar: goes through epochs.

    Returns:
        the vectors `(vocab_size, embed_dim)`, without the part that all words share (Mu and Viswanath 2018), and
        the mean loss of each epoch.
    """
    random = np.random.default_rng(seed)
    model = SkipGram(vocab_size, embed_dim, random)
    counts = count(encoded, vocab_size)
    noise = noise_distribution(counts)
    share = counts / counts.sum()
    kept = np.minimum(1.0, np.sqrt(FREQUENT / np.maximum(share, 1e-12)))  # Mikolov et al. 2013, eq. 5
    losses = []
    for epoch in bar(range(epochs)):
        pairs = []
        for ids in encoded:
            thinned = [
                word for word, chance in zip(ids, random.random(len(ids)), strict=True) if chance < kept[word]
            ]
            pairs += skip_gram_pairs(thinned, WINDOW)
        pairs = np.array(pairs, np.int64)[random.permutation(len(pairs))]
        total, done = 0.0, 0
        for start in range(0, len(pairs), BATCH):
            batch = pairs[start : start + BATCH]
            negatives = negative_samples(random, noise, batch[:, 1], NEGATIVES)
            loss, memory = model.forward(batch[:, 0], batch[:, 1], negatives)
            progress = (epoch + start / len(pairs)) / epochs
            gradients = model.backward(memory)
            model.step(gradients, rate * len(batch) * max(0.02, 1 - progress))
            total, done = total + loss * len(batch), done + len(batch)
        losses.append(total / done)
    return model.centre - model.centre.mean(0), losses


def map_to_plane(vectors: np.ndarray, seed: int) -> np.ndarray:
    """Return a place on a plane for each vector, `(words, 2)`: words with close directions lie close (t-SNE)."""
    from sklearn.manifold import TSNE

    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    perplexity = min(20, (len(unit) - 1) / 3)
    return TSNE(perplexity=perplexity, metric="cosine", init="random", random_state=seed).fit_transform(unit)


def is_word(vocabulary: Vocabulary, number: int) -> bool:
    """Say whether an id is a word that a map can show: letters, no special token."""
    return number >= len(SPECIAL_TOKENS) and vocabulary.words[number].isalpha()
