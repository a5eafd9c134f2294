"""One picture of the report: the photo, what was said, what people say, and where the model looked."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape

from PIL import Image

from pycap.data import ImageError, read_image
from pycap.data.dataset import Example
from pycap.evaluation.corpus import Evaluation
from pycap.evaluation.labels import OF_ONE
from pycap.figure import Tile, draw_tiles

SHOWN = ("cider", "bleu_4", "rouge_l", "meteor", "spice")
PHOTO = 336  # pixels of the longer side, at most
TILE = 112  # pixels
LOOKS = 4  # tiles of encoder attention


def choose_pictures(evaluation: Evaluation, count: int) -> dict[str, list[Example]]:
    """Return the best, the median and the worst pictures, none of them twice.

    Args:
        evaluation: scored pictures.
        count: of each kind, at most.

    Returns:
        "worst" (worst first), "median" and "best" (best first); of few pictures a third each.
    """
    ranked = evaluation.ranked()
    count = min(count, max(1, len(ranked) // 3))
    best = ranked[::-1][:count]
    worst = ranked[: min(count, len(ranked) - len(best))]
    start = (len(ranked) - count) // 2
    taken = {example.id for example in (*best, *worst)}
    median = [example for example in ranked[start : start + count] if example.id not in taken]
    return {"worst": worst, "median": median, "best": best}


def draw_card(evaluation: Evaluation, example: Example, opened: bool) -> str:
    """Return one picture as an `<article>` element; all text is escaped.

    Args:
        evaluation: with the picture's caption and scores, and its attention if it was kept.
        example: the picture.
        opened: show the attention at once.
    """
    scores = evaluation.sentences[example.id]
    marks = "".join(
        f"<div><dt>{OF_ONE[key]}</dt><dd>{scores[key]:.2f}</dd></div>"
        for key in SHOWN
        if scores.get(key) is not None
    )
    references = "".join(f"<li>{escape(caption)}</li>" for caption in example.captions)
    caption = escape(evaluation.captions[example.id]) or '<span class="soft">(says nothing)</span>'
    try:
        image = read_image(example.image, at_least=2 * PHOTO)
    except ImageError:
        photo, looked = '<p class="gone">the picture cannot be read</p>', ""
    else:
        alt = f"Photo, in a person’s words: {example.captions[0]}"
        photo = _embed(_shrink(image), alt, quality=80)
        looked = _draw_attention(evaluation, example, image, opened)
    return (
        f'<article class="card"><div class="photo">{photo}</div><div class="said">'
        f'<p class="caption">{caption}</p><dl class="marks">{marks}</dl>'
        f'<p class="label">People say</p><ul>{references}</ul>'
        f'<p class="id">{escape(str(example.id))}</p></div>{looked}</article>'
    )


def _draw_attention(evaluation: Evaluation, example: Example, image: Image.Image, opened: bool) -> str:
    found = evaluation.found.get(example.id)
    if found is None or not found.words:
        return ""
    words, looks = draw_tiles(image, found, TILE, LOOKS)
    rows = (
        '<p class="label">Decoder: where it looked for each word, and the share of the strongest region</p>'
    )
    rows += _draw_row(words, "Where the decoder looked for “{}”")
    if looks:
        rows += (
            '<p class="label">Encoder: where the region that mattered for the word, the square, looked</p>'
        )
        rows += _draw_row(looks, "Where the encoder looked from the region of “{}”")
    return f"<details{' open' if opened else ''}><summary>Where it looked</summary>{rows}</details>"


def _draw_row(tiles: Sequence[Tile], alt: str) -> str:
    figures = (
        f"<figure>{_embed(tile.picture, alt.format(tile.word), quality=68)}"
        f"<figcaption>{escape(tile.word)} <span>{tile.note}</span></figcaption></figure>"
        for tile in tiles
    )
    return f'<div class="tiles">{"".join(figures)}</div>'


def _shrink(image: Image.Image) -> Image.Image:
    """Return the picture with its longer side at most `PHOTO` pixels."""
    small = image.copy()
    small.thumbnail((PHOTO, PHOTO), Image.Resampling.LANCZOS)
    return small


def _embed(image: Image.Image, alt: str, quality: int) -> str:
    """Return an `<img>` that holds its own pixels."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality, optimize=True)
    data = base64.b64encode(file.getvalue()).decode("ascii")
    size = f'width="{image.width}" height="{image.height}"'
    return f'<img src="data:image/jpeg;base64,{data}" {size} alt="{escape(alt)}" decoding="async">'
