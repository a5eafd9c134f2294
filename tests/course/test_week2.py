"""Week 2: the layers by hand are PyTorch's, the network by hand learns as its twin, and the pieces do what they say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from pycap.cnn import EfficientNetLite
from pycap.course.scratch import convolution
from pycap.course.week2 import pretrained
from pycap.course.week2.network import (
    ShiftTested,
    Twin,
    draw_weights,
    plan_batches,
    score,
    shift,
    step_by_hand,
    train,
)

SHAPES = [(1, 1, 1, 4, 4, 2), (2, 3, 4, 9, 11, 3), (3, 2, 5, 8, 5, 1), (1, 4, 2, 7, 7, 4)]


def draw(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize(("batch", "inputs", "outputs", "rows", "cols", "kernel"), SHAPES)
def test_convolution_by_hand_is_pytorchs_forward_and_backward(
    batch, inputs, outputs, rows, cols, kernel, padding, stride
):
    arrays = draw(batch, inputs, rows, cols), draw(outputs, inputs, kernel, kernel), draw(outputs)
    tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
    expected = functional.conv2d(*tensors, stride, padding)
    got = convolution.convolve(*arrays, stride, padding)
    np.testing.assert_allclose(got, expected.detach(), atol=1e-10)
    sizes = [convolution.output_size(side, kernel, stride, padding) for side in (rows, cols)]
    assert list(got.shape[2:]) == sizes
    grad = draw(*got.shape)
    expected.backward(torch.from_numpy(grad))
    grads = convolution.convolve_backward(grad, *arrays[:2], stride, padding)
    for mine, tensor in zip(grads, tensors, strict=True):
        np.testing.assert_allclose(mine, tensor.grad, atol=1e-10)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_pooling_by_hand_is_pytorchs_forward_and_backward(size: int):
    images = np.round(draw(2, 3, 8, 7))  # many ties
    tensor = torch.tensor(images, requires_grad=True)
    expected = functional.max_pool2d(tensor, size)
    np.testing.assert_array_equal(convolution.max_pool(images, size), expected.detach())
    grad = draw(*expected.shape)
    expected.backward(torch.from_numpy(grad))
    np.testing.assert_allclose(convolution.max_pool_backward(grad, images, size), tensor.grad)


def test_average_pooling_by_hand_is_pytorchs():
    images = draw(2, 3, 4, 5)
    tensor = torch.tensor(images, requires_grad=True)
    expected = tensor.mean(dim=(2, 3))
    np.testing.assert_allclose(convolution.average_pool(images), expected.detach())
    grad = draw(2, 3)
    expected.backward(torch.from_numpy(grad))
    np.testing.assert_allclose(convolution.average_pool_backward(grad, images.shape), tensor.grad)


def test_a_filter_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="a filter of 5 pixels does not fit into 2 pixels padded by 1"):
        convolution.output_size(2, 5, padding=1)


def test_float32_stays_float32():
    images, weight, bias = (draw(*shape).astype(np.float32) for shape in ((2, 1, 6, 6), (2, 1, 3, 3), (2,)))
    out = convolution.convolve(images, weight, bias, padding=1)
    grads = convolution.convolve_backward(out, images, weight, padding=1)
    pooled = convolution.max_pool(out)
    found = [out, *grads, pooled, convolution.max_pool_backward(pooled, out)]
    assert {part.dtype for part in found} == {np.dtype(np.float32)}


def test_the_network_by_hand_has_its_twins_gradients():
    weights, labels = draw_weights(0), np.array([3, 1, 4])
    images = draw(3, 1, 28, 28).astype(np.float32)
    loss, grads = step_by_hand(weights, images, labels)
    twin = Twin(weights)
    expected = functional.cross_entropy(twin(torch.from_numpy(images)), torch.from_numpy(labels))
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    for name, parameter in twin.named_parameters():
        layer, kind = name.split(".")
        mine = grads[layer if kind == "weight" else f"{layer} bias"]
        np.testing.assert_allclose(mine, parameter.grad, atol=1e-5)


def test_the_twin_has_the_weights_by_hand():
    weights = draw_weights(1)
    read = Twin(weights).read_weights()
    assert read.keys() == weights.keys()
    assert all(np.array_equal(read[name], weights[name]) for name in weights)


def test_batches_are_full_and_use_each_example_once_an_epoch():
    batches = list(plan_batches(11, 5, 2, seed=0))
    assert [len(batch) for batch in batches] == [5] * 4
    assert len(set(np.concatenate(batches[:2]).tolist())) == 10
    assert all(np.array_equal(a, b) for a, b in zip(batches, plan_batches(11, 5, 2, seed=0), strict=True))


@pytest.mark.parametrize("kind", ShiftTested.KINDS)
def test_each_network_learns_and_they_are_of_one_size(kind: str):
    torch.manual_seed(0)
    network, labels = ShiftTested(kind), torch.arange(60) % 3
    images = 0.1 * torch.rand(60, 1, 28, 28)
    for place, label in enumerate(labels.tolist()):
        images[place, :, 8 * label : 8 * label + 6, 4:22] += 1
        images[place, :, :, 10 : 12 + 4 * label] += 1
    train(network, images, labels, lambda: plan_batches(60, 20, 12, 0), rate=5e-3)
    assert score(network, images, labels) > 0.9
    assert 15000 < sum(parameter.numel() for parameter in network.parameters()) < 27000


def test_shifting_moves_to_the_right_and_fills_with_zeros():
    row = torch.tensor([[[[1.0, 2, 3]]]])
    assert shift(row, 1).tolist() == [[[[0, 1, 2]]]]
    assert torch.equal(shift(row, 0), row)


def test_neighbours_are_found_whatever_the_length_of_the_rows():
    features = np.array([[1.0, 0], [9, 1], [0, 1], [0.2, 3], [-5, -5]])
    neighbours = pretrained.find_neighbours(features, 2)
    assert neighbours[2, 0] == 3
    assert all(row not in neighbours[row] for row in range(5))
    assert pretrained.vote(np.array([0, 0, 1, 1, 2]), np.array([[0, 1, 2], [2, 3, 4]])).tolist() == [0, 1]


def test_the_layers_that_are_watched_are_the_networks_own():
    network = EfficientNetLite.pretrained("lite2")
    photo = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    maps = pretrained.watch_layers(network, photo, (3, 20))
    assert {name: layer.shape for name, layer in maps.items()} == {
        "stem": (32, 32, 32),
        "block 4": (144, 16, 16),
        "block 21": (1248, 2, 2),
    }
    assert maps["stem"].max() <= 6


def test_the_most_typical_photo_is_nearest_to_the_mean():
    features, labels = np.array([[0.0], [1], [2], [9], [10]]), np.array([0, 0, 0, 1, 1])
    assert pretrained.choose_typical(features, labels) == [1, 3]
