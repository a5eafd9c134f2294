"""Windows of a feature map, placed by hand."""

from __future__ import annotations

import torch

from pycap.window import zoom_cells, zoom_middle


def test_a_window_of_the_whole_picture_changes_nothing():
    cells = torch.randn(2, 9, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(zoom_cells(cells, torch.tensor([[1.0, 0, 0], [1.0, 0, 0]])), cells)


def test_a_window_shows_its_part_of_the_map():
    ramp = torch.arange(4.0)  # columns 0 1 2 3, centres at 1/8, 3/8, 5/8, 7/8
    cells = ramp.repeat(4).view(1, 16, 1)
    right = zoom_cells(cells, torch.tensor([[0.5, 0.5, 0.25]]))  # the right half: centres from 9/16 to 15/16
    torch.testing.assert_close(right.view(4, 4)[2], torch.tensor([1.75, 2.25, 2.75, 3.0]))
    turned = cells.view(4, 4).T.reshape(1, 16, 1)
    lower = zoom_cells(turned, torch.tensor([[0.5, 0.25, 0.5]]))
    torch.testing.assert_close(lower.view(4, 4)[:, 2], torch.tensor([1.75, 2.25, 2.75, 3.0]))


def test_the_middle_is_the_window_in_the_middle():
    cells = torch.randn(2, 25, 3, generator=torch.Generator().manual_seed(0))
    middle = zoom_cells(cells, torch.tensor([[0.6, 0.2, 0.2]] * 2))
    torch.testing.assert_close(zoom_middle(cells, 0.6), middle)
    torch.testing.assert_close(zoom_middle(cells, 0.6).view(2, 5, 5, 3)[:, 2, 2], cells[:, 12])
    assert zoom_middle(cells, 1) is cells
