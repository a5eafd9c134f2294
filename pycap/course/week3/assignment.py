"""Week 3: sequences, by your own hands.

Replace each `raise NotImplementedError` by your code; NumPy is all you need. Weights have outputs as rows, as in
torch: a layer computes `x @ weight.T + bias`. Change no argument in place. Check as often as you like:

    pycap course check 3 DIR
"""

import numpy as np  # noqa: F401


def make_windows(series, window, horizon):
    """Cut a series into what is known and what is to be forecast.

    Each row holds `window` values in a row; its target is the value `horizon` steps after the row's last one. Make
    every row that has a target, oldest first.

    Args:
        series: `(length,)`.
        window: values that a row holds, 1 or more.
        horizon: how far ahead the target lies, 1 or more.

    Returns:
        rows `(count, window)` and targets `(count,)`, where count is length - window - horizon + 1.

    Raises:
        ValueError: the series is too short for a single row with a target.

    Example:
        make_windows([1, 2, 3, 4, 5], window=2, horizon=1) gives
        [[1, 2], [2, 3], [3, 4]] and [3, 4, 5]; with horizon=2, [[1, 2], [2, 3]] and [4, 5].
    """
    raise NotImplementedError("make_windows: your turn")


def clip_gradients(gradients, limit):
    """Shrink gradients together until their common length is at most `limit`.

    The length is that of one long vector made of all the arrays: the square root of the sum of all squares. Where it
    is `limit` or less, including zero, nothing changes. Where it is more, all arrays are multiplied by limit / length:
    the direction stays.

    Args:
        gradients: a list of arrays of any shapes.
        limit: above 0.

    Returns:
        a list of new arrays in the same order and of the same shapes.

    Example:
        clip_gradients([np.array([3.0]), np.array([4.0])], limit=1.0) gives [[0.6], [0.8]].
    """
    raise NotImplementedError("clip_gradients: your turn")


def rnn_forward(inputs, hidden, input_weight, recurrent_weight, bias):
    """Run h_t = tanh(U x_t + W h_(t-1) + b) over a batch of sequences.

    Args:
        inputs: `(batch, time, inputs)`.
        hidden: the state before the first step, `(batch, hidden_dim)`; not always zero.
        input_weight: U, `(hidden_dim, inputs)`.
        recurrent_weight: W, `(hidden_dim, hidden_dim)`.
        bias: b, `(hidden_dim,)`.

    Returns:
        the state after every step, `(batch, time, hidden_dim)`.
    """
    raise NotImplementedError("rnn_forward: your turn")


def lstm_step(x, hidden, cell, input_weight, recurrent_weight, bias):
    """Do one step of an LSTM.

        sums = x U^T + hidden W^T + b, cut into four blocks of hidden_dim columns: i, f, g, o in this order
        new cell   = sigmoid(f) * cell + sigmoid(i) * tanh(g)
        new hidden = sigmoid(o) * tanh(new cell)

    A large sum must give no NaN and no error: its gate is simply open or shut.

    Args:
        x: `(batch, inputs)`.
        hidden, cell: the state before, `(batch, hidden_dim)` each.
        input_weight: U, `(4 * hidden_dim, inputs)`.
        recurrent_weight: W, `(4 * hidden_dim, hidden_dim)`.
        bias: b, `(4 * hidden_dim,)`.

    Returns:
        new hidden and new cell, `(batch, hidden_dim)` each, in this order.
    """
    raise NotImplementedError("lstm_step: your turn")


def rnn_backward(gradient, inputs, hidden, hiddens, input_weight, recurrent_weight):
    """Backpropagate through time: the gradients of the weights of `rnn_forward`.

    A hidden state is used twice: where the loss reads it, and by the next step. Walk from the last step to the first
    and carry along what the later steps say.

    Args:
        gradient: of the loss with respect to every hidden state where the loss reads it,
            `(batch, time, hidden_dim)`.
        inputs: `(batch, time, inputs)`.
        hidden: the state before the first step, `(batch, hidden_dim)`.
        hiddens: what `rnn_forward` returned, `(batch, time, hidden_dim)`.
        input_weight: U, `(hidden_dim, inputs)`.
        recurrent_weight: W, `(hidden_dim, hidden_dim)`.

    Returns:
        gradients with respect to U, W, b and the state before the first step, in this order and in their shapes;
        those of U, W and b are sums over batch and time, no means.
    """
    raise NotImplementedError("rnn_backward: your turn")


def lstm_step_backward(to_hidden, to_cell, x, hidden, cell, input_weight, recurrent_weight, bias):
    """Go back through one step of an LSTM.

    Args:
        to_hidden: gradient of the loss with respect to the new hidden state, `(batch, hidden_dim)`.
        to_cell: gradient of the loss with respect to the new cell, as far as it comes from later steps and not
            through the new hidden state, `(batch, hidden_dim)`.
        x, hidden, cell, input_weight, recurrent_weight, bias: what `lstm_step` was called with.

    Returns:
        gradients with respect to x, hidden, cell and bias, in this order and in their shapes; that of bias is a sum
        over the batch.
    """
    raise NotImplementedError("lstm_step_backward: your turn")
