"""Formulas as text: one line within a sentence, several lines (stacked fractions, tall brackets) on their own.

A formula is a tree of MathML (`formulas.py`); each element is drawn as a box of lines
(`formula_boxes.py`), and boxes are put side by side.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from xml.etree.ElementTree import Element

from pycap.course.formula_boxes import Box, break_rows, center, fence, fill, join, measure, pad
from pycap.course.formulas import CLOSING, OPENING, SUMS, is_function, parse_formula

_LOWERED = dict(
    zip("0123456789+−=()aehijklmnoprstuvxβγρφχ", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓᵦᵧᵨᵩᵪ", strict=True)
)
_RAISED = dict(
    zip(
        "0123456789+−=()abcdefghijklmnoprstuvwxyzABDEGHIJKLMNOPRTUVW⊤′″",
        "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻᴬᴮᴰᴱᴳᴴᴵᴶᴷᴸᴹᴺᴼᴾᴿᵀᵁⱽᵂᵀ′″",
        strict=True,
    )
)
_ACCENTS = {
    "^": "\u0302",
    "¯": "\u0304",
    "‾": "\u0305",
    "~": "\u0303",
    "˜": "\u0303",
    "˙": "\u0307",
    "→": "\u20d7",
}
_SIGNS = set("+−±")
_TIGHT = set("/!|‖′%…⋯⋮⋱.¬#&_$∫")


def write_inline(latex: str) -> str:
    """Write a formula as one line of text, say `σ(x) = 1/(1 + e⁻ˣ)`; ValueError if it cannot be read."""
    return _Drawer(flat=True).draw(parse_formula(latex)).rows[0].strip()


def write_display(latex: str, width: int) -> list[str]:
    """Write a formula as lines of text, fractions stacked and matrices drawn.

    Args:
        latex: what stands between the dollars.
        width: columns; a wider formula is broken before an operator, the rest of it indented.

    Raises:
        ValueError: the formula cannot be read.
    """
    root = parse_formula(latex, display=True)
    drawer = _Drawer(flat=False)
    box = drawer.draw(root)
    if box.width > width:
        lines = []
        for row in _find_lines(root):
            lines += break_rows(drawer.draw_items(row), width)
        return [line.rstrip() for line in lines]
    return [line.rstrip() for line in box.rows]


def _find_lines(root: Element) -> list[list[Element]]:
    """Return the elements of each line: the rows of aligned equations, else all."""
    row = list(root)
    while len(row) == 1 and row[0].tag in ("mrow", "mstyle"):
        row = list(row[0])
    if len(row) == 1 and row[0].get("class") == "aligned":
        return [[child for cell in line for child in cell] for line in row[0]]
    return [row]


class _Drawer:
    """Draws elements; `flat` ones on a single line, `tight` ones (scripts) without spaces."""

    def __init__(self, flat: bool, tight: bool = False):
        self.flat = flat
        self.tight = tight

    def draw(self, element: Element) -> Box:
        """Draw one element."""
        method = getattr(self, f"_draw_{element.tag}", None)
        return method(element) if method else self.draw_row(list(element))

    def draw_row(self, elements: Sequence[Element]) -> Box:
        """Draw elements side by side."""
        return join(self.draw_items(elements), self.tight)

    def draw_items(self, elements: Sequence[Element]) -> list[Box]:
        items: list[Box] = []
        position = 0
        while position < len(elements):
            element = elements[position]
            if element.get("class") == "apply":  # the spaces of text are decided here
                position += 1
                continue
            end = _find_fence(elements, position)
            if end is None:
                items.append(self.draw(element))
                position += 1
                continue
            inner = self.draw_row(elements[position + 1 : end])
            items.append(
                fence(element.text or "", inner, elements[end].text or "" if end < len(elements) else "")
            )
            position = end + 1
        return items

    def _draw_mi(self, element: Element) -> Box:
        kind = "function" if is_function(element) else "operand"
        return Box((element.text or "",), 0, kind, kind)

    def _draw_mn(self, element: Element) -> Box:
        return Box((element.text or "",))

    def _draw_mtext(self, element: Element) -> Box:
        text = (element.text or "").replace("\u00a0", " ")
        return Box((text,), 0, _text_kind(text[:1], text), _text_kind(text[-1:], text))

    def _draw_mspace(self, element: Element) -> Box:
        width = float((element.get("width") or "0").removesuffix("em") or 0)
        columns = 0 if self.tight or width < 0.16 else 1 if width < 1 else 2 if width < 2 else 4
        return Box((" " * columns,), 0, "space", "space")

    def _draw_mo(self, element: Element) -> Box:
        text = element.text or ""
        kind = "operator"
        if text in SUMS:
            kind = "sum"
        elif text in _SIGNS:
            kind = "sign"
        elif text in OPENING:
            kind = "open"
        elif text in CLOSING:
            kind = "close"
        elif text in (",", ";"):
            kind = "comma"
        elif text in _TIGHT or not text:
            kind = "operand"
        shown = {"∣": "|", "⋅": "·", "∗": "*", "⁄": "/"}.get(text, text)
        if text == ":":
            return Box((text,), 0, "close", "comma")
        return Box((shown,), 0, kind, kind)

    def _draw_mfrac(self, element: Element) -> Box:
        top, bottom = (self.draw(part) for part in element)
        if self.flat:
            if element.get("linethickness") == "0":
                return Box((f"{top.rows[0]} over {bottom.rows[0]}",))
            over = _parenthesise(top.rows[0], element[0], False)
            under = _parenthesise(bottom.rows[0], element[1], True)
            return Box((f"{over}/{under}",), 0, "fraction", "fraction")
        bar = " " if element.get("linethickness") == "0" else "─"
        width = max(top.width, bottom.width) + (2 if bar == "─" else 0)
        rows = (*center(top, width), bar * width, *center(bottom, width))
        return Box(rows, len(top.rows), "fraction", "fraction")

    def _draw_msqrt(self, element: Element, index: str = "") -> Box:
        inner = self.draw_row(list(element))
        root = {"": "√", "3": "∛", "4": "∜"}.get(index) or f"{_translate(index, _RAISED) or index}√"
        if len(inner.rows) == 1:
            single = len(inner.rows[0]) == 1 or inner.rows[0].isdigit()
            return Box((root + (inner.rows[0] if single else f"({inner.rows[0]})"),))
        fenced = fence("(", inner, ")")
        return join([Box((root,)), replace(fenced, left="open")], self.tight)

    def _draw_mroot(self, element: Element) -> Box:
        body = Element("msqrt")
        body.append(element[0])
        return self._draw_msqrt(body, self._draw_script(element[1]))

    def _draw_msub(self, element: Element) -> Box:
        return self._attach(element[0], element[1], None)

    def _draw_msup(self, element: Element) -> Box:
        return self._attach(element[0], None, element[1])

    def _draw_msubsup(self, element: Element) -> Box:
        return self._attach(element[0], element[1], element[2])

    def _draw_munder(self, element: Element) -> Box:
        if element[1].text == "⏟":
            base = self.draw(element[0])
            if self.flat:
                return fence("(", base, ")")
            return replace(base, rows=(*base.rows, "╰" + "─" * (base.width - 2) + "╯"))
        return self._draw_limits(element, element[1], None)

    def _draw_munderover(self, element: Element) -> Box:
        return self._draw_limits(element, element[1], element[2])

    def _draw_mover(self, element: Element) -> Box:
        accent = _ACCENTS.get((element[1].text or "").strip())
        if accent is None:
            return (
                self.draw(element[0])
                if element[1].text == "⏞"
                else self._draw_limits(element, None, element[1])
            )
        base = self.draw(element[0])
        if len(base.rows) > 1:
            return base
        letters = base.rows[0]
        marked = (
            [letter + accent for letter in letters]
            if accent == "\u0305"
            else [letters[:1], accent, letters[1:]]
        )
        return replace(base, rows=("".join(marked),))

    def _draw_limits(self, element: Element, under: Element | None, over: Element | None) -> Box:
        if self.flat:
            return self._attach(element[0], under, over)
        base = self.draw(element[0])
        below = () if under is None else (self._draw_script(under),)
        above = () if over is None else (self._draw_script(over),)
        width = max(base.width, *(measure(row) for row in (*below, *above)))
        rows = (
            *(pad(row, width) for row in above),
            *center(base, width),
            *(pad(row, width) for row in below),
        )
        return replace(base, rows=rows, base=base.base + len(above))

    def _draw_script(self, element: Element) -> str:
        return _Drawer(flat=True, tight=True).draw(element).rows[0].strip()

    def _attach(self, base: Element, sub: Element | None, sup: Element | None) -> Box:
        """Add scripts, in Unicode's small characters where it has all of them, else as `_name` or `^(a/b)`."""
        box = self.draw(base)
        kind = box.right
        low = high = ""
        if sub is not None:
            low, plain = _write_script(self._draw_script(sub), _LOWERED, "_")
            kind = "word" if plain and kind == "operand" else kind
        if sup is not None:
            high, plain = _write_script(self._draw_script(sup), _RAISED, "^")
            kind = "word" if plain and kind == "operand" else kind
        if len(box.rows) == 1:
            return replace(box, rows=(box.rows[0] + low + high,), right=kind)
        width = max(measure(low), measure(high))
        rows = [row + " " * width for row in box.rows]
        rows[0] = box.rows[0] + high + " " * (width - measure(high))
        rows[-1] = box.rows[-1] + low + " " * (width - measure(low))
        return replace(box, rows=tuple(rows), right=kind)

    def _draw_mtable(self, element: Element) -> Box:
        aligned = element.get("class") == "aligned"
        table = [[self.draw(cell) for cell in row] for row in element]
        cases = not aligned and any(cell.get("class") == "left" for row in element for cell in row)
        if self.flat:
            gap = "" if aligned else ", " if cases else " "
            return Box(("; ".join(gap.join(box.rows[0] for box in row).strip() for row in table),))
        columns = max(len(row) for row in table)
        widths = [max(row[i].width for row in table if i < len(row)) for i in range(columns)]
        lines: list[str] = []
        loose = (aligned and any(len(box.rows) > 1 for row in table for box in row)) or (
            cases and len(table) == 2
        )
        for number, (row, cells) in enumerate(zip(table, element, strict=True)):
            sides = [cell.get("class", "center") for cell in cells]
            boxes = [fill(box, widths[i], sides[i]) for i, box in enumerate(row)]
            boxes += [Box((" " * width,)) for width in widths[len(row) :]]
            gap = Box((("" if aligned else "  "),), 0, "space", "space")
            spaced = [part for box in boxes for part in (replace(box, left="space", right="space"), gap)][:-1]
            lines += [" " * sum(widths)] * bool(loose and number) + list(join(spaced, self.tight).rows)
        width = max(measure(line) for line in lines)
        return Box(tuple(line + " " * (width - measure(line)) for line in lines), (len(lines) - 1) // 2)


def _find_fence(elements: Sequence[Element], start: int) -> int | None:
    """Return where the stretching fence that opens at `start` closes (behind the end if nothing does), or None."""
    opening = elements[start]
    if opening.tag != "mo" or opening.get("stretchy") == "false" or opening.get("form") == "postfix":
        return None
    text = opening.text or ""
    if text not in OPENING and text not in ("|", "‖") and opening.get("form") != "prefix":
        return None
    depth = 0
    for place in range(start + 1, len(elements)):
        element = elements[place]
        if element.tag != "mo" or element.get("stretchy") == "false":
            continue
        if element.text in CLOSING or element.get("form") == "postfix" or element.text == text in ("|", "‖"):
            if not depth:
                return place
            depth -= 1
        elif element.text in OPENING:
            depth += 1
    return len(elements) if opening.get("form") == "prefix" else None


def _text_kind(character: str, text: str) -> str:
    if character == " ":
        return "space"
    return "word" if len(text) > 1 else "operand"


def _parenthesise(text: str, element: Element, below: bool) -> str:
    """Put parentheses around a part of a fraction on one line where it would be misread without."""
    while element.tag == "mrow" and len(element) == 1:
        element = element[0]
    product = below and element.tag == "mrow" and not text.startswith(("∂", "d"))
    return f"({text})" if re.search(r"[ /]", text) or product else text


def _write_script(text: str, alphabet: dict[str, str], sign: str) -> tuple[str, bool]:
    """Return a script and whether it is written in letters of full size."""
    small = _translate(text, alphabet)
    if small is not None:
        return small, False
    plain = text.isalnum() and not set(text) & {*_LOWERED.values(), *_RAISED.values()}
    return (sign + text if plain or len(text) == 1 else f"{sign}({text})"), plain


def _translate(text: str, alphabet: dict[str, str]) -> str | None:
    return "".join(alphabet[c] for c in text) if text and all(c in alphabet for c in text) else None
