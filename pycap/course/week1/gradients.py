"""Is the gradient right, and does it reach the first layer? Measured, not believed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pycap.course.scratch.dense import (
    ACTIVATIONS,
    Network,
    numerical_gradient,
    softmax_cross_entropy,
)

GAINS = {"sigmoid": 1.0, "tanh": 1.0, "relu": 2**0.5}


def relative_error(got: NDArray, expected: NDArray) -> float:
    """Return the length of the difference over the sum of both lengths: 0 is equal, 1 is unrelated."""
    return float(np.linalg.norm(got - expected) / (np.linalg.norm(got) + np.linalg.norm(expected) + 1e-300))


def torch_gradients(network: Network, inputs: NDArray, labels: NDArray[np.int64]) -> list[NDArray]:
    """Return what PyTorch says the gradients of a tanh network's parameters are, in the network's order."""
    import torch

    from pycap.nn.dense import Dense

    layers = []
    for weight, bias in zip(network.weights, network.biases, strict=True):
        layer = Dense(weight.shape[1], weight.shape[0]).double()
        layer.load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)})
        layers += [layer, torch.nn.Tanh()]
    scores = torch.nn.Sequential(*layers[:-1])(torch.from_numpy(inputs))
    torch.nn.functional.cross_entropy(scores, torch.from_numpy(labels)).backward()
    dense = layers[::2]
    return [layer.weight.grad.numpy() for layer in dense] + [layer.bias.grad.numpy() for layer in dense]


def check_gradients(lab, images: NDArray, labels: NDArray[np.int64]) -> None:
    """Print, for each parameter of a small network, how far backward is from two other ways to know."""
    network = Network((64, 16, 12, 10), "tanh", rng=np.random.default_rng(lab.seed), gain=1)
    images, labels = images[:20], labels[:20]
    _, grad_scores = softmax_cross_entropy(network.forward(images), labels)
    gradients = network.backward(grad_scores)
    peers = torch_gradients(network, images, labels)
    names = [f"{kind} {layer}" for kind in ("weight", "bias") for layer in (1, 2, 3)]
    rows = []
    for name, parameter, gradient, peer in zip(names, network.parameters, gradients, peers, strict=True):
        measured = numerical_gradient(lambda _: _loss(network, images, labels), parameter)
        rows.append(
            {
                "parameter": name,
                "numbers": gradient.size,
                "against nudging": f"{relative_error(gradient, measured):.1e}",
                "against PyTorch": f"{relative_error(gradient, peer):.1e}",
            }
        )
    lab.table("The backward pass checked: relative error of each gradient", rows)


def _loss(network: Network, images: NDArray, labels: NDArray[np.int64]) -> float:
    return softmax_cross_entropy(network.forward(images), labels)[0]


def measure_steps(seed: int) -> tuple[NDArray[np.float64], dict[str, list[float]]]:
    """Return steps from 1e-1 to 1e-12, and the relative error of nudging by them: central, one-sided, float32."""
    steps = 10.0 ** -np.arange(1, 12.5, 0.5)
    rng = np.random.default_rng(seed)
    network = Network((12, 8, 5), "tanh", rng=rng, gain=1)
    inputs, labels = rng.standard_normal((10, 12)), rng.integers(5, size=10)
    loss, grad_scores = softmax_cross_entropy(network.forward(inputs), labels)
    gradient, weight = network.backward(grad_scores)[0], network.weights[0]
    rough = Network((12, 8, 5), "tanh", rng=rng, dtype=np.float32)
    for there, here in zip(rough.parameters, network.parameters, strict=True):
        there[...] = here
    errors: dict[str, list[float]] = {"up and down": [], "up only": [], "up and down, float32": []}
    for step in steps:
        central = numerical_gradient(lambda _: _loss(network, inputs, labels), weight, step)
        errors["up and down"].append(relative_error(central, gradient))
        one_sided = np.zeros_like(weight)
        for index in np.ndindex(weight.shape):
            kept, weight[index] = weight[index], weight[index] + step
            one_sided[index] = (_loss(network, inputs, labels) - loss) / step
            weight[index] = kept
        errors["up only"].append(relative_error(one_sided, gradient))
        coarse = numerical_gradient(
            lambda _: _loss(rough, inputs.astype(np.float32), labels), rough.weights[0], step
        )
        errors["up and down, float32"].append(relative_error(coarse, gradient))
    return steps, errors


def measure_depth(
    activation: str, images: NDArray, labels: NDArray[np.int64], seed: int, depth: int = 12
) -> list[float]:
    """Return the size (root mean square) of the weights' gradient in each layer of a deep network of 64 units."""
    network = Network(
        (64,) * depth + (10,), activation, rng=np.random.default_rng(seed), gain=GAINS[activation]
    )
    _, grad_scores = softmax_cross_entropy(network.forward(images), labels)
    return [float(np.sqrt((gradient**2).mean())) for gradient in network.backward(grad_scores)[:depth]]


def draw_gradients(lab, images: NDArray, labels: NDArray[np.int64]) -> None:
    """Draw the activations with their slopes, the error of nudging by step, and gradients by depth."""
    x = np.linspace(-4, 4, 161)
    alt = "Sigmoid, tanh and ReLU with their slopes; the slope of the sigmoid never passes a quarter"
    with lab.picture("activations", alt, rows=1, columns=3, size=(8.2, 2.7)) as (_, axes):
        for axis, name in zip(axes, GAINS, strict=True):
            function, slope = ACTIVATIONS[name]
            axis.plot(x, function(x), label=name)
            axis.plot(x, slope(x), "--", label="its slope")
            axis.set(ylim=(-1.2, 2.2), title=name, xlabel="weighted sum")
            axis.legend(loc="upper left")
    alt = "Left: error of the numerical gradient by step. Right: size of the gradient by layer of a deep network"
    with lab.picture("gradients", alt, rows=1, columns=2, size=(8.2, 3.4)) as (_, axes):
        steps, errors = measure_steps(lab.seed)
        for name, values in errors.items():
            axes[0].loglog(steps, values, label=name)
        axes[0].set(
            xlabel="step of the nudge", ylabel="relative error", title="Nudging: neither too far nor too near"
        )
        axes[0].legend()
        for name in GAINS:
            sizes = measure_depth(name, images, labels, lab.seed)
            axes[1].semilogy(range(1, len(sizes) + 1), sizes, marker="o", markersize=3, label=name)
        axes[1].set(
            xlabel="layer, from the input",
            ylabel="size of the gradient",
            title="What reaches the first layer",
        )
        axes[1].legend()
