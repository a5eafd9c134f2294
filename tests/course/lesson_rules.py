"""What every lesson must keep: each rule returns the faults it finds in one, as lines that say where and what."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tiny import PACKAGE_HOME, child_environment

from pycap.course.formula_boxes import measure
from pycap.course.formulas import mathml
from pycap.course.lessons import show
from pycap.course.markdown import FORMULAS, find_lesson, make_slug, parse_lesson, plain_text, walk

SECTIONS = [
    "The experiment",
    "What goes wrong, and why",
    "Assignments",
    "Questions",
    "Answers",
    "Where the captioner uses this",
    "References",
]
FACTS = ["Time", "Hardware", "Data", "Code"]
LARGEST = 100_000  # bytes of a picture
PATIENCE = 60  # seconds for all code of a lesson
ESCAPE = "\x1b"


def read(lesson: Path) -> list:
    """Return a lesson's tokens."""
    return parse_lesson(lesson.read_text(encoding="utf-8"))


def section(lesson: Path, name: str) -> str:
    """Return the text below a second-level heading, empty if there is none."""
    text = re.sub(r"^```.*?^```", "", lesson.read_text(encoding="utf-8"), flags=re.M | re.S)
    found = re.search(rf"^## {re.escape(name)}[ \t]*\n(.*?)(?=^## |\Z)", text, flags=re.M | re.S)
    return found[1] if found else ""


def headings(tokens: Sequence) -> list[tuple[str, str]]:
    """Return level and text of every heading."""
    return [
        (token.tag, plain_text(tokens[place + 1]))
        for place, token in enumerate(tokens)
        if token.type == "heading_open"
    ]


def check_headings(lesson: Path, heading: str) -> list[str]:
    """One first-level heading that names the unit, all sections in order, no level skipped."""
    found = headings(read(lesson))
    faults = []
    if not found or found[0][0] != "h1" or not found[0][1].startswith(f"{heading}: "):
        faults.append(f"begin with '# {heading}: ...'")
    faults += [f"second title: {text}" for tag, text in found[1:] if tag == "h1"]
    named = [text for tag, text in found if tag == "h2" and text in SECTIONS]
    if named != SECTIONS:
        faults.append(f"sections are {named}, expected {SECTIONS}")
    levels = [int(tag[1]) for tag, _ in found]
    for before, after, (_, text) in zip(levels, levels[1:], found[1:], strict=False):
        if after > before + 1:
            faults.append(f"{text}: level {after} below level {before}")
    return faults


def check_facts(lesson: Path) -> list[str]:
    """Time, hardware, data and code, before the first section."""
    front = lesson.read_text(encoding="utf-8").partition("\n## ")[0]
    found = re.findall(r"^[-*] \*\*(\w+)\*\*: *\S", front, flags=re.M)
    return [] if found == FACTS else [f"front lines are {found}, expected {FACTS}"]


def check_pictures(lesson: Path) -> list[str]:
    """Every picture exists, is small, and says what it shows."""
    faults = []
    for token in walk(read(lesson)):
        if token.type != "image":
            continue
        place = str(token.attrs["src"])
        path = lesson.parent / place
        if not path.is_file():
            faults.append(f"{place} does not exist")
        elif path.stat().st_size > LARGEST:
            faults.append(f"{place} has {path.stat().st_size} bytes, more than {LARGEST}")
        if len(token.content.split()) < 3:
            faults.append(f"{place} needs a text that says what it shows")
    return faults


def check_links(lesson: Path) -> list[str]:
    """Every relative link, its anchor, and every `pycap/...` path leads somewhere."""
    tokens = read(lesson)
    faults = []
    for token in walk(tokens):
        if token.type == "link_open":
            target = str(token.attrs["href"])
            if re.match(r"[a-z]+:", target):
                continue
            place, _, anchor = target.partition("#")
            path = lesson.parent / place if place else lesson
            if not path.exists():
                faults.append(f"link to {target}, which does not exist")
            elif anchor and (not place or find_lesson(target, lesson.parent)):
                taken: set[str] = set()
                slugs = [make_slug(text, taken) for _, text in headings(read(path))]
                if anchor not in slugs:
                    faults.append(f"link to {target}: there is no such heading")
        elif token.type == "code_inline" and re.fullmatch(r"pycap/[\w./-]+", token.content):
            faults += [] if (PACKAGE_HOME / token.content).exists() else [f"{token.content} does not exist"]
    return faults


def check_assignments(lesson: Path, tasks: Sequence[str]) -> list[str]:
    """Every task of the autograder is named where the assignments are."""
    text = section(lesson, "Assignments")
    return [f"assignment {name} is not named" for name in tasks if f"`{name}`" not in text]


def check_questions(lesson: Path) -> list[str]:
    """Four questions or more, numbered from 1, and an answer for each."""
    numbers = {
        name: [int(number) for number in re.findall(r"^(\d+)\. ", section(lesson, name), flags=re.M)]
        for name in ("Questions", "Answers")
    }
    questions, answers = numbers["Questions"], numbers["Answers"]
    faults = [] if len(questions) >= 4 else [f"{len(questions)} questions, expected 4 or more"]
    if questions != list(range(1, len(questions) + 1)) or answers != questions:
        faults.append(f"questions {questions}, answers {answers}")
    return faults


def check_formulas(lesson: Path) -> list[str]:
    """Every formula can be shown, and no dollar is left over in the text."""
    faults = []
    for token in walk(read(lesson)):
        if token.type in FORMULAS:
            try:
                mathml(token.content, display=token.type != "math_inline")
            except ValueError as error:
                faults.append(str(error))
        elif token.type == "text" and re.search(r"\$[^$]*[\\^_{}=][^$]*\$|\$\$", token.content):
            faults.append(f"no formula, because of a space within its dollars: {token.content}")
    return faults


def check_code(lesson: Path) -> list[str]:
    """All python blocks run in order in one namespace of a new process."""
    program = [""]
    for token in walk(read(lesson)):
        if token.type == "fence" and token.info.split()[:1] == ["python"]:
            first = token.map[0] + 1  # so that a traceback has the lesson's own line numbers
            program.append("\n" * first + token.content)
    runner = (
        "import os, sys\nos.environ['MPLBACKEND'] = 'agg'\nspace = {'__name__': '__main__'}\n"
        f"for block in {program!r}:\n    exec(compile(block, 'lesson.md', 'exec'), space)\n"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-"],
            input=runner,
            capture_output=True,
            text=True,
            env=child_environment(),
            cwd=PACKAGE_HOME,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired:
        return [f"its code takes more than {PATIENCE} s"]
    lines = done.stderr.strip().splitlines() or ["no message"]
    place = [line.strip() for line in lines if 'File "lesson.md"' in line][-1:]
    return [" ".join([*place, lines[-1]])] if done.returncode else []


def check_terminal(lesson: Path, width: int = 80) -> list[str]:
    """Rendered as text it keeps to the width (paths and addresses may not), and has no escape codes."""
    text = show(lesson, width=width, colour=False)
    faults = [
        f"{measure(line)} columns: {line}"
        for line in text.splitlines()
        if measure(line) > width and not re.search(r"https?://\S+|\S*/\S+\.png\]", line)
    ]
    if ESCAPE in text:
        faults.append("escape codes in plain text")
    if re.search(r"\\(frac|sum|mathbf|begin|text|alpha|sigma|partial)\b", re.sub(r"`[^`]*`", "", text)):
        faults.append("LaTeX is left in the text")
    return faults
