"""The network of this week: read a sequence, answer once at its end."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pycap.nn.dense import Dense
from pycap.nn.recurrent import LSTM, RNN


class LastReader(nn.Module):
    """A recurrent layer and a dense layer that reads its last hidden state.

    Args:
        kind: "rnn" or "lstm".
        inputs, hidden_dim, outputs: widths.
        forget_bias: where an LSTM's forget gates start; None: at the layer's own 1.
    """

    def __init__(
        self, kind: str, inputs: int, hidden_dim: int, outputs: int, forget_bias: float | None = None
    ):
        super().__init__()
        self.recurrent = {"rnn": RNN, "lstm": LSTM}[kind](inputs, hidden_dim)
        self.output = Dense(hidden_dim, outputs)
        if forget_bias is not None:
            with torch.no_grad():
                self.recurrent.input.bias[hidden_dim : 2 * hidden_dim] = forget_bias

    def forward(self, x: Tensor) -> Tensor:
        """Read `(batch, time, inputs)`, answer `(batch, outputs)`."""
        hiddens, _ = self.recurrent(x)
        return self.output(hiddens[:, -1])
