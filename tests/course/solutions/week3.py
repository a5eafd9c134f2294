"""Right answers to week 3."""

import numpy as np


def make_windows(series, window, horizon):
    series = np.asarray(series)
    count = len(series) - window - horizon + 1
    if count < 1:
        raise ValueError(f"a series of {len(series)} is too short")
    rows = np.stack([series[start : start + window] for start in range(count)])
    return rows, series[window + horizon - 1 :].copy()


def clip_gradients(gradients, limit):
    length = np.sqrt(sum((part**2).sum() for part in gradients))
    factor = limit / length if length > limit else 1.0
    return [part * factor for part in gradients]


def rnn_forward(inputs, hidden, input_weight, recurrent_weight, bias):
    hiddens = []
    for time in range(inputs.shape[1]):
        hidden = np.tanh(inputs[:, time] @ input_weight.T + hidden @ recurrent_weight.T + bias)
        hiddens.append(hidden)
    return np.stack(hiddens, axis=1)


def sigmoid(x):
    return 0.5 * (1 + np.tanh(x / 2))


def lstm_step(x, hidden, cell, input_weight, recurrent_weight, bias):
    sums = x @ input_weight.T + hidden @ recurrent_weight.T + bias
    i, f, g, o = np.split(sums, 4, axis=1)
    new_cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
    new_hidden = sigmoid(o) * np.tanh(new_cell)
    return new_hidden, new_cell


def rnn_backward(gradient, inputs, hidden, hiddens, input_weight, recurrent_weight):
    to_input_weight = np.zeros_like(input_weight)
    to_recurrent_weight = np.zeros_like(recurrent_weight)
    to_bias = np.zeros(len(recurrent_weight))
    from_future = np.zeros_like(hidden)
    for time in reversed(range(inputs.shape[1])):
        before = hiddens[:, time - 1] if time > 0 else hidden
        to_hidden = gradient[:, time] + from_future
        to_sum = to_hidden * (1 - hiddens[:, time] ** 2)
        to_input_weight += to_sum.T @ inputs[:, time]
        to_recurrent_weight += to_sum.T @ before
        to_bias += to_sum.sum(axis=0)
        from_future = to_sum @ recurrent_weight
    return to_input_weight, to_recurrent_weight, to_bias, from_future


def lstm_step_backward(to_hidden, to_cell, x, hidden, cell, input_weight, recurrent_weight, bias):
    sums = x @ input_weight.T + hidden @ recurrent_weight.T + bias
    i, f, g, o = np.split(sums, 4, axis=1)
    i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
    squashed = np.tanh(f * cell + i * g)
    to_new_cell = to_cell + to_hidden * o * (1 - squashed**2)
    to_i = to_new_cell * g * i * (1 - i)
    to_f = to_new_cell * cell * f * (1 - f)
    to_g = to_new_cell * i * (1 - g**2)
    to_o = to_hidden * squashed * o * (1 - o)
    to_sums = np.concatenate([to_i, to_f, to_g, to_o], axis=1)
    return to_sums @ input_weight, to_sums @ recurrent_weight, to_new_cell * f, to_sums.sum(axis=0)
