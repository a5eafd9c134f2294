"""One lesson as HTML: formulas, highlighted code, pictures, anchors, folded answers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from pycap.course.formulas import mathml

if TYPE_CHECKING:
    from markdown_it.token import Token

FOLDED = "Answers"


class Page:
    """A lesson as HTML.

    Attributes:
        name: of the unit, and of the page without `.html`.
        title: the lesson's first heading.
        body: HTML of the whole lesson.
        sections: anchor and HTML of each second-level heading.
        pictures: path within the lesson's folder -> file.
    """

    def __init__(self, name: str, lesson: Path, pages: Collection[str]):
        """Render a lesson.

        Args:
            name: of its unit.
            lesson: path of its Markdown.
            pages: names of all units that have a page; links to others are shown as text.

        Raises:
            ValueError: a formula cannot be shown, or a picture does not exist; the lesson is named.
        """
        from pycap.course.markdown import make_slug, parse_lesson, plain_text

        self.name = name
        self.title = name
        self.sections: list[tuple[str, str]] = []
        self.pictures: dict[str, Path] = {}
        self._lesson = lesson
        self._pages = pages
        tokens = parse_lesson(lesson.read_text(encoding="utf-8"))
        slugs: set[str] = set()
        for token, inline in pairwise(tokens):
            if token.type == "heading_open":
                text = plain_text(inline)
                token.attrSet("id", make_slug(text, slugs))
                if token.tag == "h1" and self.title == name:
                    self.title = text
        try:
            self.body = self._render(tokens)
        except ValueError as error:
            raise ValueError(f"{lesson}: {error}") from error

    def _render(self, tokens: list[Token]) -> str:
        from markdown_it import MarkdownIt
        from markdown_it.renderer import RendererHTML

        renderer = RendererHTML()
        renderer.rules.update(
            {
                "math_inline": lambda tokens, index, *_: mathml(tokens[index].content),
                "math_inline_double": lambda tokens, index, *_: _box_formula(tokens[index], "span"),
                "math_block": lambda tokens, index, *_: _box_formula(tokens[index], "div"),
                "fence": lambda tokens, index, *_: highlight(tokens[index].content, tokens[index].info),
                "code_block": lambda tokens, index, *_: highlight(tokens[index].content, "text"),
                "table_open": lambda *_: (
                    '<div class="wide" tabindex="0" role="group" aria-label="Table"><table>\n'
                ),
                "table_close": lambda *_: "</table></div>\n",
                "image": self._render_image,
            }
        )
        options: Any = MarkdownIt("commonmark").options
        self._link(tokens)
        _mark_facts(tokens)
        parts, start, folding = [], 0, False
        for index, token in enumerate(tokens):
            if token.type == "heading_open" and token.level == 0 and token.tag in ("h1", "h2"):
                parts.append(renderer.render(tokens[start:index], options, {}))
                start = index
                if folding:
                    parts.append("</details>\n")
                    folding = False
            elif token.type == "heading_close" and token.tag == "h2":
                heading = renderer.render(tokens[start : index + 1], options, {})
                parts.append(heading)
                words = renderer.renderInline(tokens[index - 1].children or [], options, {})
                self.sections.append((str(tokens[start].attrs["id"]), words))
                start = index + 1
                if tokens[index - 1].content.strip() == FOLDED:
                    parts.append('<details class="answers"><summary>Show the answers</summary>\n')
                    folding = True
        parts.append(renderer.render(tokens[start:], options, {}))
        return "".join(parts) + ("</details>\n" if folding else "")

    def _link(self, tokens: Sequence[Token]) -> None:
        """Lead links to lessons to their pages; turn links to source files into the file's name."""
        from markdown_it.token import Token

        from pycap.course.markdown import find_lesson, name_source

        for token in tokens:
            opened: list[str | None] = []
            children: list[Token] = []
            for child in token.children or ():
                if child.type == "link_open":
                    target = str(child.attrs["href"])
                    lesson = find_lesson(target, self._lesson.parent)
                    source = name_source(target, self._lesson.parent)
                    if lesson and lesson[0] in self._pages:
                        child.attrs["href"] = f"{lesson[0]}.html" + (f"#{lesson[1]}" if lesson[1] else "")
                        source = None
                    elif source and Path(source).name == "README.md" and Path(source).parent.name == "course":
                        child.attrs["href"], source = "index.html", None
                    opened.append(None if lesson and lesson[0] not in self._pages else source)
                    if source is not None:
                        continue
                elif child.type == "link_close":
                    source = opened.pop()
                    if source is not None:
                        said = "".join(part.content for part in children)
                        if not said.endswith(source):
                            children.append(Token("text", "", 0, content=" ("))
                            children.append(Token("code_inline", "code", 0, content=source))
                            children.append(Token("text", "", 0, content=")"))
                        continue
                children.append(child)
            if token.children is not None:
                token.children = children

    def _render_image(self, tokens: Sequence[Token], index: int, options: Any, environment: Any) -> str:
        token = tokens[index]
        place = unquote(str(token.attrs["src"]))
        if urlsplit(place).scheme or place.startswith(("/", "//")) or ".." in Path(place).parts:
            raise ValueError(f"the picture {place} must lie in the lesson's folder")
        path = self._lesson.parent / place
        if not path.is_file():
            raise ValueError(f"the picture {place} does not exist")
        self.pictures[Path(place).as_posix()] = path
        source = escape(f"{self.name}/{token.attrs['src']}")
        width, height = _measure_picture(path)
        title = token.attrs.get("title")
        caption = f'<span class="caption">{escape(str(title))}</span>' if title else ""
        return (
            f'<span class="figure"><a href="{source}"><img src="{source}" alt="{escape(token.content)}" '
            f'width="{width}" height="{height}" loading="lazy"></a>{caption}</span>'
        )


def highlight(code: str, language: str) -> str:
    """Return code as HTML, its parts in spans with Pygments' short class names."""
    from pygments import highlight as paint
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    words = language.split()
    name = words[0].lower() if words else "text"
    try:
        lexer = get_lexer_by_name(name, stripnl=False)
    except ClassNotFound:
        lexer = get_lexer_by_name("text", stripnl=False)
    painted = paint(code.rstrip("\n"), lexer, HtmlFormatter(nowrap=True)).rstrip("\n")
    return f'<pre tabindex="0" class="{escape(name)}"><code>{painted}</code></pre>\n'


def _box_formula(token: Token, tag: str) -> str:
    return f'<{tag} class="formula" tabindex="0">{mathml(token.content, display=True)}</{tag}>\n'


def _mark_facts(tokens: Sequence[Token]) -> None:
    """Mark the list of time, hardware, data and code that stands before the first section."""
    for token in tokens:
        if token.type == "heading_open" and token.tag == "h2":
            return
        if token.type == "bullet_list_open":
            token.attrSet("class", "facts")
            return


def _measure_picture(path: Path) -> tuple[int, int]:
    from PIL import Image

    try:
        with Image.open(path) as picture:
            return picture.size
    except OSError as error:
        raise ValueError(f"the picture {path.name} cannot be read ({error})") from error
