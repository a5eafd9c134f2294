"""The site is well-formed, complete, works without a network, and overwrites nothing of the user's."""

from __future__ import annotations

from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import pytest
from sample import LESSON, Sample, write_unit

from pycap.course import site
from pycap.course.formulas import mathml
from pycap.course.units import UNITS

VOID = {"meta", "link", "img", "br", "hr"}


class Reader(HTMLParser):
    """Follows the nesting of a page and collects what it has."""

    def __init__(self, path: Path):
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None], tuple[str, ...]]] = []
        self.text: list[tuple[str, tuple[str, ...]]] = []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        self.faults += [f"{tag} is not closed" for tag in self.open]

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs), tuple(self.open)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> at line {self.getpos()[0]}")

    def handle_data(self, data):
        self.text.append((data, tuple(self.open)))

    def values(self, name: str) -> list[str]:
        """Return all values of an attribute."""
        return [str(attributes[name]) for _, attributes, _ in self.seen if name in attributes]


@pytest.fixture
def units(tmp_path: Path) -> list[Sample]:
    """Two weeks and a checkpoint between them."""
    return [write_unit(tmp_path / "course", name) for name in ("week2", "checkpoint1", "week3")]


@pytest.fixture
def pages(units: list[Sample], tmp_path: Path) -> dict[str, Reader]:
    """The pages of a site, read."""
    files = site.build(tmp_path / "site", units)
    assert all(path.is_file() for path in files)
    return {path.name: Reader(path) for path in files if path.suffix == ".html"}


def test_pages_are_well_formed(pages: dict[str, Reader]):
    assert set(pages) == {"index.html", "about.html", "week2.html", "checkpoint1.html", "week3.html"}
    for page in pages.values():
        assert not page.faults
        assert ("html", {"lang": "en"}, ()) in page.seen
        assert len(page.values("id")) == len(set(page.values("id")))
        levels = [int(tag[1]) for tag, _, _ in page.seen if tag in ("h1", "h2", "h3", "h4")]
        assert levels.count(1) == 1
        assert all(after <= before + 1 for before, after in pairwise(levels))


def test_every_link_resolves_within_the_folder(pages: dict[str, Reader], tmp_path: Path):
    for name, page in pages.items():
        for target in page.values("href") + page.values("src"):
            if target == "https://doi.org/10.1207/s15516709cog1402_1":
                continue
            place, _, anchor = unquote(target).partition("#")
            assert (tmp_path / "site" / (place or name)).is_file(), f"{name}: {target}"
            assert not anchor or anchor in pages[place or name].values("id"), f"{name}: {target}"


def test_links_between_lessons_lead_to_pages(pages: dict[str, Reader]):
    assert "week2.html#a-state-in-time" in pages["week3.html"].values("href")


def test_nothing_is_loaded_from_elsewhere_and_no_script_runs(pages: dict[str, Reader]):
    for page in pages.values():
        assert not [tag for tag, _, _ in page.seen if tag in ("script", "iframe", "object")]
        assert not [value for value in page.values("src") if "//" in value]
    assert "url(" not in Path(site.__file__).with_name("site.css").read_text()


def test_formulas_are_mathml_and_leave_no_latex(pages: dict[str, Reader]):
    page = pages["week3.html"]
    tags = {tag for tag, _, _ in page.seen}
    assert {"math", "mfrac", "munderover", "mtable", "msub"} <= tags
    assert not [text for text, _ in page.text if "\\" in text or "$$" in text]


def test_answers_are_folded_and_nothing_else(pages: dict[str, Reader]):
    page = pages["week3.html"]
    folded = "".join(text for text, place in page.text if "details" in place and "main" in place)
    assert "It is a product of factors below 1." in folded
    assert "Why does the gradient vanish?" not in folded
    assert "J. Elman" not in folded


def test_pictures_are_copied_and_described(pages: dict[str, Reader], tmp_path: Path):
    picture = next(attributes for tag, attributes, _ in pages["week3.html"].seen if tag == "img")
    assert picture["alt"].startswith("Norm of the gradient")
    assert (picture["width"], picture["height"]) == ("80", "40")
    assert (tmp_path / "site" / picture["src"]).is_file()


def test_pages_lead_to_the_one_before_and_the_next(pages: dict[str, Reader]):
    links = {
        attributes["rel"]: attributes["href"]
        for tag, attributes, _ in pages["checkpoint1.html"].seen
        if tag == "a" and "rel" in attributes
    }
    assert links == {"prev": "week2.html", "next": "week3.html"}


def test_the_first_page_leads_to_what_the_course_is(pages: dict[str, Reader]):
    assert "about.html" in pages["index.html"].values("href")
    assert "pycap/nn/recurrent.py" in "".join(text for text, _ in pages["about.html"].text)


def test_the_first_page_names_units_without_a_lesson_too(units: list[Sample], tmp_path: Path):
    files = site.build(tmp_path / "site", [*units, Sample("week5", tmp_path, title="Not written")])
    assert "Not written" in files[0].read_text()
    assert not (tmp_path / "site" / "week5.html").exists()


def test_the_course_itself_builds(tmp_path: Path):
    assert site.build(tmp_path / "site", UNITS)[0] == tmp_path / "site" / "index.html"


def test_a_second_build_replaces_its_own_files_only(units: list[Sample], tmp_path: Path):
    folder = tmp_path / "site"
    site.build(folder, units)
    (folder / "notes.txt").write_text("mine")
    site.build(folder, units[:2])
    assert (folder / "notes.txt").read_text() == "mine"
    assert not (folder / "week3.html").exists()


def test_a_folder_of_somebody_else_is_refused(units: list[Sample], tmp_path: Path):
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "index.html").write_text("mine")
    with pytest.raises(ValueError, match="is not empty and was not made by pycap"):
        site.build(folder, units)
    with pytest.raises(ValueError, match="is a file: name a folder"):
        site.build(folder / "index.html", units)
    assert (folder / "index.html").read_text() == "mine"


def test_a_foreign_file_in_a_site_is_not_overwritten(units: list[Sample], tmp_path: Path):
    folder = tmp_path / "site"
    site.build(folder, units[:1])
    (folder / "week3.html").write_text("mine")
    with pytest.raises(ValueError, match=r"week3\.html was not made by pycap"):
        site.build(folder, units)
    assert (folder / "week3.html").read_text() == "mine"


def test_html_in_a_lesson_stays_text(units: list[Sample], tmp_path: Path):
    units[0].lesson.write_text(LESSON.replace("A state in time", "A <script>alert(1)</script> & <b>"))
    site.build(tmp_path / "site", units[:1])
    page = Reader(tmp_path / "site" / "week2.html")
    assert not page.faults
    assert not [tag for tag, _, _ in page.seen if tag in ("script", "b")]


@pytest.mark.parametrize(
    ("latex", "reason"),
    [
        (r"\nonsense x", "nonsense is not supported"),
        (r"\frac{1", "braces do not match"),
        ("x}", "braces do not match"),
        (r"\frac{1}", "a part of frac is missing"),
        ("a & b", "& outside"),
        (r"a \\ b", "line break outside"),
        (r"\begin{tikz}x\end{tikz}", "environment tikz is not supported"),
        ("a_", "missing super script or subscript"),
        (r"\left( x", "extra left or missing right"),
        ("", "empty formula"),
    ],
)
def test_a_formula_that_cannot_be_shown_is_an_error(latex: str, reason: str):
    with pytest.raises(ValueError, match=reason):
        mathml(latex)


def test_a_broken_lesson_writes_nothing(units: list[Sample], tmp_path: Path):
    units[0].lesson.write_text(LESSON.replace(r"\lVert", r"\nonsense"))
    with pytest.raises(ValueError, match=r"week2/lesson\.md: cannot show the formula"):
        site.build(tmp_path / "site", units)
    units[0].lesson.write_text(LESSON.replace("norms.png", "absent.png"))
    with pytest.raises(ValueError, match=r"week2/lesson\.md: the picture figures/absent\.png does not exist"):
        site.build(tmp_path / "site", units)
    assert not (tmp_path / "site").exists()
