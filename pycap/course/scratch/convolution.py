"""Convolution and pooling by hand in NumPy, forward and backward; the captioner's own layer is `pycap.nn.conv`.

Pictures are `(batch, channels, rows, cols)`, filters `(outputs, inputs, kernel, kernel)`, as in PyTorch, and like
there a "convolution" does not turn the filter over: strictly it is a cross-correlation. Every function keeps the
float type of its pictures.

The one idea: lay out the patch under every position of the filter, and convolution is a product of matrices. Its
backward pass is two more products, and the adding back of patches to where they were taken from.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

Array = np.ndarray


def output_size(size: int, kernel: int, stride: int = 1, padding: int = 0) -> int:
    """Return how many positions a filter takes along one side.

    Args:
        size: rows or columns of the picture.
        kernel: side of the filter.
        stride: pixels between two positions.
        padding: zeros added at each end.

    Raises:
        ValueError: the filter is larger than the padded picture.
    """
    room = size + 2 * padding - kernel
    if room < 0:
        raise ValueError(f"a filter of {kernel} pixels does not fit into {size} pixels padded by {padding}")
    return room // stride + 1


def pad(images: Array, padding: int) -> Array:
    """Surround pictures `(batch, channels, rows, cols)` with `padding` rows and columns of zeros."""
    return np.pad(images, ((0, 0), (0, 0), (padding, padding), (padding, padding)))


def take_patches(images: Array, kernel: int, stride: int = 1) -> Array:
    """Return the patch under every position of a filter, as a view: nothing is copied.

    Args:
        images: `(batch, channels, rows, cols)`, padded already.

    Returns:
        `(batch, channels, out_rows, out_cols, kernel, kernel)`, read only.
    """
    return sliding_window_view(images, (kernel, kernel), axis=(2, 3))[:, :, ::stride, ::stride]


def add_patches(patches: Array, shape: tuple[int, ...], stride: int = 1) -> Array:
    """Add patches to where `take_patches` took them from; pixels under several patches get the sum.

    This is the transpose of taking, hence how a gradient goes back through it. The loop runs over the pixels of the
    filter, not of the picture: 9 steps for a 3 x 3 filter.

    Args:
        patches: `(batch, channels, out_rows, out_cols, kernel, kernel)`.
        shape: of the padded pictures.

    Returns:
        an array of that shape.
    """
    rows, cols, kernel = *patches.shape[2:4], patches.shape[-1]
    images = np.zeros(shape, patches.dtype)
    for row in range(kernel):
        for col in range(kernel):
            images[:, :, row : row + stride * rows : stride, col : col + stride * cols : stride] += patches[
                ..., row, col
            ]
    return images


def convolve(images: Array, weight: Array, bias: Array, stride: int = 1, padding: int = 0) -> Array:
    """Slide filters over pictures: each output is a patch times a filter, summed, plus the bias.

    Args:
        images: `(batch, inputs, rows, cols)`.
        weight: filters `(outputs, inputs, kernel, kernel)`.
        bias: `(outputs,)`.

    Returns:
        `(batch, outputs, out_rows, out_cols)`.
    """
    patches = take_patches(pad(images, padding), weight.shape[-1], stride)
    out = np.tensordot(patches, weight, axes=((1, 4, 5), (1, 2, 3)))  # (batch, out_rows, out_cols, outputs)
    return np.moveaxis(out + bias, -1, 1)


def convolve_backward(
    grad: Array, images: Array, weight: Array, stride: int = 1, padding: int = 0
) -> tuple[Array, Array, Array]:
    """Carry the loss's gradient back through `convolve`.

    Args:
        grad: of the loss by the output, `(batch, outputs, out_rows, out_cols)`.
        images, weight, stride, padding: as `convolve` got them.

    Returns:
        gradients by `images`, `weight` and `bias`, shaped like these.
    """
    padded = pad(images, padding)
    patches = take_patches(padded, weight.shape[-1], stride)
    weight_grad = np.tensordot(
        grad, patches, axes=((0, 2, 3), (0, 2, 3))
    )  # summed over pictures and positions
    bias_grad = grad.sum(axis=(0, 2, 3))
    spread = np.tensordot(
        grad, weight, axes=((1,), (0,))
    )  # (batch, out_rows, out_cols, inputs, kernel, kernel)
    images_grad = add_patches(np.moveaxis(spread, 3, 1), padded.shape, stride)
    rows, cols = images.shape[2:]
    return images_grad[:, :, padding : padding + rows, padding : padding + cols], weight_grad, bias_grad


def max_pool(images: Array, size: int = 2) -> Array:
    """Keep the largest value of every `size` x `size` cell; rows and columns that fill no cell are dropped.

    Args:
        images: `(batch, channels, rows, cols)`.

    Returns:
        `(batch, channels, rows // size, cols // size)`.
    """
    return take_patches(images, size, size).max(axis=(-2, -1))


def max_pool_backward(grad: Array, images: Array, size: int = 2) -> Array:
    """Carry a gradient back through `max_pool`: all of it goes to each cell's winner, the first of equals.

    Args:
        grad: `(batch, channels, rows // size, cols // size)`.
        images: as `max_pool` got them.

    Returns:
        the gradient by `images`, mostly zeros.
    """
    cells = take_patches(images, size, size)
    flat = cells.reshape(*cells.shape[:4], size * size)
    won = np.arange(size * size) == flat.argmax(axis=-1)[..., None]
    return add_patches((won * grad[..., None]).reshape(cells.shape), images.shape, size)


def average_pool(images: Array) -> Array:
    """Average every channel over the whole picture, `(batch, channels, rows, cols)` -> `(batch, channels)`."""
    return images.mean(axis=(2, 3))


def average_pool_backward(grad: Array, shape: tuple[int, ...]) -> Array:
    """Carry a gradient `(batch, channels)` back through `average_pool`: each pixel of `shape` gets its share."""
    return np.broadcast_to(grad[:, :, None, None] / (shape[2] * shape[3]), shape)
