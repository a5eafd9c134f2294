"""One step of the caption decoder: a word and a state in, log-probabilities of the next word out.

Written once for training checks, search and rescoring. Knows nothing about beams, sentences or pictures: a
state is rows of hidden and cell, and the regions they look at (Xu et al. 2015, scalar gate).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import linear

from pycap.ops.recurrence import AttendLSTMWeights, attend_lstm_step


class DecoderWeights(NamedTuple):
    """Every parameter of the decoder, matrices as `torch.nn.Linear` keeps them (rows are outputs).

    Attributes:
        embedding: word vectors, `(vocab_size, embed_dim)`.
        input: word part of the LSTM gates (order i, f, g, o), `(4 * hidden_dim, embed_dim)`.
        input_bias: the only bias of the gates, `(4 * hidden_dim,)`.
        key: projects regions for comparison with the state, `(attention_dim, feature_dim)`.
        key_bias: `(attention_dim,)`.
        attend: weights of the recurrent step.
        initial_hidden, initial_cell: first state from the mean region, `(hidden_dim, feature_dim)`.
        initial_hidden_bias, initial_cell_bias: `(hidden_dim,)`.
        output_hidden: state part of the deep output, `(embed_dim, hidden_dim)`.
        output_context: context part of the deep output, `(embed_dim, feature_dim)`.
        output_bias: `(embed_dim,)`.
        output: scores of the words, `(vocab_size, embed_dim)`.
        output_vocab_bias: `(vocab_size,)`.
    """

    embedding: Tensor
    input: Tensor
    input_bias: Tensor
    key: Tensor
    key_bias: Tensor
    attend: AttendLSTMWeights
    initial_hidden: Tensor
    initial_hidden_bias: Tensor
    initial_cell: Tensor
    initial_cell_bias: Tensor
    output_hidden: Tensor
    output_context: Tensor
    output_bias: Tensor
    output: Tensor
    output_vocab_bias: Tensor

    def flat(self) -> dict[str, Tensor]:
        """Return all weights by name, those of `attend` among the others."""
        parts = {**self._asdict(), **self.attend._asdict()}
        del parts["attend"]
        return parts

    def to(self, *place: torch.device | torch.dtype | str) -> DecoderWeights:
        """Return the same weights on a device, in a dtype, or both."""
        attend = AttendLSTMWeights(*(part.to(*place) for part in self.attend))
        own = {name: part.to(*place) for name, part in self._asdict().items() if name != "attend"}
        return DecoderWeights(attend=attend, **own)


class DecoderState(NamedTuple):
    """What one step hands to the next; rows of one image are neighbours.

    Attributes:
        hidden, cell: LSTM state, `(batch, hidden_dim)`.
        features: regions, `(images, regions, feature_dim)`.
        keys: the same regions projected, `(images, regions, attention_dim)`.
        image_index: image each row looks at, `(batch,)` int64, non-decreasing.
    """

    hidden: Tensor
    cell: Tensor
    features: Tensor
    keys: Tensor
    image_index: Tensor

    def select(self, rows: Tensor) -> DecoderState:
        """Return the state whose row `i` is this one's row `rows[i]`; regions are shared, not copied.

        Args:
            rows: `(new_batch,)` int64, ordered so that rows of one image stay neighbours.
        """
        return self._replace(
            hidden=self.hidden[rows], cell=self.cell[rows], image_index=self.image_index[rows]
        )


def initial_state(weights: DecoderWeights, features: Tensor) -> DecoderState:
    """Begin decoding one row per image from the mean of its regions (Xu et al. 2015, section 3.1.2).

    Args:
        weights: the decoder's parameters.
        features: regions, `(images, regions, feature_dim)`.

    Returns:
        State of `images` rows.

    Raises:
        ValueError: `features` has another rank or feature_dim than the weights.
    """
    feature_dim = weights.key.shape[1]
    if features.ndim != 3 or features.shape[2] != feature_dim or features.shape[1] == 0:
        raise ValueError(
            f"features must be (images, regions >= 1, feature_dim={feature_dim}), "
            f"got {tuple(features.shape)}; project the regions with the model's encoder first"
        )
    mean = features.mean(dim=1)  # (images, feature_dim)
    return DecoderState(
        hidden=torch.tanh(linear(mean, weights.initial_hidden, weights.initial_hidden_bias)),
        cell=torch.tanh(linear(mean, weights.initial_cell, weights.initial_cell_bias)),
        features=features,
        keys=linear(features, weights.key, weights.key_bias),
        image_index=torch.arange(len(features), device=features.device),
    )


def step(weights: DecoderWeights, state: DecoderState, tokens: Tensor) -> tuple[Tensor, DecoderState, Tensor]:
    """Read one word per row and predict the next (Xu et al. 2015, eq. 1-6, 13 and 7; gate of section 4.2.1).

    Args:
        weights: the decoder's parameters.
        state: of `batch` rows.
        tokens: the word each row emitted last, `(batch,)` int64.

    Returns:
        log-probabilities of the next word `(batch, vocab_size)`, the new state, and the attention paid to
        predict it `(batch, regions)`, each row summing to 1.
    """
    embedded = weights.embedding[tokens]  # (batch, embed_dim)
    hidden, cell, context, attention = attend_lstm_step(
        linear(embedded, weights.input, weights.input_bias),
        state.features,
        state.keys,
        state.hidden,
        state.cell,
        weights.attend,
        state.image_index,
    )
    mixed = deep_output(weights, embedded, hidden, context)
    logits = linear(mixed, weights.output, weights.output_vocab_bias)
    return torch.log_softmax(logits, dim=-1), state._replace(hidden=hidden, cell=cell), attention


def deep_output(weights: DecoderWeights, embedded: Tensor, hidden: Tensor, context: Tensor) -> Tensor:
    """Mix the last word, the state and the gated context into the vector that scores words (Xu et al. 2015, eq. 7).

    Args:
        weights: the decoder's parameters.
        embedded: vector of the word read, `(..., embed_dim)`.
        hidden: new LSTM state, `(..., hidden_dim)`.
        context: gated average of the regions, `(..., feature_dim)`.

    Returns:
        `(..., embed_dim)`, values in -1..1; `output @` it `+ output_vocab_bias` are the logits.
    """
    mixed = embedded + linear(hidden, weights.output_hidden, weights.output_bias)
    return torch.tanh(mixed + linear(context, weights.output_context))
