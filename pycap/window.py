"""A window of a picture, cut from the CNN's map of it instead of from its pixels."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional


def zoom_cells(cells: Tensor, windows: Tensor) -> Tensor:
    """Look at a window of each picture as if it were the whole picture, bilinearly, on the grid of a feature map.

    Args:
        cells: square maps, row by row, `(images, rows * cols, channels)`.
        windows: side, left and top edge of each window, as shares of the map, `(images, 3)`.

    Returns:
        Maps of the same shape.
    """
    grid = math.isqrt(cells.shape[1])
    side, left, top = windows.unbind(1)
    centre = torch.stack([left, top], dim=1) * 2 + side[:, None] - 1  # in -1..1, where affine_grid looks
    frame = torch.cat([side[:, None, None] * torch.eye(2, device=side.device), centre[:, :, None]], dim=2)
    maps = cells.transpose(1, 2).unflatten(2, (grid, grid))
    places = functional.affine_grid(frame, list(maps.shape), align_corners=False)
    zoomed = functional.grid_sample(maps, places, padding_mode="border", align_corners=False)
    return zoomed.flatten(2).transpose(1, 2)


def zoom_middle(cells: Tensor, side: float) -> Tensor:
    """Look at the middle of each picture: `zoom_cells` for a window of this side; 1 is the whole picture."""
    if side == 1:
        return cells
    window = cells.new_tensor([side, (1 - side) / 2, (1 - side) / 2])
    return zoom_cells(cells, window.expand(len(cells), 3))
