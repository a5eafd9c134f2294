"""What week 1's autograder calls. Oracles: points worked by hand, calculus, PyTorch."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Iterator

import numpy as np

from pycap.course.grading import Task, Wrong, expect_close, expect_unchanged


def check_fit_perceptron(fit_perceptron) -> None:
    given = "inputs [[2, 1], [-1, 1]], targets [1, -1], epochs 1"
    two = np.array([[2.0, 1.0], [-1.0, 1.0]]), np.array([1, -1])
    _expect_line(fit_perceptron(*two, 1), [3, 0], 0, given, "a point exactly on the line counts as wrong")
    # By hand: (1, 3) is a mistake, (1, 2) is one with the opposite target, then (1, 3) again in the second pass.
    crossed = np.array([[1.0, 3.0], [1.0, 2.0]]), np.array([1, -1])
    given = "inputs [[1, 3], [1, 2]], targets [1, -1], epochs"
    _expect_line(fit_perceptron(*crossed, 1), [0, 1], 0, f"{given} 1", "correct at once, not after the pass")
    _expect_line(
        fit_perceptron(*crossed, 2), [-1, -1], -1, f"{given} 2", "carry weights and bias from pass to pass"
    )
    right = np.array([[1.0], [2.0], [3.0], [-1.0]]), np.array([1, 1, 1, -1])
    hint = "only a mistake may change anything"
    _expect_line(
        fit_perceptron(*right, 5),
        [2],
        0,
        "inputs [[1], [2], [3], [-1]], targets [1, 1, 1, -1], epochs 5",
        hint,
    )
    rng = np.random.default_rng(0)
    for features in (1, 2, 5):
        inputs = rng.uniform(-1, 1, (60, features))
        margin = inputs @ np.ones(features) + 0.7
        inputs, margin = inputs[abs(margin) > 0.1], margin[abs(margin) > 0.1]
        targets = np.where(margin > 0, 1, -1)
        with expect_unchanged("fit_perceptron(inputs, ...)", inputs=inputs, targets=targets):
            answer = fit_perceptron(inputs, targets, 300)
        weights, bias = _parts(answer, 2, "fit_perceptron", "weights and bias")
        sides = inputs @ np.asarray(weights, float) + float(bias)
        wrong = int((targets * sides <= 0).sum())
        if wrong:
            raise Wrong(
                "every point on its side",
                f"{wrong} of {len(inputs)} points on the wrong side",
                f"{len(inputs)} points of {features} features that a line off the origin separates, epochs 300",
                "does the bias move too, and do both kinds of mistakes count?",
            )


def _expect_line(answer, weights, bias, given: str, hint: str) -> None:
    got_weights, got_bias = _parts(answer, 2, given, "weights and bias")
    expect_close(got_weights, np.array(weights, float), f"{given}: weights", hint)
    expect_close(np.reshape(_numbers(got_bias), -1), [float(bias)], f"{given}: bias", hint)


def check_sigmoid(sigmoid) -> None:
    cases = {
        0.0: 0.5,
        math.log(3): 0.75,
        -math.log(3): 0.25,
        1.0: 0.7310585786300049,
        -2.0: 0.11920292202211755,
    }
    for x, expected in cases.items():
        hint = "1 / (1 + exp(-x)); a single number in, a single number out"
        expect_close(sigmoid(x), expected, f"sigmoid({x:.4g})", hint)
    x = np.array([[-3.0, -0.5, 0.0], [0.5, 3.0, 20.0]])
    with expect_unchanged("sigmoid(x)", x=x):
        got = sigmoid(x)
    expect_close(
        got, 0.5 * (1 + np.tanh(x / 2)), "sigmoid of an array (2, 3)", "every number by itself", 1e-9
    )
    whole = np.array([-2, 0, 3])
    expect_close(
        sigmoid(whole),
        0.5 * (1 + np.tanh(whole / 2)),
        "sigmoid of integers [-2, 0, 3]",
        "what type is the answer?",
    )
    hint = "exp overflows: use another form of the same formula where x is negative, number by number"
    for x in (1000.0, -1000.0, 710.0, -745.0, 50.0):
        many = np.array([x, 0.0, -x])
        given = f"sigmoid(np.array([{x:g}, 0, {-x:g}]))"
        with _overflows() as overflows:
            got = sigmoid(many)
        expect_close(got, 0.5 * (1 + np.tanh(many / 2)), given, hint)
        if overflows:
            raise Wrong("no overflow", "overflow in exp", given, hint)
    hint = "1 - (nearly 1) loses every digit; do not clip x: exp of a very negative number is fine"
    for x in (-100.0, -600.0, -700.0):
        small = float(np.reshape(_numbers(sigmoid(np.array([x]))), -1)[0])
        if not math.isclose(small, math.exp(x), rel_tol=1e-4):
            raise Wrong(f"{math.exp(x):.4g}", f"{small:.4g}", f"sigmoid(np.array([{x}]))", hint)


@contextlib.contextmanager
def _overflows() -> Iterator[list[str]]:
    """Note each overflow of exp in here, one that is silenced (np.errstate) too."""
    noted: list[str] = []
    exp = np.exp

    def watched(x, *args, **options):
        result = exp(x, *args, **options)
        too_large = np.isinf(result) & np.isfinite(np.asarray(x, float)) & options.get("where", True)
        noted.extend(["exp"] if np.any(too_large) else [])
        return result

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        np.exp = watched
        try:
            yield noted
        finally:
            np.exp = exp
    noted.extend(str(warning.message) for warning in caught if "overflow" in str(warning.message))


def check_softmax_cross_entropy(softmax_cross_entropy) -> None:
    import torch

    def expect(scores, labels, given: str, hint: str) -> None:
        with (
            expect_unchanged(given, scores=scores, labels=labels),
            warnings.catch_warnings(record=True) as caught,
        ):
            warnings.simplefilter("always")
            answer = softmax_cross_entropy(scores, labels)
        loss, gradient = _parts(answer, 2, given, "loss and gradient")
        leaf = torch.tensor(scores, dtype=torch.float64, requires_grad=True)
        expected = torch.nn.functional.cross_entropy(leaf, torch.tensor(labels))
        expected.backward()
        expect_close(np.reshape(_numbers(loss), -1), [expected.item()], f"{given}: loss", hint)
        expect_close(gradient, leaf.grad, f"{given}: gradient", hint)
        if any("overflow" in str(w.message) or "divide by zero" in str(w.message) for w in caught):
            raise Wrong("no overflow, no log(0)", str(caught[0].message), given, hint)

    expect(
        np.array([[0.0, 0.0]]),
        np.array([0]),
        "scores [[0, 0]], labels [0]",
        "-log of the label's probability",
    )
    one = np.array([[1.0, 2.0, 4.0]])
    expect(
        one, np.array([2]), "scores [[1, 2, 4]], labels [2]", "the gradient is softmax, less 1 at the label"
    )
    hint = "the scores may be whole numbers; the gradient is not"
    expect(np.array([[1, 3], [0, 0]]), np.array([1, 0]), "scores of integers [[1, 3], [0, 0]]", hint)
    rng = np.random.default_rng(1)
    hint = "loss and gradient are both averaged over the rows, not over all numbers; softmax runs along a row"
    for batch, classes in ((4, 3), (3, 3), (7, 10), (1, 5)):
        scores = rng.normal(0, 2, (batch, classes))
        labels = rng.integers(classes, size=batch)
        expect(scores, labels, f"random scores ({batch}, {classes})", hint)
    hint = "subtract each row's largest score first; take the logarithm before rounding has made p zero"
    expect(
        np.array([[1000.0, 0.0], [0.0, 1.0]]),
        np.array([0, 0]),
        "scores [[1000, 0], [0, 1]], labels [0, 0]",
        hint,
    )
    far = np.array([[-1000.0, 0.0, 1000.0], [5.0, 5.0, 5.0]])
    expect(far, np.array([0, 1]), "scores [[-1000, 0, 1000], [5, 5, 5]], labels [0, 1]", hint)
    low = np.array([[-1000.0, -1001.0], [-999.0, 998.0]])
    expect(low, np.array([1, 1]), "scores [[-1000, -1001], [-999, 998]], labels [1, 1]", hint)


def check_numerical_gradient(numerical_gradient) -> None:
    rng = np.random.default_rng(2)
    mixed = rng.normal(0, 1, (3, 2))
    cases = [
        (
            "f(x) = sum(x**2) at [1, 2, -3]",
            lambda x: (x**2).sum(),
            np.array([1.0, 2.0, -3.0]),
            lambda x: 2 * x,
        ),
        ("f(x) = sum(sin(x)) at (2, 2)", lambda x: np.sin(x).sum(), rng.normal(0, 1, (2, 2)), np.cos),
        (
            "f(x) = sum(exp(x)) at [1, 2]: h too large shows here",
            lambda x: np.exp(x).sum(),
            np.array([1.0, 2.0]),
            np.exp,
        ),
        (
            "f(x) = product of all at [1, 2, 3]",
            lambda x: x.prod(),
            np.array([1.0, 2.0, 3.0]),
            lambda x: x.prod() / x,
        ),
        (
            "f(x) = sum(mixed * x) + x[0, 1] * x[2, 0], x of shape (3, 2)",
            lambda x: (mixed * x).sum() + x[0, 1] * x[2, 0],
            rng.normal(0, 1, (3, 2)),
            lambda x: (
                mixed
                + x[2, 0] * np.eye(3, 2, 1) * [[1], [0], [0]]
                + x[0, 1] * np.array([[0, 0], [0, 0], [1, 0]])
            ),
        ),
        (
            "f(x) = x**3 at a single number 2, shape ()",
            lambda x: float(x**3),
            np.array(2.0),
            lambda x: 3 * x**2,
        ),
        (
            "f(x) = sum(x**3), x of shape (2, 1, 2)",
            lambda x: (x**3).sum(),
            rng.normal(0, 1, (2, 1, 2)),
            lambda x: 3 * x**2,
        ),
        (
            "f(x) = sum(|x|) at [0, 2, -1]; up and down are alike at 0, so the formula gives 0 there",
            lambda x: abs(x).sum(),
            np.array([0.0, 2.0, -1.0]),
            np.sign,
        ),
    ]
    hint = "one number at a time, up and down by h, with all others as they were; divide by 2 h; mind the size of h"
    for given, function, point, slope in cases:
        expected = slope(point)
        with expect_unchanged(given, point=point):
            got = numerical_gradient(function, point)
        expect_close(got, expected, given, hint, 1e-6)


def check_dense_backward(dense_backward) -> None:
    import torch

    def expect(grad_outputs, inputs, weight, given: str) -> None:
        with expect_unchanged(given, grad_outputs=grad_outputs, inputs=inputs, weight=weight):
            answer = dense_backward(grad_outputs, inputs, weight)
        parts = _parts(answer, 3, given, "grad_inputs, grad_weight, grad_bias")
        leaves = [torch.tensor(part, requires_grad=True) for part in (inputs, weight, np.zeros(len(weight)))]
        torch.nn.functional.linear(*leaves).backward(torch.tensor(grad_outputs))
        hints = (
            "each input reaches every output through one weight; which shapes fit?",
            "every row adds its share: output's slope times input; shape (outputs, inputs); no division by the batch",
            "the bias is added in every row, so its slope is a sum over rows; shape (outputs,)",
        )
        for name, got, leaf, hint in zip(
            ("grad_inputs", "grad_weight", "grad_bias"), parts, leaves, hints, strict=True
        ):
            expect_close(got, leaf.grad, f"{given}: {name}", hint)

    example = np.array([[2.0]]), np.array([[3.0, 4.0]]), np.array([[5.0, 6.0]])
    expect(*example, "grad_outputs [[2]], inputs [[3, 4]], weight [[5, 6]]")
    rng = np.random.default_rng(3)
    for batch, inputs, outputs in ((4, 3, 2), (3, 3, 3), (1, 5, 4), (6, 1, 1)):
        arrays = (
            rng.normal(size=(batch, outputs)),
            rng.normal(size=(batch, inputs)),
            rng.normal(size=(outputs, inputs)),
        )
        expect(*arrays, f"batch {batch}, inputs {inputs}, outputs {outputs}")


def check_train_network(train_network) -> None:
    import torch

    rng = np.random.default_rng(4)

    def expect(count, sizes, rate, momentum, steps, hint: str, lift=0.0, tolerance=1e-5) -> None:
        features, hidden, classes = sizes
        inputs, labels = rng.normal(size=(count, features)), rng.integers(classes, size=count)
        shapes = (hidden, features), (hidden,), (classes, hidden), (classes,)
        parameters = [rng.normal(0, 0.7, shape) for shape in shapes]
        parameters[3] += lift
        given = f"{count} rows, sizes {sizes}, learning rate {rate}, momentum {momentum}, steps {steps}"
        given += f", {lift:g} added to bias2" if lift else ""
        names = ("weight1", "bias1", "weight2", "bias2")
        with expect_unchanged(
            given, inputs=inputs, labels=labels, **dict(zip(names, parameters, strict=True))
        ):
            answer = train_network(inputs, labels, list(parameters), rate, momentum, steps)
        trained, losses = _parts(answer, 2, given, "the parameters and the losses")
        trained = _parts(trained, 4, given, "four parameters")
        leaves = [torch.tensor(parameter, requires_grad=True) for parameter in parameters]
        optimizer = torch.optim.SGD(leaves, lr=rate, momentum=momentum)
        expected = []
        for _ in range(steps):
            optimizer.zero_grad()
            scores = torch.relu(torch.tensor(inputs) @ leaves[0].T + leaves[1]) @ leaves[2].T + leaves[3]
            loss = torch.nn.functional.cross_entropy(scores, torch.tensor(labels))
            loss.backward()
            optimizer.step()
            expected.append(loss.item())
        if len(losses) == steps:
            losses = np.array([np.reshape(_numbers(loss), -1)[0] for loss in losses])
        expect_close(losses, expected, f"{given}: losses", hint, tolerance)
        for name, got, leaf in zip(names, trained, leaves, strict=True):
            expect_close(got, leaf, f"{given}: {name}", hint, tolerance)

    expect(
        6,
        (3, 4, 2),
        0.1,
        0.0,
        1,
        "one step: which gradient is off? relu stops the slope where its input was < 0",
    )
    expect(
        5, (2, 7, 3), 0.2, 0.0, 6, "several steps: compute all four gradients before changing any parameter"
    )
    expect(5, (2, 7, 3), 0.05, 0.9, 8, "momentum: one velocity for each parameter, kept from step to step")
    expect(1, (4, 3, 5), 0.1, 0.5, 4, "a batch of one must work too")
    expect(6, (3, 4, 2), 20.0, 0.5, 4, "every step is taken and noted, also when the loss rises")
    hint = "large scores: the softmax must not overflow (see softmax_cross_entropy)"
    expect(4, (3, 5, 3), 0.1, 0.0, 2, hint, lift=1000.0, tolerance=1e-3)


def _numbers(value) -> np.ndarray:
    return np.asarray(value.detach().numpy() if hasattr(value, "detach") else value)


def _parts(answer, count: int, given: str, what: str) -> tuple:
    """Return an answer's parts, or say that it has another number of them."""
    if not isinstance(answer, (tuple, list)) or len(answer) != count:
        got = f"{len(answer)} parts" if isinstance(answer, (tuple, list)) else f"a {type(answer).__name__}"
        got = "nothing was returned" if answer is None else got
        raise Wrong(f"{count} parts: {what}", got, given, f"return {what}")
    return tuple(answer)


TASKS = (
    Task("fit_perceptron", "Learn a separating line from mistakes", check_fit_perceptron),
    Task("sigmoid", "Squash any number into 0..1 without overflow", check_sigmoid),
    Task(
        "softmax_cross_entropy", "Measure a classifier's surprise, and its slope", check_softmax_cross_entropy
    ),
    Task("numerical_gradient", "Measure a gradient by nudging", check_numerical_gradient),
    Task("dense_backward", "Carry a gradient back through a dense layer", check_dense_backward),
    Task("train_network", "Train a network: forward, backward, momentum", check_train_network),
)
