"""Boxes of text lines: put side by side on one baseline with a typesetter's spaces, fenced, centred, broken."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

_FENCES = {  # top, middle, bottom of tall ones
    "(": "⎛⎜⎝", ")": "⎞⎟⎠", "[": "⎡⎢⎣", "]": "⎤⎥⎦", "{": "⎧⎪⎩", "}": "⎫⎪⎭",
    "|": "│││", "‖": "║║║", "⌊": "││⎣", "⌋": "││⎦", "⌈": "⎡││", "⌉": "⎤││",
}  # fmt: skip
_BEFORE_SIGN = ("start", "operator", "sign", "open", "comma", "function", "sum", "prefix")


@dataclass(frozen=True)
class Box:
    """Drawn lines, all equally wide, and how they take to their neighbours.

    Attributes:
        rows: the lines.
        base: index of the line on which neighbours stand.
        left, right: kind of the first and of the last thing in it: operand, word, operator, sign, open, close, comma,
            function, fraction, space or sum.
    """

    rows: tuple[str, ...]
    base: int = 0
    left: str = "operand"
    right: str = "operand"

    @property
    def width(self) -> int:
        """Columns of a terminal."""
        return measure(self.rows[0])


def measure(text: str) -> int:
    """Count the columns that a line takes: accents stand on the letter before them."""
    return sum(not unicodedata.combining(character) for character in text)


def join(items: Sequence[Box], tight: bool = False) -> Box:
    """Put boxes side by side, baselines level, with the spaces between them; `tight` ones without."""
    if not items:
        return Box(("",))
    above = max(item.base for item in items)
    below = max(len(item.rows) - item.base for item in items)
    rows = [""] * (above + below)
    previous = "start"
    for item in items:
        left, right = item.left, item.right
        if left == "sign":  # a minus after an operand is an operation, elsewhere it belongs to the number
            unary = previous in _BEFORE_SIGN
            left = "prefix" if unary else "operator"
            right = left if right == "sign" else right
        gap = " " * _space(previous, left, tight)
        offset = above - item.base
        for number in range(len(rows)):
            inside = 0 <= number - offset < len(item.rows)
            rows[number] += gap + (item.rows[number - offset] if inside else " " * item.width)
        previous = right
    return Box(tuple(rows), above, items[0].left, previous)


def break_rows(items: Sequence[Box], width: int) -> list[str]:
    """Put boxes on as many lines as they need, broken before operators; later lines are indented by 4."""
    lines: list[str] = []
    current: list[Box] = []
    for part in _split(items, width - 4):
        if current and join([*current, *part]).width > width - 4:
            lines += _indent(current, bool(lines))
            current = []
        current += part
    return lines + _indent(current, bool(lines))


def _split(items: Sequence[Box], width: int, nested: bool = False) -> list[list[Box]]:
    """Split before operators outside of parentheses; parts that are still too wide, before all operators."""
    parts: list[list[Box]] = [[]]
    depth = 0
    for item in items:
        if item.left in ("operator", "sign") and (nested or not depth) and parts[-1]:
            parts.append([])
        parts[-1].append(item)
        depth += (item.left == "open") - (item.right == "close")
    if nested:
        return parts
    groups = (_split(part, width, True) if join(part).width > width else [part] for part in parts)
    return [part for group in groups for part in group]


def _indent(items: Sequence[Box], later: bool) -> list[str]:
    operand = Box(("",))  # so that the operator which begins a later line keeps its space
    return [" " * 4 * later + row for row in join([operand, *items] if later else items).rows]


def fence(left: str, inner: Box, right: str) -> Box:
    """Put fences around a box, as tall as it is."""
    height = len(inner.rows)
    if height == 1:
        rows: tuple[str, ...] = (left + inner.rows[0].strip() + right,)
    else:
        sides = [_stretch(left, height, inner.base), _stretch(right, height, inner.base)]
        rows = tuple(a + row + b for a, row, b in zip(sides[0], inner.rows, sides[1], strict=True))
    return Box(rows, inner.base, "open" if left else inner.left, "close" if right else inner.right)


def _stretch(fence: str, height: int, base: int) -> list[str]:
    if not fence:
        return [""] * height
    top, middle, bottom = _FENCES.get(fence, fence * 3)
    rows = [top, *[middle] * (height - 2), bottom]
    if fence in "{}" and height > 2:
        rows[min(max(base, 1), height - 2)] = "⎨" if fence == "{" else "⎬"
    return rows


def _space(left: str, right: str, tight: bool) -> int:
    """Return the spaces between two neighbours of these kinds."""
    if left in ("start", "space") or right == "space":
        return 0
    pair = {left, right}
    if "operator" in pair or left == "comma":
        return int(not tight)
    if left in ("open", "prefix") or right in ("open", "close", "comma"):
        return int(not tight and right == "open" and left in ("sum", "fraction"))
    if "function" in pair:
        return 1
    return int(not tight and ("sum" in pair or "fraction" in pair or left == "word"))


def pad(row: str, width: int) -> str:
    """Centre a line in `width` columns."""
    left = (width - measure(row)) // 2
    return " " * left + row + " " * (width - measure(row) - left)


def center(box: Box, width: int) -> tuple[str, ...]:
    """Return a box's lines, each in the middle of `width` columns."""
    return tuple(pad(row, width) for row in box.rows)


def fill(box: Box, width: int, side: str) -> Box:
    """Widen a box to `width` columns; its text stays at the `side` left, right or center."""
    missing = width - box.width
    left = {"left": 0, "right": missing}.get(side, missing // 2)
    return replace(box, rows=tuple(" " * left + row + " " * (missing - left) for row in box.rows))
