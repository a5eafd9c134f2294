"""The classifier: a bidirectional LSTM over words, with attention over its states or with its last states alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from pycap.course.checkpoint4.words import PAD, UNKNOWN, Batch
from pycap.nn.attention import AdditiveAttention
from pycap.nn.dense import Dense
from pycap.nn.embedding import Embedding
from pycap.nn.recurrent import LSTM


@dataclass(frozen=True)
class Sizes:
    """Widths and dropout of a classifier.

    Attributes:
        attention: average all states by attention; else take the last state of each direction.
        embed_dim, hidden_dim, attention_dim: widths; `hidden_dim` is that of one direction.
        word_dropout: rate at which whole words are hidden in training.
        dropout: rate on the numbers of a word's vector, and on what the last layer sees.
    """

    attention: bool = True
    embed_dim: int = 100
    hidden_dim: int = 80
    attention_dim: int = 64
    word_dropout: float = 0.3
    dropout: float = 0.5

    def settings(self) -> dict:
        return asdict(self)


def reverse(rows: Tensor, lengths: Tensor) -> Tensor:
    """Turn the real part of each row round, and leave the padding behind it.

    Args:
        rows: `(batch, time, ...)`.
        lengths: real steps, `(batch,)`.
    """
    steps = torch.arange(rows.shape[1])  # (time,)
    source = torch.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)  # (batch, time)
    return rows[torch.arange(len(rows))[:, None], source]


class Classifier(nn.Module):
    """From words to the logit of "positive".

    Args:
        features: rows of the table: pieces of words and pairs.
        sizes: widths and dropout.
    """

    def __init__(self, features: int, sizes: Sizes):
        super().__init__()
        self.sizes = sizes
        self.embedding = Embedding(features, sizes.embed_dim)
        self.forwards = LSTM(sizes.embed_dim, sizes.hidden_dim)
        self.backwards = LSTM(sizes.embed_dim, sizes.hidden_dim)
        both = 2 * sizes.hidden_dim
        if sizes.attention:
            self.attention = AdditiveAttention(both, both, sizes.attention_dim)
        self.output = Dense(both, 1)
        with torch.no_grad():
            self.embedding.weight *= 0.1  # a word is the sum of some twenty rows
            self.embedding.weight[[PAD, UNKNOWN]] = 0.0

    def embed(self, batch: Batch) -> Tensor:
        """Return a vector for every word, `(batch, time, embed_dim)`: its pieces' sum, and its pair's."""
        pieces, pair = torch.from_numpy(batch.pieces), torch.from_numpy(batch.pair)
        rows = self.embedding(torch.cat([pieces.flatten(), pair.flatten()]))  # one look into the large table
        of_pieces, of_pairs = rows.split([pieces.numel(), pair.numel()])
        share = torch.from_numpy(batch.share)[:, None]  # (words, 1, pieces)
        words = (share @ of_pieces.view(*pieces.shape, -1))[:, 0]  # (words, embed_dim)
        return words[torch.from_numpy(batch.place)] + of_pairs.view(*pair.shape, -1)

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Return logits `(batch,)` and, with attention, the weight of every word, `(batch, time)`."""
        lengths = torch.from_numpy(batch.lengths)
        embedded = self.embed(batch)
        if self.training:
            kept = torch.rand(embedded.shape[:2]) >= self.sizes.word_dropout
            embedded = functional.dropout(embedded * kept[..., None], self.sizes.dropout)
        ahead, (last_ahead, _) = self.forwards(embedded, lengths)
        back, (last_back, _) = self.backwards(reverse(embedded, lengths), lengths)
        last = torch.cat([last_ahead, last_back], dim=1)  # (batch, 2 hidden_dim)
        weights = None
        if self.sizes.attention:
            states = torch.cat([ahead, reverse(back, lengths)], dim=2)  # (batch, time, 2 hidden_dim)
            real = torch.arange(states.shape[1]) < lengths[:, None]
            last, weights = self.attention(states, last, real)
        if self.training:
            last = functional.dropout(last, self.sizes.dropout)
        return self.output(last)[:, 0], weights


class Ensemble(nn.Module):
    """Several classifiers that began from different random numbers; their logits are averaged.

    Args:
        members: the classifiers, all of one kind.
    """

    def __init__(self, members: list[Classifier]):
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Return mean logits `(batch,)` and mean attention `(batch, time)`."""
        logits, weights = zip(*(member(batch) for member in self.members), strict=True)
        return torch.stack(logits).mean(0), None if weights[0] is None else torch.stack(weights).mean(0)
