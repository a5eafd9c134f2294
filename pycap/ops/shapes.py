"""Check tensors against named dimensions, with messages that say what was expected and what came."""

from __future__ import annotations

from torch import Tensor


def check_shapes(tensors: dict[str, tuple[Tensor, tuple[str, ...]]]) -> dict[str, int]:
    """Check that all tensors agree on their dimensions and are contiguous.

    Args:
        tensors: argument name -> (tensor, names of its dimensions). The first tensor that mentions a name
            defines its size; "1" is one, "4 * name" is four times a size defined before.

    Returns:
        the size of every named dimension.

    Raises:
        ValueError: a shape does not fit, or a tensor is not contiguous; both name the argument.
    """
    sizes = {"1": 1}
    for argument, (tensor, names) in tensors.items():
        for name in names:
            if name.startswith("4 * "):
                sizes[name] = 4 * sizes[name.removeprefix("4 * ")]
        fits = tensor.dim() == len(names)
        if not fits or any(
            size != sizes.get(name, size) for name, size in zip(names, tensor.shape, strict=True)
        ):
            expected = ", ".join(
                f"{name}={sizes[name]}" if name in sizes and name != "1" else name for name in names
            )
            comma = "," if len(names) == 1 else ""
            raise ValueError(f"{argument} must be ({expected}{comma}), got {tuple(tensor.shape)}")
        if not tensor.is_contiguous():
            raise ValueError(
                f"{argument} must be contiguous, got strides {tensor.stride()}: call .contiguous()"
            )
        sizes.update(zip(names, tensor.shape, strict=True))
    return sizes


def check_rows(lengths: Tensor, image_index: Tensor, time: int, images: int) -> None:
    """Check that rows of a batch stay inside it: `lengths` in 1..time, `image_index` in 0..images-1 and sorted.

    Raises:
        ValueError: names the argument, the range and the offending value.
    """
    for argument, values, low, high in (
        ("lengths", lengths, 1, time),
        ("image_index", image_index, 0, images - 1),
    ):
        outside = values[(values < low) | (values > high)]
        if len(outside):
            raise ValueError(f"{argument} must be in {low}..{high}, got {int(outside[0])}")
    if (image_index.diff() < 0).any():
        raise ValueError(f"image_index must not decrease, got {image_index.tolist()}: sort the rows by image")
