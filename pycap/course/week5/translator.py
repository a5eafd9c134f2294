"""Sequence to sequence: an LSTM reads, an LSTM writes, and between them one vector or attention.

The decoder is the captioner's in small: keys once per sentence, a query in every step, the context into the gates.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pycap.course.week5.dates import END, PAD, START
from pycap.nn.attention import additive_attention, dot_product_attention
from pycap.nn.dense import Dense
from pycap.nn.embedding import Embedding
from pycap.nn.recurrent import LSTM, lstm_cell

KINDS = ("none", "dot-product", "additive")


class Translator(nn.Module):
    """Read a line of tokens and write another one.

    Args:
        kind: what the decoder sees of the input in each step: "none" is the encoder's last state, the same in every
            step; "dot-product" and "additive" average the encoder's states by relevance.
        source_size, target_size: tokens of the two languages.
        width: of embeddings, states and keys.
    """

    def __init__(self, kind: str, source_size: int, target_size: int, width: int):
        super().__init__()
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
        self.kind = kind
        self.source = Embedding(source_size, width)
        self.encoder = LSTM(width, width)
        self.key = Dense(width, width)
        self.query = Dense(width, width, bias=False)
        self.score = nn.Parameter(torch.randn(width) * width**-0.5)
        self.target = Embedding(target_size, width)
        self.input = Dense(2 * width, 4 * width)  # the word before and the context
        self.recurrent = Dense(width, 4 * width, bias=False)
        self.output = Dense(2 * width, target_size)

    def encode(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor, tuple[Tensor, Tensor]]:
        """Read the input.

        Args:
            source: `(batch, time)` int64, padded.
            lengths: real tokens of each row, `(batch,)`.

        Returns:
            memory and keys `(batch, time, width)`, mask `(batch, time)`, true where a token is, and the last state.
        """
        memory, state = self.encoder(self.source(source), lengths)
        return memory, self.key(memory), source != PAD, state

    def step(
        self,
        token: Tensor,
        state: tuple[Tensor, Tensor],
        memory: Tensor,
        keys: Tensor,
        mask: Tensor,
        last: Tensor,
    ) -> tuple[Tensor, tuple[Tensor, Tensor], Tensor]:
        """Write one token: logits `(batch, target_size)`, the new state, and weights `(batch, time)`."""
        hidden, cell = state
        if self.kind == "additive":
            context, weights = additive_attention(memory, keys, self.query(hidden), self.score, mask)
        elif self.kind == "dot-product":
            query = self.query(hidden)[:, None]  # (batch, 1, width)
            context, weights = (
                part[:, 0] for part in dot_product_attention(query, keys, memory, mask[:, None])
            )
        else:
            context, weights = last, mask / mask.sum(1, keepdim=True)
        gates = self.input(torch.cat([self.target(token), context], dim=1)) + self.recurrent(hidden)
        hidden, cell = lstm_cell(gates, cell)
        return self.output(torch.cat([hidden, context], dim=1)), (hidden, cell), weights

    def forward(self, source: Tensor, lengths: Tensor, target: Tensor) -> Tensor:
        """Score a known translation (teacher forcing).

        Args:
            source, lengths: as for `encode`.
            target: tokens with END behind them, `(batch, steps)`.

        Returns:
            logits `(batch, steps, target_size)`.
        """
        memory, keys, mask, state = self.encode(source, lengths)
        read = torch.cat([torch.full_like(target[:, :1], START), target[:, :-1]], dim=1)
        last, logits = state[0], []
        for token in read.unbind(1):
            scores, state, _ = self.step(token, state, memory, keys, mask, last)
            logits.append(scores)
        return torch.stack(logits, dim=1)

    @torch.no_grad()
    def translate(self, source: Tensor, lengths: Tensor, steps: int) -> tuple[Tensor, Tensor]:
        """Write greedily until every row has ended.

        Args:
            source, lengths: as for `encode`.
            steps: tokens at most.

        Returns:
            tokens `(batch, written)`, and weights `(batch, written, time)`.
        """
        memory, keys, mask, state = self.encode(source, lengths)
        token, last = torch.full_like(lengths, START), state[0]
        ended = torch.zeros_like(token, dtype=torch.bool)
        tokens, looks = [], []
        for _ in range(steps):
            scores, state, weights = self.step(token, state, memory, keys, mask, last)
            token = scores.argmax(1)
            tokens.append(token)
            looks.append(weights)
            ended |= token == END
            if bool(ended.all()):
                break
        return torch.stack(tokens, dim=1), torch.stack(looks, dim=1)
