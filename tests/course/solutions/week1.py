"""Right answers to week 1."""

import numpy as np


def fit_perceptron(inputs, targets, epochs):
    weights, bias = np.zeros(inputs.shape[1]), 0.0
    for _ in range(epochs):
        for point, target in zip(inputs, targets, strict=True):
            if target * (weights @ point + bias) <= 0:
                weights = weights + target * point
                bias = bias + target
    return weights, bias


def sigmoid(x):
    small = np.exp(-np.abs(x))
    return np.where(np.asarray(x) >= 0, 1 / (1 + small), small / (1 + small))


def softmax_cross_entropy(scores, labels):
    shifted = scores - scores.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    rows = np.arange(len(labels))
    gradient = np.exp(log_p)
    gradient[rows, labels] -= 1
    return -log_p[rows, labels].mean(), gradient / len(labels)


def numerical_gradient(function, point):
    step = 1e-5
    gradient = np.zeros_like(point)
    for index in np.ndindex(point.shape):
        above, below = point.copy(), point.copy()
        above[index] += step
        below[index] -= step
        gradient[index] = (function(above) - function(below)) / (2 * step)
    return gradient


def dense_backward(grad_outputs, inputs, weight):
    return grad_outputs @ weight, grad_outputs.T @ inputs, grad_outputs.sum(axis=0)


def train_network(inputs, labels, parameters, learning_rate, momentum, steps):
    parameters = [parameter.copy() for parameter in parameters]
    velocities = [np.zeros_like(parameter) for parameter in parameters]
    losses = []
    for _ in range(steps):
        weight1, bias1, weight2, bias2 = parameters
        sums = inputs @ weight1.T + bias1
        hidden = np.maximum(sums, 0)
        loss, grad_scores = softmax_cross_entropy(hidden @ weight2.T + bias2, labels)
        losses.append(loss)
        grad_hidden, grad_weight2, grad_bias2 = dense_backward(grad_scores, hidden, weight2)
        grad_sums = grad_hidden * (sums > 0)
        _, grad_weight1, grad_bias1 = dense_backward(grad_sums, inputs, weight1)
        gradients = [grad_weight1, grad_bias1, grad_weight2, grad_bias2]
        for i, gradient in enumerate(gradients):
            velocities[i] = momentum * velocities[i] + gradient
            parameters[i] = parameters[i] - learning_rate * velocities[i]
    return parameters, losses
