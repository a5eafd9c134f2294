"""What the autograder asks of week 2's assignments. The oracles are PyTorch's own operations."""

from __future__ import annotations

import copy

import numpy as np

from pycap.course.grading import Task, Wrong, expect_close, expect_equal, expect_error, expect_unchanged

# batch, inputs, outputs, rows, cols, kernel, stride, padding
SHAPES = (
    (1, 1, 1, 4, 4, 2, 1, 0),
    (2, 3, 4, 6, 5, 3, 1, 0),
    (1, 2, 3, 5, 7, 3, 1, 1),
    (3, 2, 2, 7, 8, 3, 2, 1),
    (2, 1, 2, 6, 6, 2, 3, 0),
    (1, 3, 2, 5, 4, 1, 2, 0),
    (1, 2, 1, 6, 9, 4, 2, 2),
)


def check_output_size(output_size):
    cases = (
        (28, 5, 1, 0, 24),
        (28, 3, 1, 1, 28),
        (5, 2, 2, 0, 2),
        (28, 3, 2, 1, 14),
        (7, 7, 3, 0, 1),
        (8, 3, 3, 2, 4),
    )
    for size, kernel, stride, padding, expected in cases:
        given = f"output_size({size}, {kernel}, stride={stride}, padding={padding})"
        got = output_size(size, kernel, stride=stride, padding=padding)
        hint = "how far can the filter's first pixel move before its last one leaves the padded picture?"
        expect_equal(got, expected, given, hint)
        _expect_int(got, given, "a number of positions is an int: which division is whole?")
    expect_equal(output_size(10, 3), 8, "output_size(10, 3)", "stride is 1 and padding 0 unless given")
    for size, kernel, padding in ((3, 5, 0), (2, 7, 2)):
        expect_error(
            lambda size=size, kernel=kernel, padding=padding: output_size(size, kernel, 2, padding),
            ValueError,
            f"output_size({size}, {kernel}, 2, {padding})",
            "a filter that is larger than the padded picture fits nowhere",
        )
    expect_equal(
        output_size(3, 5, 1, 1),
        1,
        "output_size(3, 5, 1, 1)",
        "with its padding this picture is just large enough",
    )


def check_receptive_field(receptive_field):
    cases = (
        ([], 1, "without a layer the output is the pixel itself"),
        ([(3, 1)], 3, "one layer sees its filter"),
        ([(3, 1), (3, 1)], 5, "a second layer adds what its filter reaches beyond the first"),
        ([(3, 2), (3, 1)], 7, "after a stride of 2, neighbouring outputs are 2 pixels apart"),
        ([(3, 1), (3, 2)], 5, "a layer's own stride matters to the layers behind it, not to itself"),
        ([(5, 1), (2, 2), (5, 1), (2, 2)], 16, "distances multiply from layer to layer"),
        ([(3, 2), (3, 2), (1, 1), (3, 2), (3, 1)], 31, "distances multiply from layer to layer"),
        ([(2, 3), (2, 3), (2, 1)], 14, "distances multiply from layer to layer, whatever the stride"),
        ([(1, 2), (1, 3)], 1, "a filter of one pixel sees one pixel, whatever its stride"),
    )
    for layers, expected, hint in cases:
        mine = copy.deepcopy(layers)
        got = receptive_field(mine)
        expect_equal(got, expected, f"receptive_field({layers})", hint)
        _expect_int(got, f"receptive_field({layers})", "a number of pixels is an int")
        expect_equal(
            mine, layers, f"the list after receptive_field({layers})", "the list belongs to the caller"
        )


def check_convolve(convolve):
    box = np.arange(9.0).reshape(1, 1, 3, 3)
    corner = np.array([[[[1.0, 0.0], [0.0, 0.0]]]])
    given = "convolve(0..8 as 3 x 3, a filter [[1, 0], [0, 0]], bias 0)"
    hint = "this filter picks the upper left pixel of each patch: is it turned over?"
    expect_close(convolve(box, corner, np.zeros(1)), [[[[0, 1], [3, 4]]]], given, hint)
    for number, shape in enumerate(SHAPES):
        images, weight, bias, stride, padding = _draw(number, *shape)
        given = _name("convolve", images, weight, stride, padding)
        with expect_unchanged(given, images=images, weight=weight, bias=bias):
            got = convolve(images, weight, bias, stride=stride, padding=padding)
        plain = _torch_convolve(images, weight, np.zeros_like(bias), stride, padding)
        hint = "compare with the formula, index by index"
        if _same(got, plain):
            hint = "what became of the bias?"
        elif _same(got, _torch_convolve(images, weight[..., ::-1, ::-1].copy(), bias, stride, padding)):
            hint = "the filter is turned over; here it is laid on as it is"
        expect_close(got, _torch_convolve(images, weight, bias, stride, padding), given, hint, 1e-4)
    images, weight, bias, *_ = _draw(9, 2, 1, 2, 4, 4, 3, 1, 0)
    expected = _torch_convolve(images, weight, bias, 1, 0)
    expect_close(
        convolve(images, weight, bias), expected, "convolve(images, weight, bias)", "defaults: 1 and 0", 1e-4
    )


def check_convolve_backward(convolve_backward):
    import torch
    from torch.nn import functional

    parts = ("the gradient by images", "the gradient by weight", "the gradient by bias")
    hints = (
        "each output spreads its gradient over its patch; patches overlap, so add, and cut the padding off",
        "which patch met this filter at each position? Sum gradient times patch over positions and pictures",
        "the bias is added at every position of every picture: a sum, not a mean",
    )
    for number, shape in enumerate(
        (*SHAPES, SHAPES[1])
    ):  # one shape twice: nothing may be kept between calls
        images, weight, bias, stride, padding = _draw(number, *shape)
        tensors = [torch.tensor(array, requires_grad=True) for array in (images, weight, bias)]
        out = functional.conv2d(*tensors, stride, padding)
        grad = np.random.default_rng(50 + number).normal(size=tuple(out.shape))
        out.backward(torch.from_numpy(grad))
        given = _name("convolve_backward", images, weight, stride, padding, grad)
        with expect_unchanged(given, grad=grad, images=images, weight=weight):
            if number == 1:  # stride 1 and padding 0
                given = given.replace(", stride=1, padding=0", "")
                got = convolve_backward(grad, images, weight)
            else:
                got = convolve_backward(grad, images, weight, stride=stride, padding=padding)
        _expect_three(got, given)
        for mine, tensor, part, hint in zip(got, tensors, parts, hints, strict=True):
            expect_close(mine, tensor.grad, f"{given}: {part}", hint, 1e-4)


def check_max_pool(max_pool):
    expect_close(
        max_pool(np.arange(16.0).reshape(1, 1, 4, 4)),
        [[[[5, 7], [13, 15]]]],
        "max_pool(0..15 as 4 x 4)",
        "cells of 2 x 2",
    )
    for images, size in _draw_pooled():
        given = f"max_pool(images {images.shape}, size={size})"
        with expect_unchanged(given, images=images):
            got = max_pool(images, size=size)
        hint = "cells do not overlap, each channel is pooled by itself, and the rest at the end is dropped"
        if images.max() < 0:
            hint = "all these pixels are negative: what does the search for the largest begin with?"
        expect_close(got, _torch_pool(images, size)[0], given, hint, 1e-5)
    images = next(iter(_draw_pooled()))[0]
    expect_close(
        max_pool(images),
        _torch_pool(images, 2)[0],
        f"max_pool(images {images.shape})",
        "size is 2 unless given",
    )


def check_max_pool_backward(max_pool_backward):
    for number, (images, size) in enumerate(_draw_pooled()):
        grad = np.random.default_rng(number).normal(
            size=(*images.shape[:2], *(side // size for side in images.shape[2:]))
        )
        options = {"size": size} if number else {}  # 2 unless given
        given = (
            f"max_pool_backward(grad {grad.shape}, images {images.shape}{f', size={size}' if number else ''})"
        )
        with expect_unchanged(given, grad=grad, images=images):
            got = max_pool_backward(grad, images, **options)
        hint = "a cell's whole gradient goes to its winner, and pixels outside all cells get zero"
        expect_close(got, _torch_pool(images, size, grad)[1], given, hint, 1e-5)
    for images, winner in (
        (np.zeros((1, 1, 2, 2)), [[1, 0], [0, 0]]),
        (np.full((1, 1, 2, 2), -3.0), [[1, 0], [0, 0]]),
        (np.array([[[[1.0, 2.0], [2.0, 2.0]]]]), [[0, 1], [0, 0]]),
    ):
        expect_close(
            max_pool_backward(np.array([[[[5.0]]]]), images),
            5.0 * np.array([[winner]]),
            f"max_pool_backward([[[[5]]]], {images.tolist()})",
            "equal pixels: the first one, row by row, gets all of it, or gradient would be made out of nothing",
        )


def _draw(seed, batch, inputs, outputs, rows, cols, kernel, stride, padding):
    generator = np.random.default_rng(seed)
    images = generator.normal(size=(batch, inputs, rows, cols))
    weight = generator.normal(size=(outputs, inputs, kernel, kernel))
    return images, weight, generator.normal(size=outputs), stride, padding


def _draw_pooled():
    generator = np.random.default_rng(3)
    yield generator.normal(size=(2, 3, 6, 4)), 2
    yield generator.normal(size=(1, 2, 7, 5)), 2
    yield generator.normal(size=(2, 1, 9, 6)), 3
    yield -generator.uniform(1, 9, size=(1, 2, 4, 8)), 2
    yield generator.normal(size=(1, 1, 8, 11)), 4
    yield generator.normal(size=(1, 2, 3, 2)), 1


def _name(call, images, weight, stride, padding, grad=None):
    first = "" if grad is None else f"grad {grad.shape}, "
    rest = "" if grad is not None else ", bias"
    return f"{call}({first}images {images.shape}, weight {weight.shape}{rest}, stride={stride}, padding={padding})"


def _torch_convolve(images, weight, bias, stride, padding):
    import torch
    from torch.nn import functional

    return functional.conv2d(*map(torch.from_numpy, (images, weight, bias)), stride, padding).numpy()


def _torch_pool(images, size, grad=None):
    """Return the pooled pictures and, where a gradient is given, the gradient by the pictures."""
    import torch
    from torch.nn import functional

    tensor = torch.tensor(images, requires_grad=True)
    out = functional.max_pool2d(tensor, size)
    if grad is not None:
        out.backward(torch.from_numpy(grad))
    return out.detach().numpy(), None if grad is None else tensor.grad.numpy()


def _same(got, expected):
    try:
        return np.shape(got) == expected.shape and np.allclose(np.asarray(got), expected, atol=1e-4)
    except (TypeError, ValueError, RuntimeError):
        return False


def _expect_int(got, given, hint):
    kind = np.asarray(got).dtype
    if kind.kind not in "iu":
        raise Wrong("an int", f"{got} ({kind})", given, hint)


def _expect_three(got, given):
    if not isinstance(got, (tuple, list)) or len(got) != 3:
        raise Wrong(
            "three arrays: gradients by images, weight and bias",
            got,
            given,
            "return all three, in this order",
        )


TASKS = (
    Task("output_size", "How many positions a filter takes", check_output_size),
    Task("receptive_field", "How much of the picture one output sees", check_receptive_field),
    Task("convolve", "Slide filters over pictures", check_convolve),
    Task("convolve_backward", "The gradients of a convolution", check_convolve_backward),
    Task("max_pool", "Keep the largest of every cell", check_max_pool),
    Task("max_pool_backward", "The gradient goes to the winner", check_max_pool_backward),
)
