"""A network of dense layers by hand: perceptron, activations, loss, backward pass, SGD, gradient check.

NumPy only. Weights are `(outputs, inputs)` as in `pycap.nn.dense.Dense`, so that the two can be compared
number by number; the tests do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


def fit_perceptron(
    inputs: Array, targets: NDArray[np.integer], epochs: int
) -> tuple[Array, float, list[int]]:
    """Learn a separating line by correcting one mistake at a time (Rosenblatt 1958).

    Args:
        inputs: points, `(count, features)`.
        targets: +1 or -1 a point, `(count,)`.
        epochs: passes over the points; it stops early after a pass without a mistake.

    Returns:
        weights `(features,)`, bias, and the number of mistakes in each pass made.
    """
    weights, bias, mistakes = np.zeros(inputs.shape[1]), 0.0, []
    for _ in range(epochs):
        wrong = 0
        for point, target in zip(inputs, targets, strict=True):
            if (
                target * (weights @ point + bias) <= 0
            ):  # on the line counts as wrong, or zero weights never move
                weights, bias, wrong = weights + target * point, bias + float(target), wrong + 1
        mistakes.append(wrong)
        if not wrong:
            break
    return weights, bias, mistakes


def sigmoid(x: Array) -> Array:
    """Squash any number into 0..1. `exp` only sees numbers <= 0, so it cannot overflow."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + small), small / (1 + small))


def relu(x: Array) -> Array:
    """Keep what is positive."""
    return np.maximum(x, 0)


# name -> (the function, its slope where the input is x)
ACTIVATIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "relu": (relu, lambda x: (x > 0).astype(x.dtype)),
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "sigmoid": (sigmoid, lambda x: sigmoid(x) * sigmoid(-x)),
    "none": (lambda x: x, np.ones_like),
}


def dense(inputs: Array, weight: Array, bias: Array) -> Array:
    """Weigh and sum: `inputs (batch, inputs)`, `weight (outputs, inputs)` -> `(batch, outputs)`."""
    return inputs @ weight.T + bias


def dense_backward(grad_outputs: Array, inputs: Array, weight: Array) -> tuple[Array, Array, Array]:
    """Carry the loss's gradient from a dense layer's outputs back to all that went in.

    Args:
        grad_outputs: slope of the loss along each output, `(batch, outputs)`.
        inputs: what the layer saw, `(batch, inputs)`.
        weight: `(outputs, inputs)`.

    Returns:
        gradients of the inputs `(batch, inputs)`, weight `(outputs, inputs)` and bias `(outputs,)`.
    """
    return grad_outputs @ weight, grad_outputs.T @ inputs, grad_outputs.sum(axis=0)


def softmax(scores: Array) -> Array:
    """Turn scores `(batch, classes)` into probabilities, each row summing to 1."""
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))  # the largest becomes exp(0): no overflow
    return raised / raised.sum(axis=1, keepdims=True)


def softmax_cross_entropy(scores: Array, labels: NDArray[np.integer]) -> tuple[float, Array]:
    """Measure how surprised the softmax of the scores is by the labels.

    Args:
        scores: `(batch, classes)`.
        labels: right class of each row, `(batch,)`.

    Returns:
        the mean of `-log p(label)` in nats, and its gradient `(batch, classes)`: (softmax - one-hot) / batch.
    """
    shifted = scores - scores.max(axis=1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    rows = np.arange(len(labels))
    grad = np.exp(log_probabilities)
    grad[rows, labels] -= 1
    return float(-log_probabilities[rows, labels].mean()), grad / len(labels)


class Network:
    """Dense layers with an activation between them; the last layer gives plain scores.

    Args:
        sizes: numbers of units from input to output, e.g. `(784, 256, 10)`.
        activation: a name in `ACTIVATIONS`.
        rng: draws the first weights.
        gain: standard deviation of a weight times sqrt(inputs). sqrt(2) keeps the size of the signal through
            ReLU layers (He et al. 2015), 1 through tanh layers.
        dtype: of all parameters.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: str = "relu",
        *,
        rng: np.random.Generator,
        gain: float = 2**0.5,
        dtype: type = np.float64,
    ):
        self.function, self.slope = ACTIVATIONS[activation]
        self.weights = [
            (rng.standard_normal((outputs, inputs)) * gain / np.sqrt(inputs)).astype(dtype)
            for inputs, outputs in pairwise(sizes)
        ]
        self.biases = [np.zeros(outputs, dtype) for outputs in sizes[1:]]

    @property
    def parameters(self) -> list[Array]:
        """All weights, then all biases: the arrays themselves, to be changed in place."""
        return self.weights + self.biases

    def forward(self, inputs: Array) -> Array:
        """Return scores `(batch, classes)`; keep what the backward pass needs."""
        self.seen, self.sums = [inputs], []  # input and weighted sum of each layer
        for weight, bias in zip(self.weights, self.biases, strict=True):
            self.sums.append(dense(self.seen[-1], weight, bias))
            self.seen.append(self.function(self.sums[-1]))
        return self.sums[-1]

    def backward(self, grad_scores: Array) -> list[Array]:
        """Return the gradients of `parameters`, in their order, after a `forward` of the same batch."""
        grad_weights, grad_biases, grad = [], [], grad_scores
        for layer in reversed(range(len(self.weights))):
            if layer < len(self.weights) - 1:
                grad = grad * self.slope(self.sums[layer])
            grad, grad_weight, grad_bias = dense_backward(grad, self.seen[layer], self.weights[layer])
            grad_weights.append(grad_weight)
            grad_biases.append(grad_bias)
        return grad_weights[::-1] + grad_biases[::-1]


class SGD:
    """Stochastic gradient descent with momentum, as `torch.optim.SGD` counts it.

    Args:
        parameters: arrays that `step` changes in place.
        learning_rate: step along the velocity.
        momentum: share of the velocity that is kept, 0-1.
    """

    def __init__(self, parameters: Sequence[Array], learning_rate: float, momentum: float = 0.0):
        self.parameters, self.learning_rate, self.momentum = list(parameters), learning_rate, momentum
        self.velocities = [np.zeros_like(parameter) for parameter in self.parameters]

    def step(self, gradients: Sequence[Array]) -> None:
        """Move every parameter: `velocity = momentum * velocity + gradient`, `parameter -= rate * velocity`."""
        for parameter, velocity, gradient in zip(self.parameters, self.velocities, gradients, strict=True):
            velocity *= self.momentum
            velocity += gradient
            parameter -= self.learning_rate * velocity


def numerical_gradient(function: Callable[[Array], float], point: Array, step: float = 1e-5) -> Array:
    """Measure a gradient by central differences: nudge every number up and down.

    Args:
        function: of an array like `point`, to one number. It may be called with `point` itself, changed for
            the time of the call.
        point: float64, any shape; unchanged afterwards.
        step: size of the nudge. The error falls with step^2 and rises with rounding / step: about 1e-5 is best.
    """
    gradient = np.zeros_like(point)
    for index in np.ndindex(point.shape):
        kept = point[index]
        point[index] = kept + step
        above = function(point)
        point[index] = kept - step
        below = function(point)
        point[index] = kept
        gradient[index] = (above - below) / (2 * step)
    return gradient
