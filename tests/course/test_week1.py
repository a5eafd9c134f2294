"""Week 1's layers by hand compute what PyTorch computes, and its experiment's pieces show what the lesson claims."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pycap.course.lab import Lab
from pycap.course.scratch.dense import (
    ACTIVATIONS,
    SGD,
    Network,
    dense_backward,
    fit_perceptron,
    numerical_gradient,
    sigmoid,
    softmax,
    softmax_cross_entropy,
)
from pycap.course.units import find_unit
from pycap.course.week1.curves import draw_clothes, load_digits
from pycap.course.week1.gradients import check_gradients, measure_depth, measure_steps
from pycap.course.week1.toys import TOYS
from pycap.course.week1.training import draw_batches, train
from pycap.nn.dense import Dense


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_a_perceptron_separates_what_a_line_separates(rng: np.random.Generator):
    points, labels = TOYS["blobs"](200, rng)
    weights, bias, mistakes = fit_perceptron(points, 2 * labels - 1, epochs=50)
    assert ((points @ weights + bias > 0) == labels).all()
    assert mistakes[-1] == 0
    assert len(mistakes) < 50


@pytest.mark.parametrize("toy", ["corners", "moons", "spirals"])
def test_no_line_separates_the_other_toys(toy: str, rng: np.random.Generator):
    points, labels = TOYS[toy](200, rng)
    assert min(fit_perceptron(points, 2 * labels - 1, epochs=100)[2]) > 0


@pytest.mark.filterwarnings("error")
def test_sigmoid_and_softmax_survive_extreme_numbers():
    far = np.array([-1e4, -800.0, 0, 800, 1e4])
    assert np.allclose(sigmoid(far), [0, 0, 0.5, 1, 1])
    assert np.isclose(sigmoid(np.array(-100.0)), np.exp(-100), rtol=1e-9)
    assert np.allclose(softmax(far[None]), [[0, 0, 0, 0, 1]])
    assert np.isclose(softmax_cross_entropy(far[None], np.array([0]))[0], 2e4)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_slope_of_an_activation_is_its_derivative(name: str, rng: np.random.Generator):
    function, slope = ACTIVATIONS[name]
    x = rng.normal(0, 2, 50)
    assert np.allclose(slope(x), (function(x + 1e-6) - function(x - 1e-6)) / 2e-6, atol=1e-7)


@pytest.mark.parametrize("batch", [1, 5])
def test_dense_and_its_backward_agree_with_the_captioners_layer(batch: int, rng: np.random.Generator):
    layer = Dense(4, 3).double()
    x = torch.tensor(rng.normal(size=(batch, 4)), requires_grad=True)
    grad_outputs = rng.normal(size=(batch, 3))
    layer(x).backward(torch.tensor(grad_outputs))
    got = dense_backward(grad_outputs, x.detach().numpy(), layer.weight.detach().numpy())
    for mine, peer in zip(got, (x.grad, layer.weight.grad, layer.bias.grad), strict=True):
        assert np.allclose(mine, peer, atol=1e-12)


def test_cross_entropy_agrees_with_torch(rng: np.random.Generator):
    scores = torch.tensor(rng.normal(0, 3, (6, 5)), requires_grad=True)
    labels = rng.integers(5, size=6)
    expected = torch.nn.functional.cross_entropy(scores, torch.tensor(labels))
    expected.backward()
    loss, grad = softmax_cross_entropy(scores.detach().numpy(), labels)
    assert np.isclose(loss, expected.item(), atol=1e-12)
    assert np.allclose(grad, scores.grad, atol=1e-12)


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_the_networks_gradient_is_the_measured_one(activation: str, rng: np.random.Generator):
    network = Network((5, 6, 4, 3), activation, rng=rng)
    inputs, labels = rng.normal(size=(7, 5)), rng.integers(3, size=7)
    gradients = network.backward(softmax_cross_entropy(network.forward(inputs), labels)[1])

    def loss(_: np.ndarray) -> float:
        return softmax_cross_entropy(network.forward(inputs), labels)[0]

    for parameter, gradient in zip(network.parameters, gradients, strict=True):
        before = parameter.copy()
        assert np.allclose(gradient, numerical_gradient(loss, parameter), atol=1e-8)
        assert (parameter == before).all()


def test_sgd_steps_as_torch_does(rng: np.random.Generator):
    start, gradients = rng.normal(size=4), rng.normal(size=(5, 4))
    mine, peer = start.copy(), torch.tensor(start)
    ours, theirs = SGD([mine], 0.1, 0.9), torch.optim.SGD([peer], lr=0.1, momentum=0.9)
    for gradient in gradients:
        ours.step([gradient])
        peer.grad = torch.tensor(gradient)
        theirs.step()
    assert np.allclose(mine, peer, atol=1e-12)


def test_batches_hold_every_row_once(rng: np.random.Generator):
    batches = list(draw_batches(10, 4, rng))
    assert [len(batch) for batch in batches] == [4, 4, 2]
    assert sorted(np.concatenate(batches)) == list(range(10))


def test_digits_are_learnt_and_a_run_repeats():
    learn, held_out, test = load_digits(seed=0)
    assert [len(part[1]) for part in (learn, held_out, test)] == [1197, 300, 300]
    accuracies = []
    for _ in range(2):
        rng = np.random.default_rng(0)
        network = Network((64, 32, 10), rng=rng)
        *_, history = train(network, learn, held_out, epochs=8, learning_rate=0.3, rng=rng, momentum=0)
        accuracies.append(history.held_out_accuracy)
    assert accuracies[0] == accuracies[1]
    assert accuracies[0][-1] > 0.93


def test_the_best_step_of_nudging_is_in_the_middle():
    steps, errors = measure_steps(seed=0)
    best = steps[np.argmin(errors["up and down"])]
    assert 1e-6 < best < 1e-4
    assert min(errors["up and down"]) < min(errors["up only"]) < min(errors["up and down, float32"])


def test_sigmoids_lose_the_gradient_on_the_way_and_relu_does_not():
    (images, labels), *_ = load_digits(seed=0)
    sigmoids, relus = (
        measure_depth(name, images[:200], labels[:200], seed=0) for name in ("sigmoid", "relu")
    )
    assert sigmoids[0] < 1e-5 * sigmoids[-1]
    assert relus[0] > 0.1 * relus[-1]


def test_the_experiments_tables_and_pictures_come_out(
    tmp_path: Path, rng: np.random.Generator, capsys: pytest.CaptureFixture
):
    lab = Lab(find_unit("week1"), tmp_path, quick=True)
    (images, labels), *_ = load_digits(seed=0)
    check_gradients(lab, images, labels)
    clothes = rng.integers(0, 256, (300, 28, 28), dtype=np.uint8)
    draw_clothes(lab, clothes, rng.integers(10, size=300), (clothes[:50], rng.integers(10, size=50)))
    shown = capsys.readouterr().out
    assert "against PyTorch" in shown
    assert "256 hidden units" in shown
    assert (tmp_path / "clothes.png").exists()
