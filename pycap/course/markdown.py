"""What a lesson's Markdown is: its tokens, and where its links lead. Knows neither terminal nor browser."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin

PACKAGE = Path(__file__).resolve().parents[1]  # the folder pycap
FORMULAS = ("math_inline", "math_inline_double", "math_block")


def parse_lesson(text: str) -> list[Token]:
    """Parse Markdown with tables and formulas between dollars; HTML in it stays text.

    A lone dollar before a digit, as in a price, begins no formula.
    """
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    parser.use(
        dollarmath_plugin, allow_labels=False, allow_space=False, allow_digits=False, double_inline=True
    )
    return parser.parse(text)


def walk(tokens: Iterable[Token]) -> Iterator[Token]:
    """Go through tokens and the tokens within them."""
    for token in tokens:
        yield token
        yield from walk(token.children or ())


def plain_text(token: Token) -> str:
    """Return what an inline token says, without its marks."""
    return "".join(
        child.content or (" " if child.type in ("softbreak", "hardbreak") else "")
        for child in token.children or ()
    )


def make_slug(text: str, taken: set[str]) -> str:
    """Make the anchor of a heading as GitHub does, and add it to `taken`."""
    slug = base = re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-") or "section"
    number = 0
    while slug in taken:
        number += 1
        slug = f"{base}-{number}"
    taken.add(slug)
    return slug


def find_lesson(target: str, folder: Path) -> tuple[str, str] | None:
    """Return the unit and the anchor that a link leads to, None if it leads elsewhere.

    Args:
        target: of the link, such as `../week3/lesson.md#gates`.
        folder: of the lesson that has it.
    """
    parts = urlsplit(target)
    path = Path(unquote(parts.path))
    if parts.scheme or parts.netloc or path.name != "lesson.md":
        return None
    return (folder / path).resolve().parent.name, parts.fragment


def name_source(target: str, folder: Path) -> str | None:
    """Return how people call the file that a link leads to, `pycap/nn/dense.py`; None for addresses and anchors."""
    parts = urlsplit(target)
    if parts.scheme or parts.netloc or not parts.path:
        return None
    path = (folder / unquote(parts.path)).resolve()
    home = PACKAGE.parent
    return path.relative_to(home).as_posix() if path.is_relative_to(home) else path.name
