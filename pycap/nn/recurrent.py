"""Recurrent layers: a state that is carried from step to step along a sequence.

`lstm_cell` is the arithmetic of the decoder's own reference (`pycap.ops.recurrence`). The decoder adds attention
inside the loop and runs it as one op; here the loop is plain.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pycap.nn.dense import Dense
from pycap.ops.recurrence import lstm_cell

__all__ = ["LSTM", "RNN", "lstm_cell"]


class Recurrent(nn.Module):
    """What recurrent layers share: the input's part of all steps at once, then one step after the other.

    Args:
        inputs: width of a step's input.
        hidden_dim: width of the state.
        gates: sums that a step computes, in multiples of `hidden_dim`.
    """

    def __init__(self, inputs: int, hidden_dim: int, gates: int):
        super().__init__()
        self.hidden_dim = hidden_dim
        self.input = Dense(inputs, gates * hidden_dim)
        self.recurrent = Dense(hidden_dim, gates * hidden_dim, bias=False)
        nn.init.orthogonal_(self.recurrent.weight)

    def initial_state(self, rows: Tensor) -> tuple[Tensor, ...]:
        """Return zeros, a state for each of `rows`, `(batch, ...)`."""
        raise NotImplementedError

    def step(self, sums: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return the next state.

        Args:
            sums: the input's part, `(batch, gates * hidden_dim)`.
            state: the state before, `hidden` first.
        """
        raise NotImplementedError

    def forward(
        self, inputs: Tensor, lengths: Tensor | None = None, state: tuple[Tensor, ...] | None = None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Run over whole sequences.

        Args:
            inputs: `(batch, time, inputs)`.
            lengths: real steps of each row, `(batch,)` int64; None: all. What lies behind is ignored.
            state: the state before the first step, each part `(batch, hidden_dim)`; None: zeros.

        Returns:
            hidden states `(batch, time, hidden_dim)`, zero behind a row's end, and each row's state after its last
            real step.
        """
        sums = self.input(inputs)  # (batch, time, gates * hidden_dim)
        state = self.initial_state(sums) if state is None else state
        hiddens = []
        for time, part in enumerate(sums.unbind(1)):  # one node of the graph, not one a step
            new = self.step(part, state)
            if lengths is None:
                hiddens.append(new[0])
                state = new
                continue
            real = (lengths > time)[:, None]  # (batch, 1)
            hiddens.append(torch.where(real, new[0], 0.0))
            state = tuple(torch.where(real, *parts) for parts in zip(new, state, strict=True))
        return torch.stack(hiddens, dim=1), state


class RNN(Recurrent):
    """The simple recurrent network, `h_t = tanh(W x_t + U h_(t-1) + b)` (Elman 1990); its state is `(hidden,)`.

    Args:
        inputs: width of a step's input.
        hidden_dim: width of the state.
    """

    def __init__(self, inputs: int, hidden_dim: int):
        super().__init__(inputs, hidden_dim, gates=1)

    def initial_state(self, rows: Tensor) -> tuple[Tensor]:
        return (rows.new_zeros(len(rows), self.hidden_dim),)

    def step(self, sums: Tensor, state: tuple[Tensor]) -> tuple[Tensor]:
        return (torch.tanh(sums + self.recurrent(state[0])),)


class LSTM(Recurrent):
    """Long short-term memory with a forget gate (Hochreiter and Schmidhuber 1997; Gers et al. 2000).

    Its state is `(hidden, cell)`. The forget gate's bias begins at 1: remember by default (Jozefowicz et al. 2015).

    Args:
        inputs: width of a step's input.
        hidden_dim: width of the state and of the cell.
    """

    def __init__(self, inputs: int, hidden_dim: int):
        super().__init__(inputs, hidden_dim, gates=4)
        nn.init.zeros_(self.input.bias)
        nn.init.ones_(self.input.bias[hidden_dim : 2 * hidden_dim])

    def initial_state(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        zeros = rows.new_zeros(len(rows), self.hidden_dim)
        return zeros, zeros

    def step(self, sums: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        hidden, cell = state
        return lstm_cell(sums + self.recurrent(hidden), cell)
