"""The course as a static site: one page a unit, formulas as MathML, no script, no address outside of its folder.

Two layers: `Page` turns a lesson's tokens into HTML; `build` writes pages, pictures and the style sheet.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from pycap.course.site_page import Page
from pycap.course.units import FRONT_PAGE

if TYPE_CHECKING:
    from pycap.course.units import Unit

MARKER = ".pycap-course"  # lists what a build wrote, one path a line
STYLE = "style.css"
ABOUT = "about"  # the page that the course's front page becomes


def build(folder: Path, units: Sequence[Unit]) -> list[Path]:
    """Write the site of the course.

    Args:
        folder: where to; new, empty, or of a former build, whose files are replaced.
        units: in the order of the course; those without a lesson are named on the first page only.

    Returns:
        The written files, `index.html` first.

    Raises:
        ValueError: the folder holds files of somebody else, or a lesson has what cannot be shown; it is named.
        OSError: a lesson or picture cannot be read, or the folder not be written.
    """
    former = _list_former(folder)
    present = [unit for unit in units if unit.lesson.is_file()]
    pages = [Page(unit.name, unit.lesson, {other.name for other in present}) for unit in present]
    about = Page(ABOUT, FRONT_PAGE, {unit.name for unit in present})
    files: dict[str, str | Path] = {"index.html": _write_index(units, pages)}
    files[f"{ABOUT}.html"] = _write_page(about, "About", None, present[0] if present else None)
    for number, page in enumerate(pages):
        before = present[number - 1] if number else None
        after = present[number + 1] if number + 1 < len(present) else None
        files[f"{page.name}.html"] = _write_page(page, present[number].heading, before, after)
        files.update({f"{page.name}/{place}": path for place, path in page.pictures.items()})
    files[STYLE] = Path(__file__).with_name("site.css")
    foreign = next((name for name in files if name not in former and (folder / name).exists()), None)
    if foreign:
        raise ValueError(f"{folder / foreign} was not made by pycap: move it away, or choose another folder")
    for name in former - set(files):
        (folder / name).unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).write_text("".join(f"{name}\n" for name in files), encoding="utf-8")
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Path):
            shutil.copyfile(content, path)
        else:
            path.write_text(content, encoding="utf-8")
    return [folder / name for name in files]


def _list_former(folder: Path) -> set[str]:
    """Return the files of a former build; refuse a folder of somebody else."""
    if not folder.exists():
        return set()
    if not folder.is_dir():
        raise ValueError(f"{folder} is a file: name a folder for the site")
    marker = folder / MARKER
    if marker.is_file():
        names = marker.read_text(encoding="utf-8").splitlines()
        return {
            name for name in names if name and ".." not in Path(name).parts and not Path(name).is_absolute()
        }
    if any(folder.iterdir()):
        raise ValueError(f"{folder} is not empty and was not made by pycap: choose a new or empty folder")
    return set()


def _write_index(units: Sequence[Unit], pages: Sequence[Page]) -> str:
    ready = {page.name for page in pages}
    cards = []
    for unit in units:
        kind = "checkpoint" if unit.name.startswith("checkpoint") else "week"
        title = escape(unit.title)
        if unit.name in ready:
            title = f'<a href="{unit.name}.html">{title}</a>'
        due = f'<span class="due">Weeks {unit.weeks.replace("-", "–")}</span>' if "-" in unit.weeks else ""
        times = _describe_times(unit)
        time = f'<p class="time">{times}</p>' if times else ""
        cards.append(
            f'<li class="unit {kind}"><p class="kind">{escape(unit.heading)}{due}</p><h2>{title}</h2>'
            f"<p>{escape(unit.purpose)}</p>{time}</li>"
        )
    body = (
        '<main id="content" class="index"><header><p class="kind">pycap</p><h1>From one neuron to the captioner</h1>'
        '<p class="lead">Eight weeks and four checkpoints. Every layer you write by hand is one that the captioner '
        "uses; every experiment runs on two CPU cores.</p>"
        '<pre class="command" tabindex="0"><code>pycap course run 1 --quick    # the experiment of week 1\n'
        "pycap course start 1 work     # its assignments\n"
        "pycap course check 1 work     # graded</code></pre>"
        f'<p><a href="{ABOUT}.html">What becomes of each week in the captioner</a>, where the data comes from, how '
        "you are graded, and what else to read.</p></header>"
        f'<ol class="units">{"".join(cards)}</ol></main>'
    )
    return _write_document("The pycap course", body)


def _describe_times(unit: Unit) -> str:
    if not (unit.full or unit.quick):
        return ""
    quick = f", {escape(unit.quick)} with --quick" if unit.quick and unit.full else escape(unit.quick)
    return f"Experiment: {escape(unit.full)}{quick}" if unit.full else f"Experiment: {quick} with --quick"


def _write_page(page: Page, heading: str, before: Unit | None, after: Unit | None) -> str:
    entries = "".join(f'<li><a href="#{slug}">{text}</a></li>' for slug, text in page.sections)
    contents = f"<details><summary>On this page</summary><ol>{entries}</ol></details>"
    body = (
        '<nav class="top" aria-label="Course"><a href="index.html">The pycap course</a>'
        f"<span>{escape(heading)}</span></nav>"
        f'<div class="sheet"><nav class="contents" aria-label="Contents">{contents}</nav>'
        f'<main id="content">{page.body}<nav class="steps" aria-label="Previous and next">'
        f"{_write_step(before, 'prev', 'Before')}{_write_step(after, 'next', 'Next')}</nav></main></div>"
    )
    return _write_document(f"{page.title} · pycap course", body)


def _write_step(unit: Unit | None, relation: str, word: str) -> str:
    if unit is None:
        return "<span></span>"
    return (
        f'<a class="{relation}" rel="{relation}" href="{unit.name}.html"><small>{word}: {escape(unit.heading)}</small>'
        f"{escape(unit.title)}</a>"
    )


def _write_document(title: str, body: str) -> str:
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f'<title>{escape(title)}</title><link rel="stylesheet" href="{STYLE}"></head>\n'
        f'<body><a class="skip" href="#content">Skip to the content</a>{body}</body></html>\n'
    )
