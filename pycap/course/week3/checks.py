"""What the autograder asks of week 3."""

from __future__ import annotations

import numpy as np

from pycap.course.grading import Task, Wrong, expect_close, expect_equal, expect_error

# batch, time, inputs, hidden_dim: batches of one, a single step, all widths different
SHAPES = ((1, 1, 2, 3), (3, 5, 2, 4), (2, 9, 4, 3))


def check_make_windows(make_windows) -> None:
    cases = (
        ([1.0, 2.0, 3.0, 4.0, 5.0], 2, 1, [[1, 2], [2, 3], [3, 4]], [3, 4, 5]),
        ([1.0, 2.0, 3.0, 4.0, 5.0], 2, 2, [[1, 2], [2, 3]], [4, 5]),
        ([5.0, 1.0, 4.0, 2.0, 3.0, 9.0, 7.0], 3, 3, [[5, 1, 4], [1, 4, 2]], [9, 7]),
        ([0.5, -1.25, 4.75], 1, 1, [[0.5], [-1.25]], [-1.25, 4.75]),
        ([5.0, 1.0, 4.0, 8.0], 3, 1, [[5, 1, 4]], [8]),
    )
    for series, window, horizon, rows, targets in cases:
        given = f"series {series}, window={window}, horizon={horizon}"
        got = _unpack(make_windows(np.array(series), window, horizon), 2, given, "rows and targets")
        hint = "write down the first and the last row by their indices: where does each end, where is its target?"
        expect_close(got[0], rows, given=f"{given}: rows", hint=hint)
        expect_close(got[1], targets, given=f"{given}: targets", hint=hint)
    hint = "no row fits: say so instead of returning nothing, or a window with a target from nowhere"
    for length, window, horizon in ((4, 4, 1), (5, 3, 3), (2, 5, 1)):
        given = f"a series of {length}, window={window}, horizon={horizon}"
        expect_error(
            lambda a=(length, window, horizon): make_windows(np.arange(float(a[0])), *a[1:]),
            ValueError,
            given,
            hint,
        )


def check_clip_gradients(clip_gradients) -> None:
    rng = np.random.default_rng(0)
    several = [rng.normal(size=(3, 4)), rng.normal(size=4), rng.normal(size=(2, 1, 2))]
    length = np.linalg.norm(np.concatenate([part.ravel() for part in several]))
    cases = (
        ("[[3], [4]], limit 1", [np.array([3.0]), np.array([4.0])], 1.0, 0.2),
        (
            "[[-3], [4]], limit 5: the length is 5, no more than allowed",
            [np.array([-3.0]), np.array([4.0])],
            5.0,
            1.0,
        ),
        ("three random arrays, limit a third of their length", several, length / 3, 1 / 3),
        ("three random arrays, limit twice their length", several, 2 * length, 1.0),
        ("a gradient of 1e-9, limit 1", [np.array([1e-9, 0.0])], 1.0, 1.0),
        ("gradients of zero", [np.zeros(3), np.zeros((2, 2))], 1.0, 1.0),
        ("one huge array", [np.array([[3e6, -4e6]])], 2.0, 2.0 / 5e6),
    )
    for given, gradients, limit, factor in cases:
        before = [part.copy() for part in gradients]
        got = list(clip_gradients(gradients, limit))
        expect_equal(len(got), len(before), given=f"{given}: number of arrays")
        for place, (part, original) in enumerate(zip(got, before, strict=True)):
            expect_close(
                part,
                original * factor,
                given=f"{given}: array {place}",
                hint="one length for all arrays together, one factor for all of them, and none above 1",
                tolerance=1e-6,
            )
        _expect_same(gradients, before, given)


def check_rnn_forward(rnn_forward) -> None:
    hint = "each step reads the state that the step before it returned; the first one reads `hidden`"
    unit = np.eye(2)
    got = rnn_forward(np.zeros((1, 3, 2)), np.array([[0.5, -1.0]]), unit, 2 * unit, np.zeros(2))
    state, expected = np.array([0.5, -1.0]), []
    for _ in range(3):
        state = np.tanh(2 * state)
        expected.append(state)
    expect_close(got, [expected], given="inputs of zero, W = 2 I, b = 0, hidden [0.5, -1]", hint=hint)
    for shape in (*SHAPES, SHAPES[-1]):  # one shape twice: no state may be kept between calls
        x, start, weights = _draw(shape, blocks=1)
        arguments = (x, start, *weights)
        before = [part.copy() for part in arguments]
        expected = np.empty((*x.shape[:2], start.shape[1]))
        for row in range(shape[0]):
            for time in range(shape[1]):
                previous = start[row] if time == 0 else expected[row, time - 1]
                for unit in range(shape[3]):
                    expected[row, time, unit] = np.tanh(
                        weights[0][unit] @ x[row, time] + weights[1][unit] @ previous + weights[2][unit]
                    )
        expect_close(rnn_forward(*arguments), expected, given=_describe(shape), hint=hint, tolerance=1e-5)
        _expect_same(arguments, before, _describe(shape))


def check_lstm_step(lstm_step) -> None:
    hint = "the blocks are i, f, g, o; g alone goes through tanh; hidden reads the *new* cell"
    for batch, _, inputs, hidden_dim in (*SHAPES, (4, 1, 3, 1)):
        x, hidden, weights = _draw((batch, 1, inputs, hidden_dim), blocks=4)
        x, cell = x[:, 0], np.random.default_rng(5).normal(size=hidden.shape)
        arguments = (x, hidden, cell, *weights)
        before = [part.copy() for part in arguments]
        given = f"batch {batch}, inputs {inputs}, hidden_dim {hidden_dim}, random values"
        got = _unpack(lstm_step(*arguments), 2, given, "new hidden and new cell")
        expected = _lstm(*arguments)
        expect_close(got[1], expected[1], given=f"{given}: new cell", hint=hint, tolerance=1e-5)
        expect_close(got[0], expected[0], given=f"{given}: new hidden", hint=hint, tolerance=1e-5)
        _expect_same(arguments, before, given)
    extreme = (
        "a gate with a sum of 2000 is open, with -2000 shut; exp(2000) is infinite, and inf / inf is NaN"
    )
    one, zero = np.ones((1, 1)), np.zeros((1, 1))
    for biases, expected in (
        ([-2000.0, 2000.0, 0.0, 2000.0], (np.tanh(0.7), 0.7)),  # keep
        ([2000.0, -2000.0, 2000.0, -2000.0], (0.0, 1.0)),  # forget, write 1, show nothing
        ([2000.0, -2000.0, -2000.0, 2000.0], (np.tanh(-1), -1.0)),
    ):
        given = f"sums i, f, g, o = {biases}, cell 0.7"
        got = lstm_step(zero, zero, 0.7 * one, np.zeros((4, 1)), np.zeros((4, 1)), np.array(biases))
        got = _unpack(got, 2, given, "new hidden and new cell")
        expect_close(got[1], [[expected[1]]], given=f"{given}: new cell", hint=extreme)
        expect_close(got[0], [[expected[0]]], given=f"{given}: new hidden", hint=extreme)


def check_rnn_backward(rnn_backward) -> None:
    names = ("U", "W", "b", "the state before the first step")
    for shape in SHAPES:
        x, start, weights = _draw(shape, blocks=1)
        rng = np.random.default_rng(7)
        everywhere = rng.normal(size=(*x.shape[:2], start.shape[1]))
        at_end = np.zeros_like(everywhere)
        at_end[:, -1] = everywhere[:, -1]
        for where, reads in (("the last state only", at_end), ("every state", everywhere)):

            def loss(u, w, b, first, x=x, reads=reads):
                return float((_rnn(x, first, u, w, b) * reads).sum())

            hiddens = _rnn(x, start, *weights)
            given = f"{_describe(shape)}, a loss that reads {where}"
            arguments = (reads, x, start, hiddens, weights[0], weights[1])
            before = [part.copy() for part in arguments]
            got = _unpack(rnn_backward(*arguments), 4, given, "gradients of U, W, b and the first state")
            expected = _slopes(loss, (*weights, start))
            for name, ours, theirs in zip(names, got, expected, strict=True):
                expect_close(
                    ours,
                    theirs,
                    given=f"{given}: gradient with respect to {name}",
                    hint="a state's gradient is what the loss says plus what the next step says; then through tanh "
                    "(1 - h^2); W meets the state *before* the step",
                    tolerance=2e-4,
                )
            _expect_same(arguments, before, given)


def check_lstm_step_backward(lstm_step_backward) -> None:
    names = ("x", "hidden", "cell", "bias")
    for batch, _, inputs, hidden_dim in SHAPES:
        x, hidden, weights = _draw((batch, 1, inputs, hidden_dim), blocks=4)
        rng = np.random.default_rng(9)
        x, cell, random_hidden, random_cell = x[:, 0], *(rng.normal(size=(3, *hidden.shape)))
        zeros = np.zeros_like(cell)
        for what, to_hidden, to_cell in (
            ("hidden only", random_hidden, zeros),
            ("cell only", zeros, random_cell),
            ("hidden and cell", random_hidden, random_cell),
        ):

            def loss(x, hidden, cell, bias, to_hidden=to_hidden, to_cell=to_cell, weights=weights):
                new_hidden, new_cell = _lstm(x, hidden, cell, *weights[:2], bias)
                return float((new_hidden * to_hidden).sum() + (new_cell * to_cell).sum())

            given = f"batch {batch}, inputs {inputs}, hidden_dim {hidden_dim}; gradient arrives at {what}"
            arguments = (to_hidden, to_cell, x, hidden, cell, *weights)
            before = [part.copy() for part in arguments]
            got = _unpack(lstm_step_backward(*arguments), 4, given, "gradients of x, hidden, cell and bias")
            for name, ours, theirs in zip(
                names, got, _slopes(loss, (x, hidden, cell, weights[2])), strict=True
            ):
                expect_close(
                    ours,
                    theirs,
                    given=f"{given}: gradient with respect to {name}",
                    hint="the new cell hears from later steps *and* from the new hidden state; each gate then goes "
                    "through its own slope, s (1 - s) or 1 - tanh^2",
                    tolerance=2e-4,
                )
            _expect_same(arguments, before, given)


def _draw(shape: tuple[int, ...], blocks: int) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, ...]]:
    """Random inputs, first state (not zero) and weights U, W, b."""
    batch, time, inputs, hidden_dim = shape
    rng = np.random.default_rng(sum(shape))
    rows = blocks * hidden_dim
    weights = (
        rng.normal(0, 0.7, (rows, inputs)),
        rng.normal(0, 0.7, (rows, hidden_dim)),
        rng.normal(0, 0.7, rows),
    )
    return rng.normal(size=(batch, time, inputs)), rng.normal(0, 0.5, (batch, hidden_dim)), weights


def _rnn(x, state, u, w, b):
    states = []
    for time in range(x.shape[1]):
        state = np.tanh(x[:, time] @ u.T + state @ w.T + b)
        states.append(state)
    return np.stack(states, axis=1)


def _lstm(x, hidden, cell, u, w, b):
    """One unit at a time, written out."""
    size = cell.shape[1]
    new_hidden, new_cell = np.empty_like(cell), np.empty_like(cell)
    for unit in range(size):
        i, f, g, o = (x @ u[row] + hidden @ w[row] + b[row] for row in range(unit, 4 * size, size))
        new_cell[:, unit] = cell[:, unit] / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
        new_hidden[:, unit] = np.tanh(new_cell[:, unit]) / (1 + np.exp(-o))
    return new_hidden, new_cell


def _slopes(loss, arguments, step: float = 1e-5) -> list[np.ndarray]:
    """Numerical derivatives of a loss with respect to each of its arguments."""
    arguments = [part.copy() for part in arguments]
    slopes = []
    for part in arguments:
        slope = np.empty_like(part)
        for place in np.ndindex(part.shape):
            kept = part[place]
            part[place] = kept + step
            above = loss(*arguments)
            part[place] = kept - step
            slope[place] = (above - loss(*arguments)) / (2 * step)
            part[place] = kept
        slopes.append(slope)
    return slopes


def _describe(shape: tuple[int, ...]) -> str:
    return "batch {}, time {}, inputs {}, hidden_dim {}, random values".format(*shape)


def _unpack(got, count: int, given: str, what: str) -> list:
    if not isinstance(got, (tuple, list)) or len(got) != count:
        size = f"{type(got).__name__} of {len(got)}" if hasattr(got, "__len__") else type(got).__name__
        raise Wrong(
            given=given, expected=f"{count} things: {what}", got=size, hint="return them separated by commas"
        )
    return list(got)


def _expect_same(arguments, before, given: str) -> None:
    for now, then in zip(arguments, before, strict=True):
        if not np.array_equal(now, then):
            raise Wrong(
                given=given,
                expected="arguments as they were",
                got="an argument was changed in place",
                hint="`a *= b` writes into the caller's array; `a = a * b` makes a new one",
            )


TASKS = (
    Task("make_windows", "Cut a series into windows and the value to forecast", check_make_windows),
    Task("clip_gradients", "Shrink all gradients together when they are too long", check_clip_gradients),
    Task("rnn_forward", "Run a simple recurrent network over a batch", check_rnn_forward),
    Task("lstm_step", "One step of an LSTM, without overflow", check_lstm_step),
    Task("rnn_backward", "Backpropagate through time by hand", check_rnn_backward),
    Task("lstm_step_backward", "Go back through one step of an LSTM", check_lstm_step_backward),
)
