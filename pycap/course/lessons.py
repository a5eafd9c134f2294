"""Lessons in a terminal: headings, tables, code in colours, formulas as text, pictures as links.

Without colour it is plain text that a pipe or a file can take.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pycap.course.formula_text import write_display, write_inline

if TYPE_CHECKING:
    from markdown_it.token import Token

WIDEST = 100  # longer lines are hard to read


def show(path: Path, width: int | None = None, colour: bool = False) -> str:
    """Render a lesson for the terminal.

    Args:
        path: of a `lesson.md`.
        width: columns; None takes the terminal's, at most 100.
        colour: with escape codes for colours and links.

    Raises:
        OSError: the lesson cannot be read.
        ValueError: a formula in it cannot be shown; lesson and formula are named.
    """
    from io import StringIO

    from rich.console import Console

    from pycap.course.markdown import parse_lesson
    from pycap.course.terminal import THEME, Lesson

    width = width or min(shutil.get_terminal_size().columns, WIDEST)
    tokens = parse_lesson(path.read_text(encoding="utf-8"))
    try:
        tokens = _adapt(tokens, path.parent, width, colour)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    stream = StringIO()
    console = Console(
        file=stream,
        width=width,
        force_terminal=colour,
        color_system="standard" if colour else None,
        legacy_windows=False,
        force_jupyter=False,
        emoji=False,
        highlight=False,
        theme=THEME,
    )
    console.print(Lesson(tokens), crop=False)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def page(text: str) -> None:
    """Show text through the user's $PAGER (else less) when stdout is a terminal; print it otherwise.

    A pager that quits early, or that cannot be run, is no failure.
    """
    pager = os.environ.get("PAGER") or ("less" if shutil.which("less") else "")
    if not (pager and sys.stdout.isatty()):
        print(text, end="")
        return
    environment = {"LESS": "FRX", "LV": "-c", **os.environ}  # short texts stay on screen, colours are kept
    sys.stdout.flush()
    try:
        process = subprocess.Popen(pager, shell=True, stdin=subprocess.PIPE, env=environment)
    except OSError:
        print(text, end="")
        return
    with (
        contextlib.suppress(BrokenPipeError, KeyboardInterrupt),
        process.stdin as pipe,
    ):  # it may have seen enough
        pipe.write(text.encode(sys.stdout.encoding or "utf-8", "backslashreplace"))
    code = None
    while code is None:
        with contextlib.suppress(KeyboardInterrupt):  # a pager keeps the terminal until it is quit
            code = process.wait()
    if code in (126, 127):  # the shell found no such program
        print(text, end="")


def _adapt(tokens: list[Token], folder: Path, width: int, colour: bool) -> list[Token]:
    """Replace what only a browser can show: formulas become text, pictures lines, links say where they lead."""
    adapted: list[Token] = []
    for token in tokens:
        if token.type == "math_block":
            token.content = "\n".join(write_display(token.content, width - 4))
        elif token.type == "inline":
            pictures = [child for child in token.children if child.type == "image"]
            others = [child for child in token.children if child.type not in ("image", "softbreak")]
            if pictures and not others and adapted[-1].type == "paragraph_open":
                opening = adapted.pop()
                adapted += [_place_picture(picture, folder, opening.level) for picture in pictures]
                continue
            token.children = _adapt_inline(token.children, folder, colour)
        elif token.type == "paragraph_close" and adapted[-1].type == "picture":
            continue
        adapted.append(token)
    return adapted


def _place_picture(image: Token, folder: Path, level: int) -> Token:
    from markdown_it.token import Token

    path = (folder / str(image.attrs["src"])).resolve()
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    return Token(
        "picture",
        "",
        0,
        level=level,
        content=f"[picture: {image.content} —",
        meta={"path": path, "shown": str(shown)},
    )


def _adapt_inline(children: list[Token], folder: Path, colour: bool) -> list[Token]:
    from markdown_it.token import Token

    adapted: list[Token] = []
    links: list[tuple[bool, str]] = []
    for child in children:
        if child.type == "math_inline" or child.type == "math_inline_double":
            adapted.append(Token("text", "", 0, content=write_inline(child.content)))
        elif child.type == "image":
            adapted.append(Token("text", "", 0, content=f"[picture: {child.content} — {child.attrs['src']}]"))
        elif child.type == "code_inline" and not colour:
            adapted.append(Token("text", "", 0, content=f"`{child.content}`"))
        elif child.type == "link_open":
            address, place = _name_target(str(child.attrs["href"]), folder)
            links.append((colour and bool(address), place))
            if links[-1][0]:
                child.attrs["href"] = address
                adapted.append(child)
        elif child.type == "link_close":
            said = "".join(token.content for token in adapted).replace("`", "")
            clickable, place = links.pop()
            if clickable:
                adapted.append(child)
            if place and not said.endswith(place) and not (clickable and "://" in place):
                adapted.append(Token("text", "", 0, content=f" ({place})"))
        else:
            adapted.append(child)
    return adapted


def _name_target(target: str, folder: Path) -> tuple[str, str]:
    """Return the address that a terminal opens, and what to say about a link's target; both may be empty."""
    from pycap.course.markdown import find_lesson, name_source

    lesson = find_lesson(target, folder)
    if lesson:
        return "", f"pycap course show {lesson[0].removeprefix('week')}"
    source = name_source(target, folder)
    if source:
        return (folder / target.partition("#")[0]).resolve().as_uri(), source
    return ("", "") if target.startswith("#") else (target, target)
