"""Week 3 in another style: lists, loops, torch with autograd, float32."""

import math

import numpy as np
import torch


def make_windows(series, window, horizon):
    values = [float(value) for value in series]
    rows, targets = [], []
    for last in range(window - 1, len(values) - horizon):
        rows.append(values[last - window + 1 : last + 1])
        targets.append(values[last + horizon])
    if not rows:
        raise ValueError("too short")
    return rows, targets


def clip_gradients(gradients, limit):
    tensors = [torch.from_numpy(np.array(part)) for part in gradients]
    length = math.sqrt(sum(float((tensor * tensor).sum()) for tensor in tensors))
    return tuple(tensor * min(1.0, limit / max(length, 1e-30)) for tensor in tensors)


def rnn_forward(inputs, hidden, input_weight, recurrent_weight, bias):
    inputs, state, u, w, b = (
        torch.tensor(part, dtype=torch.float32)
        for part in (inputs, hidden, input_weight, recurrent_weight, bias)
    )
    out = torch.zeros(inputs.shape[0], inputs.shape[1], len(b))
    for time in range(inputs.shape[1]):
        state = torch.tanh(torch.nn.functional.linear(inputs[:, time], u, b) + state @ w.t())
        out[:, time] = state
    return out


def lstm_step(x, hidden, cell, input_weight, recurrent_weight, bias):
    with torch.no_grad():
        layer = torch.nn.LSTMCell(x.shape[1], cell.shape[1]).double()
        layer.weight_ih.copy_(torch.tensor(input_weight))
        layer.weight_hh.copy_(torch.tensor(recurrent_weight))
        layer.bias_ih.copy_(torch.tensor(bias))
        layer.bias_hh.zero_()
        return layer(torch.tensor(x), (torch.tensor(hidden), torch.tensor(cell)))


def rnn_backward(gradient, inputs, hidden, hiddens, input_weight, recurrent_weight):
    u, w, first = (
        torch.tensor(part, requires_grad=True) for part in (input_weight, recurrent_weight, hidden)
    )
    # the bias is not given: find it from the first state
    sums = np.arctanh(hiddens[:, 0]) - inputs[:, 0] @ input_weight.T - hidden @ recurrent_weight.T
    b = torch.tensor(sums[0], requires_grad=True)
    state, loss = first, 0.0
    for time in range(inputs.shape[1]):
        state = torch.tanh(torch.tensor(inputs[:, time]) @ u.T + state @ w.T + b)
        loss = loss + (state * torch.tensor(gradient[:, time])).sum()
    loss.backward()
    return [u.grad, w.grad, b.grad, first.grad]


def lstm_step_backward(to_hidden, to_cell, x, hidden, cell, input_weight, recurrent_weight, bias):
    rows, size = np.shape(cell)
    to_x, before, carried, to_bias = (
        np.zeros_like(x),
        np.zeros_like(hidden),
        np.zeros_like(cell),
        np.zeros_like(bias),
    )
    for row in range(rows):
        for unit in range(size):
            places = [unit + block * size for block in range(4)]
            sums = [input_weight[p] @ x[row] + recurrent_weight[p] @ hidden[row] + bias[p] for p in places]
            i, f, o = (1 / (1 + math.exp(-sums[block])) for block in (0, 1, 3))
            g = math.tanh(sums[2])
            t = math.tanh(f * cell[row, unit] + i * g)
            dc = to_cell[row, unit] + to_hidden[row, unit] * o * (1 - t * t)
            slopes = (
                dc * g * i * (1 - i),
                dc * cell[row, unit] * f * (1 - f),
                dc * i * (1 - g * g),
                to_hidden[row, unit] * t * o * (1 - o),
            )
            carried[row, unit] = dc * f
            for p, slope in zip(places, slopes, strict=True):
                to_x[row] += slope * input_weight[p]
                before[row] += slope * recurrent_weight[p]
                to_bias[p] += slope
    return to_x.tolist(), before.tolist(), carried.tolist(), to_bias.tolist()
