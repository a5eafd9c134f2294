"""From a photo of a garment to the 28 x 28 grey values that Fashion-MNIST would have made of it.

Fashion-MNIST was made from product photos on white (Xiao et al. 2017, section 2): trim the empty border, shrink
the longer side to 28 pixels, put it in the middle of a black square, turn grey into its negative. A network knows
nothing else, so a photo has to go the same way; most of the art of using a trained network is this.
"""

from __future__ import annotations

from os import PathLike
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pycap.data.images import read_image

SIDE = 28
FAINT = 0.12  # of the strongest difference from the background: what is fainter counts as background


class Steps(NamedTuple):
    """What a photo becomes on its way; all uint8 of two dimensions, `small` 28 x 28."""

    grey: NDArray[np.uint8]
    difference: NDArray[np.uint8]
    trimmed: NDArray[np.uint8]
    small: NDArray[np.uint8]


def convert_photo(source: str | PathLike[str] | Image.Image) -> Steps:
    """Turn a photo of one garment on a plain background into what the network was trained on.

    1. Grey values. A picture of exactly 28 x 28 pixels is taken for one that is ready, and stays as it is.
    2. The background is the median of the four corners; the garment is what differs from it. On white paper the
       difference is the negative, as in the data set; on a dark floor it is the grey value itself.
    3. Trim rows and columns where nothing differs much.
    4. Shrink the longer side to 28 pixels, and centre on black.

    Raises:
        ValueError: the photo cannot be read, or shows nothing but background; one line naming the file.
    """
    grey = np.asarray(read_image(source, at_least=8 * SIDE).convert("L"))
    if grey.shape == (SIDE, SIDE):
        return Steps(grey, grey, grey, grey)
    rows, columns = (max(1, round(0.04 * side)) for side in grey.shape)
    corners = [
        grey[y, x] for y in (slice(rows), slice(-rows, None)) for x in (slice(columns), slice(-columns, None))
    ]
    background = float(np.median(np.concatenate([corner.ravel() for corner in corners])))
    difference = np.abs(grey - background)
    strongest = np.percentile(difference, 99.5)  # one bright pixel of dust must not decide
    if strongest < 16:
        raise ValueError(f"{source}: shows one plain tone; give a photo of a garment on a plain background")
    difference[difference < FAINT * strongest] = 0
    seen = difference > FAINT * strongest
    # A row counts when 1 % of it differs, so that dust does not widen the frame.
    across = np.flatnonzero(seen.mean(axis=0) > 0.01)
    down = np.flatnonzero(seen.mean(axis=1) > 0.01)
    trimmed = difference.astype(np.uint8)
    if len(across) and len(down):
        trimmed = trimmed[down[0] : down[-1] + 1, across[0] : across[-1] + 1]
    height, width = (max(1, round(side * SIDE / max(trimmed.shape))) for side in trimmed.shape)
    shrunk = Image.fromarray(trimmed).resize((width, height), Image.Resampling.LANCZOS)
    small = Image.new("L", (SIDE, SIDE))
    small.paste(shrunk, ((SIDE - width) // 2, (SIDE - height) // 2))
    return Steps(grey, difference.astype(np.uint8), trimmed, np.asarray(small))
