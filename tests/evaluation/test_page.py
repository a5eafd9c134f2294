"""The report holds all it shows, escapes what it did not write, and says what was measured."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tiny import draw_picture

from pycap.data.dataset import CaptionDataset, Example
from pycap.evaluation import Corpus, Subject, build_report, evaluate
from pycap.evaluation.cards import choose_pictures
from pycap.text import Vocabulary

EVIL = '<script>alert("x")</script> & <img src=//evil.example/x onerror=x>'
VOID = {"meta", "img"}


class Outline(HTMLParser):
    """Check that elements are closed in order; collect tags, attributes and text."""

    def __init__(self, page: str):
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text.append(data)

    def find(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def dataset(tmp_path: Path) -> CaptionDataset:
    """Nine dev pictures; one caption and one id are an attack, one picture cannot be read."""
    examples = []
    for number in range(9):
        path = tmp_path / f"{number}.png"
        draw_picture(number, (500, 300)).save(path)
        captions = (f"a red dog runs {number}", "the dog is red", EVIL if number == 0 else "a cat sits")
        examples.append(Example(path, captions, "dev", f"<b>{number}"))
    examples[4].image.write_bytes(b"")
    return CaptionDataset("flickr8k", tuple(examples))


def score(dataset: CaptionDataset, captions: dict | None = None):
    captions = captions or {example.id: "a red dog" for example in dataset} | {"<b>1": EVIL, "<b>2": ""}
    return Corpus(dataset.examples, "dev", meteor=False).score(captions)


SUBJECT = Subject(
    "results <i>.json",
    "flickr8k",
    {"beam": 3},
    "pycap evaluate --data 'a <b>'",
    datetime(2026, 5, 4, 3, 2, tzinfo=timezone.utc),
    Vocabulary(["a", "dog", "cat"]),
    ["A red dog ."],
)


def test_untrusted_text_is_escaped_and_the_page_well_formed(dataset):
    page = build_report(score(dataset), SUBJECT)
    outline = Outline(page)
    assert not outline.find("script")
    assert not [image for image in outline.find("img") if "onerror" in image]
    assert not {"b", "i"} & {tag for tag, _ in outline.tags}
    assert EVIL in outline.text  # as text


def test_the_page_asks_no_network(dataset):
    page = build_report(score(dataset), SUBJECT)
    outline = Outline(page)
    assert all(image["src"].startswith("data:image/jpeg;base64,") for image in outline.find("img"))
    assert not outline.find("link")
    assert not re.search(r"url\(|@import", re.search("<style>(.*?)</style>", page, re.DOTALL).group(1))
    policies = [meta["content"] for meta in outline.find("meta") if "http-equiv" in meta]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


def test_every_picture_and_chart_says_in_words_what_it_shows(dataset, captioner):
    found = evaluate(captioner, dataset, "dev", meteor=False, keep=True)
    outline = Outline(build_report(found, SUBJECT))
    images, charts = outline.find("img"), outline.find("svg")
    assert all(image["alt"] for image in images)
    assert all(chart["role"] == "img" and chart["aria-label"] for chart in charts)
    assert len(charts) == 3
    words = sum(len(caption.words) for id, caption in found.found.items() if id in shown_ids(found))
    assert sum(image["alt"].startswith("Where the decoder") for image in images) == words
    assert any(image["alt"].startswith("Where the encoder") for image in images)


def shown_ids(evaluation) -> set:
    return {example.id for chosen in choose_pictures(evaluation, 12).values() for example in chosen}


def test_the_head_says_what_was_evaluated_and_how(dataset):
    text = "\n".join(Outline(build_report(score(dataset), SUBJECT)).text)
    for words in (
        "results <i>.json on flickr8k dev",
        "pycap evaluate --data 'a <b>'",
        "2026-05-04 03:02",
        "27",
    ):
        assert words in text


def test_published_marks_are_shown_for_flickr8k_alone_and_labelled(dataset):
    kinds = [("flickr8k", True), ("coco", True), ("flickr8k", False)]
    pages = [build_report(score(dataset), Subject("x", name, official=official)) for name, official in kinds]
    assert "soft attention, Xu et al. 2015 (other pictures: test)" in pages[0]
    assert "0.448" in pages[0]
    assert "Xu et al." not in pages[1] + pages[2]


def test_copies_of_training_captions_are_counted_where_there_are_some(dataset):
    with_training = build_report(score(dataset), SUBJECT)
    row = re.search(r"word for word a training caption</th><td>(.*?)</td><td>(.*?)</td>", with_training)
    assert row.groups() == ("77.8%", "0.0%")  # 7 of 9
    assert "word for word" not in build_report(score(dataset), Subject("x", "flickr8k"))


def test_words_that_are_never_said_are_listed_and_unknown_ones_struck_through(dataset):
    page = build_report(score(dataset), SUBJECT)
    assert "<span>cat <small>8</small></span>" in page
    assert "<span><s>runs</s> <small>9</small></span>" in page


def test_a_picture_that_cannot_be_read_leaves_a_note(dataset):
    page = build_report(score(dataset), SUBJECT)
    assert page.count("the picture cannot be read") == 1


def test_pictures_that_were_not_captioned_are_listed(dataset, captioner):
    page = build_report(evaluate(captioner, dataset, "dev", meteor=False), SUBJECT)
    assert "Pictures that cannot be read" in page
    assert "4.png" in page


def test_a_sweep_is_drawn_and_the_best_beam_marked(dataset):
    rows = [
        {**score(dataset).scores, "beam": beam, "cider": cider, "searches_per_second": 9.0}
        | {"captions_per_second": 3.0}
        for beam, cider in ((5, 0.5), (1, 0.7), (10, 0.2))
    ]
    page = build_report(score(dataset), SUBJECT, rows)
    charts = Outline(page).find("svg")
    assert charts[0]["aria-label"] == "CIDEr by beam: 1: 0.700, 5: 0.500, 10: 0.200"
    assert re.findall(r'<tr class="(\w*)"><th scope="row">(\d+)</th>', page) == [
        ("ours", "1"),
        ("", "5"),
        ("", "10"),
    ]
    assert "CIDEr by beam" not in build_report(score(dataset), SUBJECT, rows[:1])


@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_no_picture_is_shown_twice(dataset, count):
    few = CaptionDataset("few", dataset.examples[:count])
    evaluation = score(few, {example.id: "a red dog" for example in few})
    chosen = [example.id for kind in choose_pictures(evaluation, 12).values() for example in kind]
    assert len(chosen) == len(set(chosen)) >= min(count, 3)


def test_a_page_of_large_photos_stays_small(tmp_path):
    examples = []
    for number in range(36):
        path = tmp_path / f"{number}.jpg"
        draw_picture(number, (1200, 900)).effect_spread(40).save(path)
        examples.append(Example(path, ("a dog", "a red dog"), "dev", number))
    evaluation = score(CaptionDataset("large", tuple(examples)), dict.fromkeys(range(36), "a dog"))
    assert len(build_report(evaluation, Subject("x", "large"))) < 5_000_000
