"""Week 1: a neural network by hand.

Six functions, from the oldest neuron to a network that learns. NumPy is all you need; plain loops are fine.
After each one:

    pycap course check week1 DIR

A task is right when its check says so; you may write as many functions of your own as you like.
"""

import numpy as np  # noqa: F401


def fit_perceptron(inputs, targets, epochs):
    """Learn a separating line by the perceptron rule.

    Start with zero weights and zero bias. Go through the points in their order, `epochs` times. For each point x
    with target t (+1 or -1), look at the sign of

        weights . x + bias

    If the point is on the wrong side, or exactly on the line (t * (weights . x + bias) <= 0), correct at once:

        weights <- weights + t * x        bias <- bias + t

    A point on the right side changes nothing.

    Args:
        inputs: array (count, features).
        targets: array (count,) of +1 and -1.
        epochs: passes over all points.

    Returns:
        weights, array (features,), and bias, a number.

    Example: inputs [[2, 1], [-1, 1]], targets [1, -1], epochs 1. The first point is on the line (all is zero):
    weights (2, 1), bias 1. The second gives -2 + 1 + 1 = 0, on the line again: weights (3, 0), bias 0.
    """
    raise NotImplementedError("fit_perceptron: your turn")


def sigmoid(x):
    """Squash numbers into 0..1: 1 / (1 + exp(-x)), for any finite x.

    exp(1000) is too large for a float and becomes infinity with a warning, which counts as wrong here: write the
    formula so that exp never sees a large positive number (silencing the warning is no cure). Very negative x must
    come out as tiny numbers, not as rounded zeros: sigmoid(-100) is 3.7e-44, sigmoid(-700) is 9.9e-305.

    Args:
        x: array of any shape, of integers or floats (float64), or a single number.

    Returns:
        values of the same shape; of a single number, a single number.

    Example: sigmoid(0) is 0.5, sigmoid(np.log(3)) is 0.75.
    """
    raise NotImplementedError("sigmoid: your turn")


def softmax_cross_entropy(scores, labels):
    """Return how wrong scores are, and the slope of that.

    Softmax turns each row of scores into probabilities, p_k = exp(s_k) / sum_j exp(s_j). The loss is the mean over
    the rows of -log p_label. Scores may be as large as 1000 or as small as -1000; the loss must be right there too.

    Args:
        scores: array (batch, classes), of integers or floats; leave it as it is.
        labels: integers (batch,), the right class of each row.

    Returns:
        loss, a number, and its gradient with respect to the scores, array (batch, classes).

    Example: scores [[0, 0]], labels [0]: the loss is ln 2 = 0.693, the gradient [[-0.5, 0.5]].
    """
    raise NotImplementedError("softmax_cross_entropy: your turn")


def numerical_gradient(function, point):
    """Measure a gradient without any calculus, by central differences.

    For each number in `point`, one at a time: (f(that number + h) - f(that number - h)) / (2 h), with the other
    numbers as they were. Choose h yourself, so that the error stays below 1e-6 for smooth functions whose values
    and numbers are around 1.

    Args:
        function: takes an array like `point`, returns a number.
        point: float64 array of any shape, a single number's () included. Afterwards it is as it was before.

    Returns:
        the gradient, an array of the same shape.

    Example: of f(x) = sum of x**2 at [1, 2, -3]: [2, 4, -6].
    """
    raise NotImplementedError("numerical_gradient: your turn")


def dense_backward(grad_outputs, inputs, weight):
    """Carry the gradient back through a dense layer.

    Forward it computed outputs = inputs @ weight.T + bias, one row a picture. The loss is a function of the
    outputs, and grad_outputs holds its slope along each of them. By the chain rule, find its slope along each
    number that went in.

    Args:
        grad_outputs: array (batch, outputs).
        inputs: array (batch, inputs).
        weight: array (outputs, inputs).

    Returns:
        grad_inputs (batch, inputs), grad_weight (outputs, inputs), grad_bias (outputs,).

    Do not divide by the batch here: the loss did (see softmax_cross_entropy).

    Example: grad_outputs [[2]], inputs [[3, 4]], weight [[5, 6]]: [[10, 12]], [[6, 8]], [2].
    """
    raise NotImplementedError("dense_backward: your turn")


def train_network(inputs, labels, parameters, learning_rate, momentum, steps):
    """Train a network with one hidden layer: all of the above in a loop.

    The network: hidden = relu(inputs @ weight1.T + bias1), scores = hidden @ weight2.T + bias2, and the loss is the
    softmax cross-entropy of the scores, averaged over the rows, safe for large scores as above. Each step uses all
    rows:

    1. forward: scores and loss; write the loss down;
    2. backward: the gradients of all four parameters, all at their values of this moment;
    3. for each parameter: velocity <- momentum * velocity + gradient, then
       parameter <- parameter - learning_rate * velocity. Velocities start at zero, one for each parameter.

    Args:
        inputs: array (count, features).
        labels: integers (count,).
        parameters: the first values: weight1 (hidden, features), bias1 (hidden,), weight2 (classes, hidden),
            bias2 (classes,). Leave these arrays as they are; work on copies.
        learning_rate, momentum: numbers.
        steps: how often.

    Returns:
        the list of the four trained parameters, in the same order, and the list of losses, one a step, each taken
        before that step's change.
    """
    raise NotImplementedError("train_network: your turn")
