"""How rich draws the parts of a lesson: calm headings, code without a background, formulas and pictures."""

from __future__ import annotations

from typing import ClassVar

from markdown_it.token import Token
from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import CodeBlock, Heading, Markdown, MarkdownContext, MarkdownElement, TableElement
from rich.padding import Padding
from rich.style import Style
from rich.syntax import Syntax
from rich.table import Column
from rich.text import Text, TextType
from rich.theme import Theme

# The terminal's own colours, which its owner chose to be legible on its background.
THEME = Theme(
    {
        "markdown.h1": "bold",
        "markdown.h2": "bold",
        "markdown.h3": "bold",
        "markdown.h4": "italic",
        "markdown.code": "cyan",
        "markdown.link": "none",
        "markdown.link_url": "underline",
        "markdown.block_quote": "italic",
        "markdown.item.bullet": "dim",
        "markdown.item.number": "dim",
        "markdown.table.border": "dim",
        "markdown.table.header": "bold",
    }
)


class Title(Heading):
    """A heading at the left, the first two levels underlined."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        text = self.text.copy()
        lines = text.wrap(console, options.max_width)
        yield text
        line = {"h1": "═", "h2": "─"}.get(self.tag)
        if line:
            yield Text(line * max(part.cell_len for part in lines), style="dim")


class Code(CodeBlock):
    """Code in the terminal's colours on its own background, indented."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        code = str(self.text).rstrip()
        syntax = Syntax(code, self.lexer_name, theme="ansi_light", background_color="default", word_wrap=True)
        yield Padding(syntax, (0, 0, 0, 4))


class Table(TableElement):
    """A table with a line under its head and none around it; no word is cut, and none parted that has room."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for table in super().__rich_console__(console, options):
            table.box, table.show_edge = box.SIMPLE_HEAD, False
            widths = _share_room(table.columns, options.max_width - 2 * (len(table.columns) - 1))
            for column, width in zip(table.columns, widths, strict=True):
                column.overflow, column.width = "fold", width
            yield table


def _share_room(columns: list[Column], room: int) -> list[int] | list[None]:
    """Return widths that part no word and leave every column about as tall; None for each where words need more."""
    texts = [[str(cell) for cell in (column.header, *column.cells)] for column in columns]
    widths = [max(cell_len(word) for text in column for word in ["", *text.split()]) for column in texts]
    wanted = [max(map(cell_len, column)) for column in texts]
    if sum(widths) > room:
        return [None] * len(widths)
    for _ in range(min(room, sum(wanted)) - sum(widths)):
        tightest = max(range(len(widths)), key=lambda i: wanted[i] / max(widths[i], 1))
        widths[tightest] += 1
    return widths


class Formula(MarkdownElement):
    """A formula on lines of its own; its lines are never wrapped."""

    def on_text(self, context: MarkdownContext, text: TextType) -> None:
        """Take the drawn formula."""
        self.lines = str(text)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Padding(Text(self.lines, no_wrap=True, overflow="ignore"), (0, 0, 0, 4))


class Picture(MarkdownElement):
    """What a picture shows and where it is; the path is a link and stays in one piece."""

    @classmethod
    def create(cls, markdown: Markdown, token: Token) -> Picture:
        """Keep the path, which is not text of the lesson."""
        picture = cls()
        picture.path, picture.shown = token.meta["path"], token.meta["shown"]
        return picture

    def on_text(self, context: MarkdownContext, text: TextType) -> None:
        """Take what the picture shows."""
        self.alt = str(text)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        link = Text(
            self.shown, style=Style(link=self.path.as_uri(), underline=True), no_wrap=True, overflow="ignore"
        )
        link.append("]", style=Style.null())
        whole = Text.assemble(self.alt, " ", link)
        if whole.cell_len <= options.max_width:
            yield whole
        else:
            yield Text(self.alt)
            yield link


class Lesson(Markdown):
    """A lesson's tokens, adapted to the terminal, as something rich can print."""

    elements: ClassVar = {
        **Markdown.elements,
        "heading_open": Title,
        "fence": Code,
        "code_block": Code,
        "math_block": Formula,
        "picture": Picture,
        "table_open": Table,
    }

    def __init__(self, tokens: list[Token]):
        super().__init__("", hyperlinks=True)
        self.parsed = tokens
