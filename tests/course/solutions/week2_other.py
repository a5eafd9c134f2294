"""The same answers in other styles: plain loops and lists, torch, float32, recursion, a class."""

import numpy as np
import torch


class OutputSize:
    def __call__(self, size, kernel, stride=1, padding=0):
        positions = [
            at for at in range(-padding, size + padding - kernel + 1) if (at + padding) % stride == 0
        ]
        if not positions:
            raise ValueError(f"{kernel} > {size}")
        return np.int64(len(positions))


output_size = OutputSize()


def receptive_field(layers):
    if not layers:
        return 1
    (kernel, stride), *rest = layers
    return (receptive_field(rest) - 1) * stride + kernel


def convolve(images, weight, bias, stride=1, padding=0):
    images = np.pad(images, [(0, 0), (0, 0), (padding, padding), (padding, padding)]).astype(np.float32)
    kernel = len(weight[0, 0])
    out = []
    for picture in images:
        maps = []
        for filters, b in zip(weight, bias, strict=True):
            rows = []
            for r in range(0, picture.shape[1] - kernel + 1, stride):
                row = []
                for c in range(0, picture.shape[2] - kernel + 1, stride):
                    row.append(float((picture[:, r : r + kernel, c : c + kernel] * filters).sum() + b))
                rows.append(row)
            maps.append(rows)
        out.append(maps)
    return out


def convolve_backward(grad, images, weight, stride=1, padding=0):
    padded = torch.nn.functional.pad(torch.tensor(images), (padding,) * 4)
    out, filters = torch.zeros_like(padded), torch.zeros(weight.shape, dtype=torch.float64)
    kernel = weight.shape[2]
    for n in range(grad.shape[0]):
        for o in range(grad.shape[1]):
            for r in range(grad.shape[2]):
                for c in range(grad.shape[3]):
                    y, x = r * stride, c * stride
                    out[n, :, y : y + kernel, x : x + kernel] += grad[n, o, r, c] * torch.tensor(weight[o])
                    filters[o] += grad[n, o, r, c] * padded[n, :, y : y + kernel, x : x + kernel]
    rows, cols = images.shape[-2:]
    return [out[..., padding : rows + padding, padding : cols + padding], filters, list(grad.sum((0, 2, 3)))]


def max_pool(images, size=2):
    return torch.nn.functional.max_pool2d(torch.tensor(images, dtype=torch.float32), size)


def max_pool_backward(grad, images, size=2):
    x = torch.tensor(images, requires_grad=True)
    best = torch.nn.functional.unfold(x.flatten(0, 1)[:, None], size, stride=size).max(1).values
    best.reshape(grad.shape).backward(torch.tensor(grad))
    return x.grad.numpy().astype(np.float32)
