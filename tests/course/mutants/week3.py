"""Typical wrong solutions of week 3."""

MUTANTS = [
    ("make_windows", "- horizon + 1\n", "- horizon\n"),  # the last row is lost
    (
        "make_windows",
        "series[window + horizon - 1 :]",
        "series[window + horizon - 2 : len(series) - 1]",
    ),  # knows it
    (
        "make_windows",
        "series[window + horizon - 1 :]",
        "series[window : window + count]",
    ),  # horizon forgotten
    (
        "make_windows",
        '        raise ValueError(f"a series of {len(series)} is too short")',
        "        return [], []",
    ),
    ("make_windows", "series[start : start + window]", "series[start * window : start * window + window]"),
    ("make_windows", "series[start : start + window]", "series[start : start + window][::-1]"),
    ("clip_gradients", "if length > limit else 1.0", "if True else 1.0"),  # short ones are stretched
    (
        "clip_gradients",
        "np.sqrt(sum((part**2).sum() for part in gradients))",
        "max(np.linalg.norm(p) for p in gradients)",
    ),
    (
        "clip_gradients",
        "np.sqrt(sum((part**2).sum() for part in gradients))",
        "sum((p**2).sum() for p in gradients)",
    ),
    (
        "clip_gradients",
        "[part * factor for part in gradients]",
        "[np.clip(part, -limit, limit) for part in gradients]",
    ),
    (
        "clip_gradients",
        "    return [part * factor for part in gradients]",
        "    for part in gradients:\n        part *= factor\n    return gradients",
    ),
    (
        "clip_gradients",
        "[part * factor for part in gradients]",
        "[p * min(1, limit / max(np.linalg.norm(p), 1e-12)) for p in gradients]",
    ),
    (
        "rnn_forward",
        "inputs[:, time] @ input_weight.T + hidden @ recurrent_weight.T + bias",
        "inputs[:, time] @ input_weight.T + hidden @ recurrent_weight.T",
    ),
    (
        "rnn_forward",
        "hidden @ recurrent_weight.T + bias)\n        hiddens",
        "hidden @ recurrent_weight + bias)\n        hiddens",
    ),
    ("rnn_forward", "    hiddens = []\n", "    hiddens = []\n    hidden = np.zeros_like(hidden)\n"),
    ("rnn_forward", "np.stack(hiddens, axis=1)", "np.stack(hiddens)"),
    ("rnn_forward", "np.stack(hiddens, axis=1)", "hidden"),
    ("rnn_forward", "hidden = np.tanh(inputs[:, time]", "hidden = np.tanh(inputs[:, -1 - time]"),
    (
        "lstm_step",
        "    i, f, g, o = np.split(sums, 4, axis=1)\n    new_cell",
        "    i, f, o, g = np.split(sums, 4, axis=1)\n    new_cell",
    ),
    (
        "lstm_step",
        "    i, f, g, o = np.split(sums, 4, axis=1)\n    new_cell",
        "    f, i, g, o = np.split(sums, 4, axis=1)\n    new_cell",
    ),
    (
        "lstm_step",
        "np.split(sums, 4, axis=1)\n    new_cell",
        "(sums[:, k::4] for k in range(4))\n    new_cell",
    ),
    ("lstm_step", "new_hidden = sigmoid(o) * np.tanh(new_cell)", "new_hidden = sigmoid(o) * np.tanh(cell)"),
    ("lstm_step", "new_hidden = sigmoid(o) * np.tanh(new_cell)", "new_hidden = sigmoid(o) * new_cell"),
    ("lstm_step", "return new_hidden, new_cell", "return new_cell, new_hidden"),
    ("lstm_step", "sigmoid(i) * np.tanh(g)\n    new_hidden", "sigmoid(i) * sigmoid(g)\n    new_hidden"),
    ("lstm_step", "new_cell = sigmoid(f) * cell", "new_cell = (1 - sigmoid(i)) * cell"),
    ("lstm_step", "return 0.5 * (1 + np.tanh(x / 2))", "return np.exp(x) / (1 + np.exp(x))"),
    (
        "lstm_step",
        "hidden @ recurrent_weight.T + bias\n    i, f, g, o = np.split(sums, 4, axis=1)\n    new",
        "hidden @ recurrent_weight.T\n    i, f, g, o = np.split(sums, 4, axis=1)\n    new",
    ),
    ("rnn_backward", "to_hidden = gradient[:, time] + from_future", "to_hidden = gradient[:, time]"),
    ("rnn_backward", "hiddens[:, time - 1] if time > 0 else hidden", "hiddens[:, time - 1]"),
    ("rnn_backward", "hiddens[:, time - 1] if time > 0 else hidden", "hiddens[:, time]"),
    ("rnn_backward", "to_sum @ recurrent_weight\n", "to_sum @ recurrent_weight.T\n"),
    ("rnn_backward", "to_hidden * (1 - hiddens[:, time] ** 2)", "to_hidden"),
    (
        "rnn_backward",
        "to_hidden * (1 - hiddens[:, time] ** 2)",
        "to_hidden * (1 - np.tanh(hiddens[:, time]) ** 2)",
    ),
    ("rnn_backward", "to_bias += to_sum.sum(axis=0)", "to_bias += to_sum.mean(axis=0)"),
    (
        "rnn_backward",
        "from_future = to_sum @ recurrent_weight\n",
        "from_future = from_future + to_sum @ recurrent_weight\n",
    ),
    (
        "rnn_backward",
        "reversed(range(inputs.shape[1]))",
        "reversed(range(max(0, inputs.shape[1] - 5), inputs.shape[1]))",
    ),
    ("rnn_backward", "to_recurrent_weight += to_sum.T @ before", "to_recurrent_weight += before.T @ to_sum"),
    (
        "lstm_step_backward",
        "to_new_cell = to_cell + to_hidden * o * (1 - squashed**2)",
        "to_new_cell = to_cell",
    ),
    ("lstm_step_backward", "to_new_cell = to_cell + to_hidden * o", "to_new_cell = to_hidden * o"),
    (
        "lstm_step_backward",
        "to_new_cell = to_cell + to_hidden * o * (1 - squashed**2)",
        "to_new_cell = to_cell + to_hidden * o",
    ),
    ("lstm_step_backward", "to_f = to_new_cell * cell *", "to_f = to_new_cell * (f * cell + i * g) *"),
    ("lstm_step_backward", "to_i = to_new_cell * g * i * (1 - i)", "to_i = to_new_cell * g * (1 - i)"),
    ("lstm_step_backward", "to_g = to_new_cell * i * (1 - g**2)", "to_g = to_new_cell * i * g * (1 - g)"),
    ("lstm_step_backward", "to_new_cell * f, to_sums", "to_cell * f, to_sums"),
    ("lstm_step_backward", "to_new_cell * f, to_sums", "to_new_cell, to_sums"),
    ("lstm_step_backward", "to_sums.sum(axis=0)", "to_sums.mean(axis=0)"),
    ("lstm_step_backward", "[to_i, to_f, to_g, to_o]", "[to_i, to_f, to_o, to_g]"),
    ("make_windows", "series = np.asarray(series)", "series = np.asarray(series).astype(int)"),
]
