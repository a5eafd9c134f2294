"""From image regions to words: the trainable decoder (Xu et al. 2015, soft attention).

The arithmetic of a step lives in `pycap.ops`, in one place for training and search; this module owns the
parameters and runs whole teacher-forced sequences.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from pycap.config import ModelConfig
from pycap.nn.dense import Dense
from pycap.nn.dropout import Dropout
from pycap.nn.embedding import Embedding
from pycap.ops.decoder_step import DecoderWeights, deep_output, initial_state
from pycap.ops.recurrence import AttendLSTMWeights, attend_lstm
from pycap.weights import DECODER

# Words are scored in multiples of this many: few different shapes, each of which costs oneDNN memory.
ROWS = 128


class Decoder(nn.Module):
    """Additive attention over regions, a scalar gate, an LSTM cell and a deep output layer.

    Args:
        config: widths and dropout.
        vocab_size: words, special tokens included.
    """

    def __init__(self, config: ModelConfig, vocab_size: int):
        super().__init__()
        feature_dim, hidden_dim, embed_dim = config.feature_dim, config.hidden_dim, config.embed_dim
        self.embedding = Embedding(vocab_size, embed_dim)
        self.input = Dense(embed_dim, 4 * hidden_dim)
        self.key = Dense(feature_dim, config.attention_dim)
        self.query = Dense(hidden_dim, config.attention_dim, bias=False)
        self.score = nn.Parameter(torch.empty(config.attention_dim))
        self.gate = Dense(hidden_dim, 1)
        self.context = Dense(feature_dim, 4 * hidden_dim, bias=False)
        self.recurrent = Dense(hidden_dim, 4 * hidden_dim, bias=False)
        self.initial_hidden = Dense(feature_dim, hidden_dim)
        self.initial_cell = Dense(feature_dim, hidden_dim)
        self.output_hidden = Dense(hidden_dim, embed_dim)
        self.output_context = Dense(feature_dim, embed_dim, bias=False)
        self.output = Dense(embed_dim, vocab_size)
        if config.tie_embedding:
            self.output.weight = self.embedding.weight
        self.dropout = Dropout(config.dropout)
        self._initialise(hidden_dim)

    @torch.no_grad()
    def _initialise(self, hidden_dim: int) -> None:
        nn.init.normal_(self.embedding.weight, std=self.embedding.weight.shape[1] ** -0.5)
        nn.init.normal_(self.score, std=self.score.shape[0] ** -0.5)
        nn.init.orthogonal_(self.recurrent.weight)
        nn.init.zeros_(self.input.bias)
        self.input.bias[hidden_dim : 2 * hidden_dim] = 1.0  # remember by default (Jozefowicz et al. 2015)
        nn.init.zeros_(self.output.bias)

    def weights(self) -> DecoderWeights:
        """Return the live parameters in the form that `pycap.ops` computes with."""
        parts = {field: self.get_parameter(name) for field, name in DECODER.items()}
        parts["gate"] = parts["gate"][0]
        attend = AttendLSTMWeights(**{field: parts.pop(field) for field in AttendLSTMWeights._fields})
        return DecoderWeights(attend=attend, **parts)

    def forward(
        self, features: Tensor, tokens: Tensor, lengths: Tensor, image_index: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Score the next word at every step of known captions (teacher forcing).

        Args:
            features: encoded regions, `(images, regions, feature_dim)`.
            tokens: captions as the decoder reads them, from the start token on, `(batch, time)` int64.
            lengths: steps of each caption, `(batch,)` int64; what lies behind is ignored.
            image_index: picture of each caption, `(batch,)` int64, non-decreasing.

        Returns:
            logits of the real steps, captions one after the other, `(lengths.sum(), vocab_size)`, and attention
            `(batch, time, regions)`, zero behind a caption's end.
        """
        weights = self.weights()
        batch, time = tokens.shape
        real = (torch.arange(time, device=tokens.device) < lengths[:, None]).flatten().nonzero()[:, 0]
        rows = functional.pad(real, (0, -len(real) % ROWS))  # some steps more, whose results are dropped
        embedded = self.dropout(self.embedding(tokens.flatten()[rows]))  # (rows, embed_dim)
        with torch.autocast(features.device.type, enabled=False):  # the recurrence stays in single precision
            start = initial_state(weights, features.float())
            words = self.input(embedded.float())[: len(real)]
            inputs = words.new_zeros(batch * time, words.shape[1]).index_copy_(0, real, words)
            hiddens, contexts, attention = attend_lstm(
                inputs.unflatten(0, (batch, time)),
                start.features,
                start.keys,
                start.hidden[image_index],
                start.cell[image_index],
                weights.attend,
                lengths,
                image_index,
            )
        seen = (part.flatten(0, 1).index_select(0, rows) for part in (hiddens, contexts))
        mixed = deep_output(weights, embedded, *seen)
        logits = functional.linear(self.dropout(mixed), weights.output, weights.output_vocab_bias)
        return logits[: len(real)], attention
