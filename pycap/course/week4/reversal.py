"""Sequence to sequence: read a phrase, say it backwards, knowing only the encoder's last state."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pycap.config import END, PAD, START
from pycap.nn.dense import Dense
from pycap.nn.embedding import Embedding
from pycap.nn.recurrent import LSTM

LONGEST, BATCH, RATE = 14, 128, 3e-3


def cut_phrases(encoded: list[list[int]], number: int, random: np.random.Generator) -> list[list[int]]:
    """Cut different phrases of 2 to 14 words from captions, all lengths alike."""
    phrases: dict[tuple[int, ...], None] = {}
    for _ in range(50 * number):
        if len(phrases) == number:
            break
        length = int(random.integers(2, LONGEST + 1))
        ids = encoded[random.integers(len(encoded))]
        if len(ids) >= length:
            start = int(random.integers(len(ids) - length + 1))
            phrases.setdefault(tuple(ids[start : start + length]))
    return [list(phrase) for phrase in phrases]


def pad(rows: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Return rows as one array, padded at their ends, `(batch, time)`, and their lengths."""
    lengths = torch.tensor([len(row) for row in rows])
    padded = torch.full((len(rows), int(lengths.max())), PAD)
    for i, row in enumerate(rows):
        padded[i, : len(row)] = torch.tensor(row)
    return padded, lengths


class Translator(nn.Module):
    """An LSTM reads, another writes (Sutskever et al. 2014).

    Args:
        vocab_size: words, special tokens included.
        embed_dim, hidden_dim: widths.
    """

    def __init__(self, vocab_size: int, embed_dim: int = 64, hidden_dim: int = 64):
        super().__init__()
        self.embedding = Embedding(vocab_size, embed_dim)
        self.encoder = LSTM(embed_dim, hidden_dim)
        self.decoder = LSTM(embed_dim, hidden_dim)
        self.output = Dense(hidden_dim, vocab_size)

    def forward(self, source: Tensor, lengths: Tensor, written: Tensor) -> Tensor:
        """Return logits `(batch, time, vocab_size)` for the word after each word of `written`, teacher forced.

        Args:
            source: phrases, `(batch, source time)`, of these lengths.
            written: START and the true words, `(batch, time)`.
        """
        _, state = self.encoder(self.embedding(source), lengths)
        return self.output(self.decoder(self.embedding(written), state=state)[0])

    @torch.no_grad()
    def write(self, source: Tensor, lengths: Tensor) -> list[list[int]]:
        """Return what the decoder says by itself: the likeliest word at every step, until END."""
        _, state = self.encoder(self.embedding(source), lengths)
        word = torch.full((len(source), 1), START)
        said = []
        for _ in range(LONGEST + 2):
            hiddens, state = self.decoder(self.embedding(word), state=state)
            word = self.output(hiddens).argmax(2)  # (batch, 1)
            said.append(word[:, 0])
        rows = torch.stack(said, dim=1).tolist()
        return [row[: row.index(END)] if END in row else row for row in rows]


def fit(
    phrases: list[list[int]],
    vocab_size: int,
    epochs: int,
    seed: int,
    bar: Callable[[Iterable], Iterable] = iter,
) -> Translator:
    """Train a translator to say phrases backwards by Adam, its rate falling along a line; padding costs nothing."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    network = Translator(vocab_size)
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    steps = epochs * -(-len(phrases) // BATCH)
    step = 0
    for _ in bar(range(epochs)):
        order = random.permutation(len(phrases))
        for start in range(0, len(order), BATCH):
            optimizer.param_groups[0]["lr"] = RATE * (1 - step / steps)
            step += 1
            chosen = [phrases[i] for i in order[start : start + BATCH]]
            source, lengths = pad(chosen)
            written, _ = pad([[START, *row[::-1]] for row in chosen])
            wanted, _ = pad([[*row[::-1], END] for row in chosen])
            logits = network(source, lengths, written)
            loss = functional.cross_entropy(logits.flatten(0, 1), wanted.flatten(), ignore_index=PAD)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
    return network


def score(network: Translator, phrases: list[list[int]]) -> tuple[np.ndarray, list[list[int]]]:
    """Return whether each phrase was said backwards without a mistake, and what was said."""
    said: list[list[int]] = []
    for start in range(0, len(phrases), 500):
        said += network.write(*pad(phrases[start : start + 500]))
    return np.array([row == phrase[::-1] for row, phrase in zip(said, phrases, strict=True)]), said
