"""Week 1 in another style: loops, lists and the standard library; PyTorch for the last."""

import math

import torch


def fit_perceptron(inputs, targets, epochs):
    count, features = len(inputs), len(inputs[0])
    weights, bias = [0] * features, 0
    for _ in range(epochs):
        mistakes = 0
        for i in range(count):
            total = bias
            for k in range(features):
                total += weights[k] * inputs[i][k]
            guess = 1 if total > 0 else -1 if total < 0 else 0
            if guess != targets[i]:
                mistakes += 1
                for k in range(features):
                    weights[k] += targets[i] * inputs[i][k]
                bias += targets[i]
        if mistakes == 0:
            break
    return [weights, bias]


def sigmoid(x):
    if hasattr(x, "__len__"):
        return [sigmoid(part) for part in x]
    if x < 0:
        return math.exp(x) / (1 + math.exp(x))
    return 1 / (1 + math.exp(-x))


def softmax_cross_entropy(scores, labels, strict=True):
    total, gradient = 0.0, []
    for row, label in zip(scores.tolist(), labels, strict=True):
        top = max(row)
        log_sum = top + math.log(sum(math.exp(score - top) for score in row))
        total += log_sum - row[label]
        gradient.append([(math.exp(s - log_sum) - (k == label)) / len(labels) for k, s in enumerate(row)])
    return total / len(labels), gradient


def numerical_gradient(function, point):
    flat, step, slopes = point.reshape(-1), 3e-6, []
    for i in range(flat.size):
        kept = flat[i]
        flat[i] = kept + step
        above = function(point)
        flat[i] = kept - step
        below = function(point)
        flat[i] = kept
        slopes.append((above - below) / 2 / step)
    return torch.tensor(slopes, dtype=torch.float64).reshape(point.shape).numpy()


def dense_backward(grad_outputs, inputs, weight):
    batch, outputs, width = len(inputs), len(weight), len(weight[0])
    grad_inputs = [
        [sum(grad_outputs[b][o] * weight[o][i] for o in range(outputs)) for i in range(width)]
        for b in range(batch)
    ]
    grad_weight = [
        [sum(grad_outputs[b][o] * inputs[b][i] for b in range(batch)) for i in range(width)]
        for o in range(outputs)
    ]
    return grad_inputs, grad_weight, [sum(row[o] for row in grad_outputs) for o in range(outputs)]


class Network(torch.nn.Module):
    def __init__(self, parameters):
        super().__init__()
        self.first = torch.nn.Linear(*reversed(parameters[0].shape))
        self.second = torch.nn.Linear(*reversed(parameters[2].shape))
        mine = [self.first.weight, self.first.bias, self.second.weight, self.second.bias]
        for there, here in zip(mine, parameters, strict=True):
            there.data = torch.tensor(here, dtype=torch.float32)

    def forward(self, x):
        return self.second(self.first(x).relu())


def train_network(inputs, labels, parameters, learning_rate, momentum, steps):
    network = Network(parameters)
    optimizer = torch.optim.SGD(network.parameters(), lr=learning_rate, momentum=momentum)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        scores = network(torch.tensor(inputs, dtype=torch.float32))
        loss = torch.nn.functional.cross_entropy(scores, torch.tensor(labels))
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return tuple(network.parameters()), losses
