"""Sections of the report that show numbers: scores, the sweep, how scores and lengths are spread, the words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from itertools import chain
from typing import Any

import numpy as np

from pycap.evaluation.charts import count_shares, draw_histogram, draw_line
from pycap.evaluation.corpus import Evaluation
from pycap.evaluation.labels import LABELS, OF_ONE, SWEPT
from pycap.evaluation.language import Speech, list_unsaid, measure_copies
from pycap.text import Vocabulary

# Xu et al. 2015, table 1, measured on the official test pictures
PUBLISHED = {
    "flickr8k": {
        "soft attention, Xu et al. 2015": (0.67, 0.448, 0.299, 0.195, 0.1893),
        "hard attention, Xu et al. 2015": (0.67, 0.457, 0.314, 0.213, 0.2030),
    }
}
WORDS = 24  # in each list of words


def draw_scores(evaluation: Evaluation, dataset: str, people: Mapping[str, Any] | None) -> str:
    """Return the section of corpus scores.

    Args:
        evaluation: its scores.
        dataset: name of the data set whose published marks are shown beside the scores; Flickr8k has some.
        people: scores of a person's captions against the others', or None.
    """
    scores = evaluation.scores
    rows = [("these captions", {name: scores[name] for name in LABELS}, "ours")]
    if people is not None:
        rows.append(("a person against the other people", people, ""))
    for name, values in PUBLISHED.get(dataset, {}).items():
        place = "test" if scores["split"] == "test" else "other pictures: test"
        rows.append((f"{name} ({place})", dict(zip(LABELS, values, strict=False)), "soft"))
    shown = [name for name in LABELS if name != "spice" or scores[name] is not None]
    head = "".join(f'<th scope="col">{LABELS[name]}</th>' for name in shown)
    body = "".join(
        f'<tr class="{kind}"><th scope="row">{escape(label)}</th>'
        + "".join(f"<td>{_number(values.get(name))}</td>" for name in shown)
        + "</tr>"
        for label, values, kind in rows
    )
    tiles = "".join(
        f"<div><dt>{LABELS[name]}</dt><dd>{scores[name]:.3f}</dd></div>"
        for name in ("cider", "bleu_4", "meteor", "rouge_l")
        if scores[name] is not None
    )
    return (
        f'<section id="scores"><h2>Scores</h2><dl class="tiles-of-scores">{tiles}</dl>'
        f'<div class="wide"><table><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table></div>'
        '<p class="foot">Of the whole corpus, computed as coco-caption does, scale 0 to 1 (CIDEr 0 to 10). '
        "A person has one reference fewer to agree with.</p></section>"
    )


def draw_sweep_section(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the section that compares beams, of `Evaluation.scores` of each."""
    rows = sorted(rows, key=lambda row: row["beam"])
    charts = ""
    for key, (title, digits) in SWEPT.items():
        says = f"{title} by beam: " + ", ".join(f"{row['beam']}: {row[key]:.{digits}f}" for row in rows)
        charts += _panel(title, draw_line(rows, key, "beam", says, digits))
    shown = [name for name in LABELS if all(row[name] is not None for row in rows)]
    head = "".join(f'<th scope="col">{LABELS[name]}</th>' for name in shown)
    best = max(row["cider"] for row in rows)
    body = "".join(
        f'<tr class="{"ours" if row["cider"] == best else ""}"><th scope="row">{row["beam"]}</th>'
        + "".join(f"<td>{row[name]:.4f}</td>" for name in shown)
        + f"<td>{row['mean_words']:.2f}</td><td>{row['searches_per_second']:.0f}</td>"
        + f"<td>{row['captions_per_second']:.1f}</td></tr>"
        for row in rows
    )
    return (
        f'<section id="sweep"><h2>Beams</h2><div class="charts four">{charts}</div>'
        f'<div class="wide"><table><thead><tr><th scope="col">beam</th>{head}<th scope="col">words</th>'
        '<th scope="col">search/s</th><th scope="col">all/s</th></tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
        '<p class="foot">Searches a second (search/s) are of the search alone, captions a second (all/s) of reading '
        "the picture, CNN, encoder and search, one after the other. The rest of this page shows the beam with "
        "the best CIDEr.</p>"
        "</section>"
    )


def draw_spread(evaluation: Evaluation) -> str:
    """Return the section of histograms: CIDEr-D and BLEU-4 of single captions, and lengths."""
    each = list(evaluation.sentences.values())
    charts = ""
    for key, note in (
        ("cider", "The last bar holds all above."),
        ("bleu_4", "{:.0%} are near 0: no four words in a row are those of a reference."),
    ):
        name, values = OF_ONE[key], np.array([row[key] for row in each])
        width = 0.05 if key == "bleu_4" else max(0.1, np.ceil(np.quantile(values, 0.99) * 2) / 40)
        edges = np.arange(21) * width
        median = float(np.median(values))
        zero = float((values < 0.005).mean())
        says = f"Histogram of {name} of single captions; median {median:.2f}, {zero:.0%} at 0"
        shares = {"captions": count_shares(values, edges)}
        chart = draw_histogram(shares, edges, f"{name} of a caption", says, median)
        charts += _panel(f"{name} of single captions", chart, note.format(zero))
    said = Speech.listen(evaluation.captions.values()).lengths
    written = Speech.listen(chain.from_iterable(e.captions for e in evaluation.examples)).lengths
    edges = np.arange(0, min(max(max(said), int(np.quantile(written, 0.995))), 40) + 2) - 0.5
    shares = {"captions": count_shares(said, edges), "references": count_shares(written, edges)}
    means = f"{np.mean(said):.1f} words a caption, {np.mean(written):.1f} a reference"
    chart = draw_histogram(shares, edges, "words", f"Histogram of lengths; on average {means}", digits=0)
    charts += _panel("Length", chart, f"On average {means}.")
    return (
        f'<section id="spread"><h2>How they are spread</h2><div class="charts three">{charts}</div></section>'
    )


def describe_speech(evaluation: Evaluation, vocabulary: Vocabulary | None, training: Sequence[str]) -> str:
    """Return the section about words.

    Args:
        evaluation: captions and references.
        vocabulary: the model's, None if unknown.
        training: training captions; empty leaves out how many captions are copies.
    """
    said = Speech.listen(evaluation.captions.values())
    person = Speech.listen(example.captions[0] for example in evaluation.examples)
    written = Speech.listen(chain.from_iterable(example.captions for example in evaluation.examples))
    rows = [
        ("different words", f"{len(said.words):,}", f"{len(person.words):,}"),
        ("words a caption", f"{said.mean_words:.1f}", f"{person.mean_words:.1f}"),
        (
            "different captions",
            _share(said.distinct, said.captions),
            _share(person.distinct, person.captions),
        ),
        ("say a pair of words twice", f"{said.repeating:.1%}", f"{person.repeating:.1%}"),
    ]
    if training:
        copies = [
            measure_copies(captions, training)
            for captions in (
                evaluation.captions.values(),
                (example.captions[0] for example in evaluation.examples),
            )
        ]
        rows.append(("word for word a training caption", *(f"{copied:.1%}" for copied in copies)))
    body = "".join(
        f'<tr><th scope="row">{label}</th><td>{ours}</td><td>{theirs}</td></tr>'
        for label, ours, theirs in rows
    )
    known = "" if vocabulary is None else f" The model’s vocabulary holds {len(vocabulary.ordinary):,} words."
    unsaid = list_unsaid(said.words, written.words, vocabulary, WORDS)
    return (
        '<section id="words"><h2>Words</h2><div class="columns"><div>'
        '<table class="narrow"><thead><tr><td></td><th scope="col">these captions</th>'
        f'<th scope="col">first reference</th></tr></thead><tbody>{body}</tbody></table>'
        f'<p class="foot">All {written.captions:,} references together use {len(written.words):,} different words.'
        f"{known}</p></div><div>{_draw_words(said.words, written.words)}</div></div>"
        "<h3>Never said, though people say it often</h3>"
        f'<p class="chips">{"".join(_chip(*word) for word in unsaid) or "nothing"}</p>'
        '<p class="foot">With the number of uses in the references'
        + ("; struck through: not in the vocabulary." if not all(can for *_, can in unsaid) else ".")
        + "</p></section>"
    )


def _draw_words(words: Counter[str], references: Counter[str]) -> str:
    """Return the most used words as bars, with the share that they have in the references."""
    ranked = sorted(words.items(), key=lambda item: (-item[1], item[0]))[: WORDS // 2]
    total, written = max(sum(words.values()), 1), max(sum(references.values()), 1)
    shares = [(word, uses / total, references[word] / written) for word, uses in ranked]
    most = max((max(ours, theirs) for _, ours, theirs in shares), default=1)
    bars = "".join(
        f'<li><span class="word">{escape(word)}</span><span class="track">'
        f'<span class="ours" style="width:{ours / most:.1%}"></span>'
        f'<span class="theirs" style="left:{theirs / most:.1%}"></span></span>'
        f'<span class="uses">{ours:.1%}</span><span class="uses soft">{theirs:.1%}</span></li>'
        for word, ours, theirs in shares
    )
    return (
        f'<h3 class="first">Said most</h3><ol class="bars">{bars}</ol>'
        '<p class="foot">Share of all words; the mark and the grey number are the references’.</p>'
    )


def _chip(word: str, uses: int, can: bool) -> str:
    text = escape(word) if can else f"<s>{escape(word)}</s>"
    return f"<span>{text} <small>{uses}</small></span> "


def _panel(title: str, chart: str, note: str = "") -> str:
    foot = f'<figcaption class="foot">{note}</figcaption>' if note else ""
    return f"<figure><h3>{title}</h3>{chart}{foot}</figure>"


def _number(value: float | None) -> str:
    return '<span class="soft">–</span>' if value is None else f"{value:.3f}"


def _share(count: int, total: int) -> str:
    return f"{count:,} ({count / total:.0%})"
