"""The attention figure: the glow is where the attention is, and every picture fits."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from pycap.figure import (
    DECODER_RAMP,
    GAP,
    LABEL,
    MARGIN,
    WIDTH,
    _build_ramp,
    _choose_regions,
    _glow,
    _Layout,
    draw_attention,
)

TILE = 220


def make_caption(words: int, grid: int = 7, encoder: bool = True) -> SimpleNamespace:
    random = np.random.default_rng(0)
    names = tuple(f"word{number}" for number in range(words))
    attention = random.random((words, grid, grid)) ** 6
    attention /= attention.sum((1, 2), keepdims=True)
    looked = random.random((grid * grid, grid * grid))
    looked /= looked.sum(1, keepdims=True)
    return SimpleNamespace(
        text=" ".join(names), words=names, attention=attention, encoder_attention=looked if encoder else None
    )


@pytest.mark.parametrize(("row", "col"), [(0, 0), (0, 6), (3, 2), (6, 6)])
def test_the_glow_is_where_the_attention_is(row, col):
    grid = np.zeros((7, 7))
    grid[row, col] = 1
    square = Image.new("RGB", (TILE, TILE), (128, 128, 128))
    light = np.asarray(_glow(square, grid, _build_ramp(DECODER_RAMP)), dtype=float).sum(2)
    down, across = np.unravel_index(light.argmax(), light.shape)
    assert (down * 7 // TILE, across * 7 // TILE) == (row, col)
    far = light[0 if row > 3 else -1, 0 if col > 3 else -1]
    assert light.max() > 2 * far


def test_flat_attention_glows_nowhere_at_full_strength():
    square = Image.new("RGB", (TILE, TILE), (128, 128, 128))
    ramp = _build_ramp(DECODER_RAMP)
    sharp = np.eye(7)[:1].repeat(7, 0) * np.eye(7)[:, :1]
    flat = np.full((7, 7), 1 / 49)
    brightest = [np.asarray(_glow(square, grid, ramp)).sum(2).max() for grid in (flat, sharp)]
    assert brightest[0] < 0.7 * brightest[1]


def test_maps_cover_the_central_square_of_the_picture():
    """A wide picture: red outside the square the network sees, blue inside; no word's tile may show red."""
    picture = Image.new("RGB", (400, 200), (255, 0, 0))
    picture.paste((0, 0, 255), (100, 0, 300, 200))
    page = np.asarray(draw_attention(picture, make_caption(8, encoder=False)), dtype=int)
    layout = _Layout.fit(8, page.shape[0] - MARGIN - LABEL - GAP - 2 * 260 - LABEL)
    (left, top), side = layout.corner(0, 2), layout.tile
    tile = page[top : top + side, left : left + side]
    lit = tile[np.unravel_index(tile.sum(2).argmax(), tile.shape[:2])]
    assert lit.sum() > 150, "this is not a tile with a glow in it"
    dark = tile[tile.sum(2) < np.median(tile.sum(2))]
    assert (dark[:, 2] >= dark[:, 0]).all()


@pytest.mark.parametrize("words", range(1, 41))
def test_every_word_has_a_place_and_no_place_overlaps(words):
    layout = _Layout.fit(words, top=100)
    places = layout.places()
    assert words <= len(places) < words + 6
    step = layout.tile + GAP
    assert len({(left // step, top // step) for left, top in places}) == len(places)
    hero = MARGIN + 2 * layout.tile + GAP
    for left, top in places:
        assert MARGIN <= left <= WIDTH - MARGIN - layout.tile
        assert left >= hero or top >= 100 + 2 * (layout.tile + LABEL + GAP)
    assert max(left for left, _ in places) + layout.tile == WIDTH - MARGIN


def test_captions_of_usual_length_leave_few_places_empty():
    empty = {words: len(_Layout.fit(words, top=0).places()) - words for words in range(6, 17)}
    assert max(empty.values()) <= 2
    assert sum(empty.values()) <= 9


def test_regions_are_apart_and_belong_to_words_that_looked_there():
    caption = make_caption(12)
    chosen = _choose_regions(("a", *caption.words[1:]), caption.attention, 6)
    assert 3 <= len(chosen) <= 6
    assert chosen == sorted(chosen)
    assert 0 not in dict(chosen), "a word without content should be last"
    for word, region in chosen:
        weights = caption.attention[word].ravel()
        assert weights[region] >= 0.5 * weights.max()
    cells = [divmod(region, 7) for _, region in chosen]
    for i, (row, col) in enumerate(cells):
        for other_row, other_col in cells[:i]:
            assert max(abs(row - other_row), abs(col - other_col)) > 1


def test_the_square_marks_the_region_whose_attention_is_shown():
    caption = make_caption(1)
    caption.attention = np.zeros((1, 7, 7))
    caption.attention[0, 5, 1] = 1
    caption.encoder_attention = np.zeros((49, 49))
    caption.encoder_attention[5 * 7 + 1, 1 * 7 + 5] = 1  # from the lower left to the upper right
    page = np.asarray(draw_attention(Image.new("RGB", (64, 64), (60, 60, 60)), caption), dtype=int)
    side = _Layout.fit(1, top=0).tile
    tile = page[-MARGIN - LABEL - side : -MARGIN - LABEL, MARGIN : MARGIN + side]
    white = np.argwhere((tile > 250).all(2)) * 7 / side
    assert white.min(0).round().tolist() == [5, 1]
    assert white.max(0).round().tolist() == [6, 2]
    light = tile.sum(2)
    light[light.shape[0] // 2 :] = 0  # all but the lower half with its white square
    assert tuple(np.array(np.unravel_index(light.argmax(), light.shape)) * 7 // side) == (1, 5)


def test_encoder_attention_takes_a_row_of_its_own():
    picture = Image.new("RGB", (64, 64), "grey")
    plain, full = (draw_attention(picture, make_caption(8, encoder=encoder)) for encoder in (False, True))
    assert full.width == plain.width == WIDTH
    assert full.height > plain.height + 260 + LABEL


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (3000, 40), (260, 260)])
def test_every_size_of_picture_is_drawn(size):
    assert draw_attention(Image.new("RGB", size, "green"), make_caption(3)).width == WIDTH


def test_long_words_and_captions_stay_on_the_page(tmp_path):
    caption = make_caption(20)
    caption.words = ("incomprehensibilities" * 3, *caption.words[1:])
    caption.text = " ".join(caption.words)
    page = np.asarray(draw_attention(Image.new("RGB", (64, 64)), caption, tmp_path / "figure.png"))
    assert (page[:, -20:] == page[0, 0]).all(), "something is drawn in the right margin"
    with Image.open(tmp_path / "figure.png") as stored:
        assert stored.size == (WIDTH, page.shape[0])


def test_words_without_maps_are_refused():
    caption = make_caption(3)
    caption.words = caption.words[:2]
    with pytest.raises(ValueError, match=r"attention must be \(words=2, rows, cols\), got \(3, 7, 7\)"):
        draw_attention(Image.new("RGB", (64, 64)), caption)
