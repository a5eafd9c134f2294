"""Week 2: convolution and pooling by hand, forward and backward.

Fill in the functions in any order (each is graded by itself), then:

    pycap course check 2 DIR

Pictures are arrays `(batch, channels, rows, cols)`, filters `(outputs, inputs, kernel, kernel)`, all of floats. The
filter is not turned over: lay it on the patch as it is. Loops are welcome; the test pictures are small. Do not change
what you are given. NumPy suffices: the checks compare you with PyTorch.
"""

import numpy as np  # noqa: F401


def output_size(size, kernel, stride=1, padding=0):
    """Return how many positions a filter takes along one side of a picture.

    Args:
        size: pixels along this side.
        kernel: side of the filter.
        stride: pixels from one position to the next.
        padding: pixels added at both ends.

    Returns:
        an int. `output_size(28, 5)` is 24; `output_size(5, 2, stride=2)` is 2, since a filter that would hang over
        the edge is not applied.

    Raises:
        ValueError: the filter does not fit into the padded picture even once.
    """
    raise NotImplementedError("output_size: your turn")


def receptive_field(layers):
    """Return how many input pixels, along one side, one output of a stack of layers depends on.

    Args:
        layers: list of `(kernel, stride)`, first layer first; pooling counts like a filter of its size.

    Returns:
        an int. `receptive_field([(3, 1)])` is 3; for two such layers it is 5; `receptive_field([(3, 2), (3, 1)])` is 7,
        because after the first layer neighbours are 2 pixels apart. No layers: 1.
    """
    raise NotImplementedError("receptive_field: your turn")


def convolve(images, weight, bias, stride=1, padding=0):
    """Slide filters over pictures.

    `out[n, o, r, c] = bias[o] + sum over i, u, v of weight[o, i, u, v] * padded[n, i, stride * r + u, stride * c + v]`
    where `padded` has `padding` rows and columns of zeros on all four sides.

    Args:
        images: `(batch, inputs, rows, cols)`.
        weight: `(outputs, inputs, kernel, kernel)`.
        bias: `(outputs,)`.

    Returns:
        `(batch, outputs, out_rows, out_cols)`.
    """
    raise NotImplementedError("convolve: your turn")


def convolve_backward(grad, images, weight, stride=1, padding=0):
    """Carry the gradient of a loss back through `convolve`.

    Args:
        grad: of the loss by the output of `convolve`, `(batch, outputs, out_rows, out_cols)`.
        images, weight, stride, padding: what `convolve` was called with.

    Returns:
        three arrays: the gradients by images, by weight and by bias, each shaped like what it belongs to. A filter is
        used at many positions and in every picture of the batch: its gradient is the sum over all of them.
    """
    raise NotImplementedError("convolve_backward: your turn")


def max_pool(images, size=2):
    """Keep the largest value of every cell of `size` x `size` pixels; cells do not overlap.

    Args:
        images: `(batch, channels, rows, cols)`. Rows and columns at the end that fill no cell are dropped.

    Returns:
        `(batch, channels, rows // size, cols // size)`.
    """
    raise NotImplementedError("max_pool: your turn")


def max_pool_backward(grad, images, size=2):
    """Carry the gradient of a loss back through `max_pool`.

    Args:
        grad: of the loss by the output, `(batch, channels, rows // size, cols // size)`.
        images: what `max_pool` was called with.

    Returns:
        the gradient by `images`, of their shape: each cell's gradient goes to the pixel that won, the others get zero.
        Where several pixels of a cell are equally large, the first one, row by row, gets all of it.
    """
    raise NotImplementedError("max_pool_backward: your turn")
