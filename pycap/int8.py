"""Matrices of decoder and region encoder in 8 bits, one scale a row: half the size of float16.

The decoder's are what 8-bit search rounds to anyway.

Imports no torch.
"""

from __future__ import annotations

import numpy as np

from pycap.weights import Arrays

STEPS = 127  # codes from 0 to a row's largest value, as in csrc/cpu/int8_matrix.h
SCALE = ".scale"  # behind a matrix's name: its rows' scales


def shrink(weights: Arrays) -> Arrays:
    """Return weights with every matrix of decoder and encoder as int8 codes and `NAME.scale`, float32, one a row.

    Rounding again what `restore` gives changes nothing: of the same features 8-bit search makes the same captions
    either way, up to the words' folded table, which it keeps in float32.

    Raises:
        ValueError: a matrix is not finite.
    """
    small = {}
    for name, values in weights.items():
        if not _is_matrix(name, values):
            small[name] = values
            continue
        rows = values.astype(np.float32)
        if not np.isfinite(rows).all():
            raise ValueError(f"{name} is not finite, so it cannot be stored as int8")
        small[name], small[name + SCALE] = round_rows(rows)
    return small


def round_rows(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return int8 codes of a finite float32 matrix, and the scale of each row, float32."""
    scale = np.abs(rows).max(axis=1, initial=0) / np.float32(STEPS)
    codes = np.rint(rows / np.where(scale > 0, scale, 1)[:, None])
    return codes.astype(np.int8), scale


def restore(weights: Arrays) -> Arrays:
    """Return weights with codes times scales, float32, in the place of what `shrink` made; others as they are.

    Raises:
        ValueError: codes and scales do not belong together.
    """
    scales = {name: values for name, values in weights.items() if name.endswith(SCALE)}
    whole = {name: values for name, values in weights.items() if name not in scales}
    for name, codes in whole.items():
        if codes.dtype != np.int8:
            continue
        scale = scales.pop(name + SCALE, None)
        if scale is None or codes.ndim != 2 or scale.shape != codes.shape[:1]:
            raise ValueError(f"{name} is stored as int8 without a scale for every row")
        whole[name] = codes * scale.astype(np.float32)[:, None]
    if scales:
        raise ValueError(f"{min(scales)} belongs to no int8 matrix")
    return whole


def _is_matrix(name: str, values: np.ndarray) -> bool:
    return name.startswith(("decoder.", "encoder.")) and name.endswith(".weight") and values.ndim == 2
