"""The report: one HTML page that holds everything it shows, scripts none, and asks no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

from pycap.evaluation.cards import choose_pictures, draw_card
from pycap.evaluation.corpus import Corpus, Evaluation
from pycap.evaluation.panels import describe_speech, draw_scores, draw_spread, draw_sweep_section
from pycap.text import Vocabulary

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
SECTIONS = {
    "worst": ("The worst captions", "The lowest CIDEr-D first: what to look at to find out why."),
    "median": ("The captions in the middle", "Half of all captions score higher than these, half lower."),
    "best": ("The best captions", "The highest CIDEr-D first."),
}


@dataclass(frozen=True)
class Subject:
    """What a report is about, besides the scores.

    Attributes:
        system: who wrote the captions, "shipped checkpoint" or a path.
        dataset: name of the data set.
        settings: of the search and the machine, name -> value.
        command: that made the report.
        when: it was made.
        vocabulary: of the model, None if unknown.
        training: training captions, to find copies of them; empty if there are none.
        official: the splits are those that others publish scores of.
    """

    system: str
    dataset: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    command: str = ""
    when: datetime | None = None
    vocabulary: Vocabulary | None = None
    training: Sequence[str] = ()
    official: bool = False


def build_report(
    evaluation: Evaluation,
    subject: Subject,
    sweep: Sequence[Mapping[str, Any]] = (),
    count: int = 12,
) -> str:
    """Build the page.

    Args:
        evaluation: what is shown; with `found` kept, attention too.
        subject: what it is about.
        sweep: `Evaluation.scores` of each beam, if several were tried.
        count: best, median and worst pictures, each.

    Returns:
        HTML; every caption, name and id in it is escaped.
    """
    scores = evaluation.scores
    title = f"{subject.system} on {subject.dataset} {scores['split']}"
    parts = [
        _draw_head(evaluation, subject, title),
        draw_scores(evaluation, subject.dataset if subject.official else "", _compare_people(evaluation)),
    ]
    if len(sweep) > 1:
        parts.append(draw_sweep_section(sweep))
    parts.append(draw_spread(evaluation))
    parts.append(describe_speech(evaluation, subject.vocabulary, subject.training))
    chosen = choose_pictures(evaluation, count)
    for name, (heading, note) in SECTIONS.items():
        if chosen[name]:
            cards = "".join(
                draw_card(evaluation, example, opened=number == 0)
                for number, example in enumerate(chosen[name])
            )
            parts.append(
                f'<section id="{name}"><h2>{heading}</h2><p class="lead">{note}</p>{cards}</section>'
            )
    if evaluation.failures:
        lines = "".join(f"<li>{escape(line)}</li>" for line in evaluation.failures)
        parts.append(f'<section id="unread"><h2>Pictures that cannot be read</h2><ul>{lines}</ul></section>')
    style = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}</title><style>{style}</style></head>\n"
        f"<body><main>{chr(10).join(parts)}</main></body></html>\n"
    )


def _draw_head(evaluation: Evaluation, subject: Subject, title: str) -> str:
    scores = evaluation.scores
    references = sum(len(example.captions) for example in evaluation.examples)
    facts = {
        "pictures": f"{scores['images']:,}",
        "references": f"{references:,}",
        **subject.settings,
    }
    if evaluation.failures:
        facts["not readable"] = len(evaluation.failures)
    if subject.when is not None:
        facts["made"] = subject.when.strftime("%Y-%m-%d %H:%M")
    rows = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(str(value))}</dd></div>" for name, value in facts.items()
    )
    command = f'<pre class="command"><code>{escape(subject.command)}</code></pre>' if subject.command else ""
    return (
        f'<header><p class="kind">pycap evaluation</p><h1>{escape(title)}</h1>'
        f'<dl class="facts">{rows}</dl>{command}</header>'
    )


def _compare_people(evaluation: Evaluation) -> Mapping[str, Any] | None:
    """Return the scores of each picture's first reference against its others; None if one has no other."""
    examples = evaluation.examples
    if any(len(example.captions) < 2 for example in examples):
        return None
    others = [replace(example, captions=example.captions[1:]) for example in examples]
    corpus = Corpus(others, evaluation.scores["split"], meteor=False)
    return corpus.score({example.id: example.captions[0] for example in examples}).scores
