"""The picture of attention: where the decoder looked for each word, and where the encoder looked from there.

Drawn with Pillow alone. Maps come on the network's grid, which covers the central square of the picture, and
are laid over that square here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from os import PathLike
from typing import Protocol

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pycap.data.images import crop_box

GAP, MARGIN, LABEL = 20, 52, 44  # pixels; LABEL is the line below a tile
COLUMNS, HERO = (
    (5, 6, 7),
    2,
)  # tiles in a row, whichever leaves least empty; the whole picture takes HERO x HERO
WIDTH = 2 * MARGIN + 1660  # 1660 + GAP is a multiple of 5, 6 and 7
PAPER, INK, SOFT = (15, 16, 22), (244, 244, 246), (148, 151, 164)
SPREAD = 0.6  # width of a region's glow, in regions
FLAT = 3.0  # maps whose peak is below this many times the mean do not reach the full colour
GLUE = {"a", "an", "and", "are", "at", "for", "in", "is", "of", "on", "the", "to", "with"}  # last to be drawn

# Perceptually even ramps from dark to light, one for each kind of attention.
DECODER_RAMP = "#1b0c41 #4a0c6b #781c6d #a52c60 #cf4446 #ed6925 #fb9b06 #f7d13d #fcffa4"
ENCODER_RAMP = "#0b1d3a #123a63 #13588a #0f78a8 #1798b8 #3cb8bd #74d3bd #b2e9c4 #ecfbe0"


class Attended(Protocol):
    """What is drawn of a caption; see `pycap.captioner.Caption` for the shapes."""

    text: str
    words: tuple[str, ...]
    attention: np.ndarray
    encoder_attention: np.ndarray | None


@dataclass(frozen=True)
class Tile:
    """One square of the figure with the line below it: a word, and the share of the strongest region."""

    picture: Image.Image
    word: str
    note: str


@dataclass(frozen=True)
class _Layout:
    """Where the tiles of the words go, around the whole picture at the top left.

    Attributes:
        columns, rows: tiles.
        top: pixels above the first row.
    """

    columns: int
    rows: int
    top: int

    @classmethod
    def fit(cls, words: int, top: int) -> _Layout:
        """Choose the columns that leave the fewest places empty, the fewest columns among equals."""

        def count_rows(columns: int) -> int:
            return HERO + max(0, -(-(words - HERO * (columns - HERO)) // columns))

        columns = min(COLUMNS, key=lambda columns: (columns * count_rows(columns), columns))
        return cls(columns, count_rows(columns), top)

    @property
    def tile(self) -> int:
        """Side of a tile in pixels."""
        return (WIDTH - 2 * MARGIN + GAP) // self.columns - GAP

    def corner(self, row: int, col: int) -> tuple[int, int]:
        """Return left and top of a tile."""
        return MARGIN + col * (self.tile + GAP), self.top + row * (self.tile + LABEL + GAP)

    def places(self) -> list[tuple[int, int]]:
        """Return the corners of all tiles beside and below the whole picture."""
        cells = ((row, col) for row in range(self.rows) for col in range(self.columns))
        return [self.corner(row, col) for row, col in cells if row >= HERO or col >= HERO]


def draw_attention(
    image: Image.Image, caption: Attended, path: str | PathLike[str] | None = None
) -> Image.Image:
    """Draw a caption's attention over its picture.

    Args:
        image: the captioned picture, RGB and upright, as `pycap.data.images.read_image` returns it.
        caption: its Caption.
        path: also save the figure there, in the format of the suffix.

    Returns:
        The figure: the caption, the whole picture, a tile for each word, and below, unless the model has no
        encoder attention, where the encoder looked from the regions that mattered most.

    Raises:
        ValueError: words and maps differ in number.
    """
    title, font = _wrap(caption.text, WIDTH - 2 * MARGIN)
    layout = _Layout.fit(len(caption.words), MARGIN + len(title) * (font.size + 12) + 58)
    tiles, looks = draw_tiles(image, caption, layout.tile, layout.columns)
    low = layout.corner(layout.rows, 0)[1] + 64  # top of the encoder's row
    page = Image.new("RGB", (WIDTH, (low + layout.tile + LABEL if looks else low - 64 - GAP) + MARGIN), PAPER)
    draw = ImageDraw.Draw(page)
    for line, text in enumerate(title):
        draw.text((MARGIN, MARGIN - 8 + line * (font.size + 12)), text, INK, font)
    note = "where it looked for each word, and the share of the strongest region"
    _draw_heading(page, layout.top - 22, "Decoder", note, _build_ramp(DECODER_RAMP))
    hero = _draw_hero(image, HERO * (layout.tile + GAP) - GAP)
    page.paste(hero, layout.corner(0, 0), _round_corners(hero.size))
    for tile, place in zip(tiles, layout.places(), strict=False):
        _place(page, tile, *place)
    if looks:
        note = "where a region that mattered for the word, the square, looked in turn"
        _draw_heading(page, low - 22, "Encoder", note, _build_ramp(ENCODER_RAMP))
        for col, tile in enumerate(looks):
            _place(page, tile, layout.corner(0, col)[0], low)
    if path is not None:
        page.save(path)
    return page


def draw_tiles(image: Image.Image, caption: Attended, side: int, looks: int) -> tuple[list[Tile], list[Tile]]:
    """Draw the squares of which `draw_attention` makes its figure.

    Args:
        image: the captioned picture, RGB and upright.
        caption: its Caption.
        side: of a square in pixels.
        looks: squares of encoder attention at most.

    Returns:
        a tile for each word, and tiles of encoder attention (none if the model has no such attention).

    Raises:
        ValueError: words and maps differ in number.
    """
    words, maps = caption.words, np.asarray(caption.attention, dtype=np.float64)
    if maps.ndim != 3 or len(words) != len(maps):
        raise ValueError(f"attention must be (words={len(words)}, rows, cols), got {maps.shape}")
    box = crop_box(*image.size)
    square = image.crop(box).resize((side, side), Image.Resampling.LANCZOS, reducing_gap=3)
    ramp = _build_ramp(DECODER_RAMP)
    tiles = [
        Tile(_glow(square, grid, ramp), word, f"{grid.max():.0%}")
        for word, grid in zip(words, maps, strict=True)
    ]
    return tiles, _draw_encoder(square, caption, maps, looks)


def _choose_regions(words: tuple[str, ...], maps: np.ndarray, count: int) -> list[tuple[int, int]]:
    """Pair words with regions they looked at hard: no word twice, no region beside another, in caption order.

    Args:
        words: the caption.
        maps: `(words, rows, cols)`.
        count: pairs at most.

    Returns:
        `(word, region)`; a region has at least half the weight of its word's strongest one.
    """
    cols = maps.shape[2]
    weights = maps.reshape(len(words), -1)
    order = weights * np.array([0.1 if word in GLUE else 1.0 for word in words])[:, None]
    chosen: dict[int, int] = {}
    for place in order.ravel().argsort(kind="stable")[::-1]:
        word, region = divmod(int(place), weights.shape[1])
        apart = [max(abs(region // cols - r // cols), abs(region % cols - r % cols)) for r in chosen.values()]
        if (
            word not in chosen
            and min(apart, default=2) > 1
            and 2 * weights[word, region] >= weights[word].max()
        ):
            chosen[word] = region
        if len(chosen) == count:
            break
    return sorted(chosen.items())


def _draw_encoder(square: Image.Image, caption: Attended, maps: np.ndarray, count: int) -> list[Tile]:
    """Return `count` tiles of encoder attention or fewer; none if the model has no such attention."""
    if caption.encoder_attention is None:
        return []
    (_, rows, cols), side = maps.shape, square.width
    ramp, tiles = _build_ramp(ENCODER_RAMP), []
    for word, region in _choose_regions(caption.words, maps, count):
        looked = np.asarray(caption.encoder_attention[region], dtype=np.float64).reshape(rows, cols)
        picture = _glow(square, looked, ramp)
        row, col = divmod(region, cols)
        box = (col * side // cols, row * side // rows, (col + 1) * side // cols, (row + 1) * side // rows)
        ImageDraw.Draw(picture).rounded_rectangle(box, 4, outline="white", width=min(3, 1 + side // 100))
        tiles.append(Tile(picture, caption.words[word], f"{looked.max():.0%}"))
    return tiles


def _glow(square: Image.Image, grid: np.ndarray, ramp: np.ndarray) -> Image.Image:
    """Lay a map over the picture: grey and dark where it is low, in colour and glowing where it is high.

    Args:
        square: RGB, `(side, side)`.
        grid: the map, `(rows, cols)`.
        ramp: colours, `(256, 3)`.
    """
    down, across = (_spread(count, square.width) for count in grid.shape)
    smooth = down @ grid @ across.T  # (side, side)
    level = np.clip(smooth / max(smooth.max(), FLAT * grid.mean(), 1e-12), 0, 1)[:, :, None]
    pixels = np.asarray(square, dtype=np.float64)
    grey = pixels @ np.array([[0.299], [0.587], [0.114]])
    dark = 0.42 * (0.75 * grey + 0.25 * pixels)
    heat = ramp[(level[:, :, 0] * 255).astype(np.uint8)]
    shown = dark + (pixels - dark) * level  # colours come back where the model looks
    veil = 0.7 * level**0.8 * (1 - 0.25 * level)  # thinner at the peak, to show what is there
    return Image.fromarray(np.clip(shown * (1 - veil) + heat * veil, 0, 255).astype(np.uint8))


@lru_cache(maxsize=4)
def _spread(count: int, side: int) -> np.ndarray:
    """Return the weights that spread `count` regions smoothly over a tile's pixels, `(side, count)`."""
    pixels = (np.arange(side) + 0.5) / side * count
    distance = pixels[:, None] - (np.arange(count) + 0.5)
    weights = np.exp(-0.5 * (distance / SPREAD) ** 2)
    return weights / weights.sum(axis=1, keepdims=True)


def _build_ramp(colours: str) -> np.ndarray:
    """Return 256 colours, `(256, 3)`, between those of a list such as "#000000 #ffffff"."""
    stops = np.array([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in colours.split()])
    places = np.linspace(0, 1, len(stops))
    return np.stack([np.interp(np.linspace(0, 1, 256), places, stops[:, i]) for i in range(3)], axis=1)


def _draw_hero(image: Image.Image, width: int) -> Image.Image:
    """Return the whole picture, with everything dimmed that the network does not see."""
    height = width + LABEL
    scale = min(width / image.width, height / image.height)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    hero = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3)
    box = crop_box(*size)
    if box != (0, 0, *size):
        dimmed = hero.point(lambda value: value * 0.45)
        dimmed.paste(hero.crop(box), box[:2])
        hero = dimmed
    return hero


@lru_cache(maxsize=4)
def _round_corners(size: tuple[int, int], radius: int = 12) -> Image.Image:
    """Return a mask with smooth round corners, drawn at 4 times its size."""
    large = Image.new("L", (size[0] * 4, size[1] * 4), 0)
    ImageDraw.Draw(large).rounded_rectangle((0, 0, large.width - 1, large.height - 1), radius * 4, fill=255)
    return large.resize(size, Image.Resampling.BOX)


def _place(page: Image.Image, tile: Tile, left: int, top: int) -> None:
    page.paste(tile.picture, (left, top), _round_corners(tile.picture.size))
    draw, small, side = ImageDraw.Draw(page), ImageFont.load_default(17), tile.picture.width
    base = top + side + 29
    draw.text((left + side - 2, base), tile.note, SOFT, small, anchor="rs")
    font = ImageFont.load_default(25)
    room = side - 16 - small.getlength(tile.note)
    while font.getlength(tile.word) > room and font.size > 9:
        font = ImageFont.load_default(font.size - 1)
    draw.text((left + 2, base), tile.word, INK, font, anchor="ls")


def _draw_heading(page: Image.Image, base: int, name: str, text: str, ramp: np.ndarray) -> None:
    """Write a section's title, with its colour scale at the right edge."""
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(20)
    draw.text((MARGIN, base), name, INK, font, anchor="ls")
    draw.text((MARGIN + font.getlength(name) + 14, base), text, SOFT, font, anchor="ls")
    scale = Image.fromarray(np.repeat(ramp[None].astype(np.uint8), 12, axis=0))  # (12, 256)
    small = ImageFont.load_default(17)
    left = page.width - MARGIN - scale.width - round(small.getlength("more")) - 10
    page.paste(scale, (left, base - 13), _round_corners(scale.size, 6))
    draw.text((left - 10, base - 1), "less", SOFT, small, anchor="rs")
    draw.text((page.width - MARGIN, base - 1), "more", SOFT, small, anchor="rs")


def _wrap(text: str, width: int) -> tuple[list[str], ImageFont.FreeTypeFont]:
    """Return the caption's lines and the font in which they fit `width` pixels, if possible in two lines."""
    for size in (48, 42, 36, 30):
        font, lines = ImageFont.load_default(size), [""]
        for word in text.split():
            longer = f"{lines[-1]} {word}".strip()
            if font.getlength(longer) <= width or not lines[-1]:
                lines[-1] = longer
            else:
                lines.append(word)
        if len(lines) <= 2:
            break
    return lines, font
