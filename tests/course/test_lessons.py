"""Every lesson keeps the rules, and is legible in a terminal."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import lesson_rules as rules
import pytest
from sample import LESSON, Sample, write_unit
from tiny import child_environment

from pycap.course.formula_text import write_display, write_inline
from pycap.course.lessons import show
from pycap.course.units import UNITS, Unit

RULES = ["facts", "pictures", "links", "questions", "formulas", "code", "terminal"]
each_unit = pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
FORMULAS = [
    (r"\sigma(x) = \frac{1}{1+e^{-x}}", "σ(x) = 1/(1 + e⁻ˣ)"),
    (r"\frac{\partial L}{\partial w_{ij}} = -\sum_{i=1}^{n} y_i\log\hat p_i", "∂L/∂wᵢⱼ = −∑ᵢ₌₁ⁿ yᵢ log p̂ᵢ"),
    (r"\mathbf{h}_t = \tanh(\mathbf{W}_{xh}\mathbf{x}_t)", "𝐡ₜ = tanh(𝐖ₓₕ𝐱ₜ)"),
    (r"\mathbf{W}_f \mathbf{x}_t", "𝐖_f 𝐱ₜ"),
    (r"e^{z_k / T} + x^{(t)}", "e^(zₖ/T) + x⁽ᵗ⁾"),
    (r"\sqrt{x+1} \approx \alpha\beta^{-1}", "√(x + 1) ≈ αβ⁻¹"),
    (r"\begin{bmatrix}1&2\\3&4\end{bmatrix}^\top", "[1 2; 3 4]ᵀ"),
    (r"p_{\text{model}}(y \mid x), \; a_{i,j}", "p_model(y | x), a_(i,j)"),
    (r"-x + (-y) = -1", "−x + (−y) = −1"),
]
FAULTS = [
    ("headings", "## Answers", "## Solutions"),
    ("headings", "# Week 3: Sequences", "# Sequences"),
    ("headings", "### Gates, one", "#### Gates, one"),
    ("facts", "- **Data**: none\n", ""),
    ("pictures", "norms.png", "absent.png"),
    (
        "pictures",
        "Norm of the gradient by step: the plain net's falls to nothing within 20 steps, the LSTM's stays",
        "x",
    ),
    ("links", "#the-experiment", "#the-experiments"),
    ("links", "../week2/lesson.md", "../week7/lesson.md"),
    ("links", "`pycap/ops/recurrence.py`.", "`pycap/ops/recurrences.py`."),
    ("assignments", "`step`: one", "step: one"),
    ("questions", "4. No.\n", ""),
    ("questions", "4. Fourth?", "Fourth?"),
    ("formulas", r"\lVert", r"\lVrt"),
    ("formulas", "$x^2$", "$ x^2$"),
    ("code", "state.shape == (3,)", "state.shape == (4,)"),
    ("code", "state = step(", "while True: pass\nstate = step("),
]


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    """A unit with a lesson that keeps all rules, after another."""
    write_unit(tmp_path, "week2")
    return write_unit(tmp_path, "week3")


def find_faults(unit: Unit | Sample, rule: str, tasks: tuple[str, ...]) -> list[str]:
    """Apply one rule."""
    extra = {"headings": (unit.heading,), "assignments": (tasks,)}.get(rule, ())
    return getattr(rules, f"check_{rule}")(unit.lesson, *extra)


@pytest.mark.parametrize("rule", RULES)
@each_unit
def test_lesson_keeps_the_rules(unit: Unit, rule: str):
    assert not find_faults(unit, rule, ())


@each_unit
def test_lesson_has_its_sections_in_order(unit: Unit):
    assert not rules.check_headings(unit.lesson, unit.heading)


@each_unit
def test_lesson_states_the_times_of_the_list(unit: Unit):
    assert f"experiment {unit.full} ({unit.quick} with `--quick`), assignments" in unit.lesson.read_text()


@each_unit
def test_lesson_names_every_assignment(unit: Unit):
    assert not rules.check_assignments(unit.lesson, [task.name for task in unit.tasks()])


@pytest.mark.parametrize("rule", ["headings", "assignments", *RULES])
def test_a_good_lesson_has_no_faults(sample: Sample, rule: str):
    assert not find_faults(sample, rule, ("step",))


@pytest.mark.parametrize(("rule", "text", "instead"), FAULTS)
def test_a_faulty_lesson_is_caught(
    sample: Sample, rule: str, text: str, instead: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(rules, "PATIENCE", 3)
    changed = sample.lesson.read_text().replace(text, instead, 1)
    assert changed != sample.lesson.read_text()
    sample.lesson.write_text(changed)
    assert find_faults(sample, rule, ("step",))


def test_a_large_picture_is_caught(sample: Sample):
    (sample.folder / "figures" / "norms.png").write_bytes(bytes(rules.LARGEST + 1))
    assert "bytes, more than" in rules.check_pictures(sample.lesson)[0]


@pytest.mark.parametrize(("latex", "text"), FORMULAS)
def test_formulas_are_readable_text(latex: str, text: str):
    assert write_inline(latex) == text


def test_display_formulas_are_stacked():
    assert write_display(r"y = \frac{1}{n} \sum_{i=1}^{n} x_i", 70) == [
        "     1   n",
        "y = ───  ∑  xᵢ",
        "     n  i=1",
    ]
    aligned = r"\begin{aligned} a &= \begin{bmatrix} x \\ y \end{bmatrix} \\ &= -b \end{aligned}"
    assert write_display(aligned, 70) == ["a = ⎡x⎤", "    ⎣y⎦", "", "  = −b"]


def test_a_wide_formula_is_broken_before_an_operator():
    lines = write_display("y = " + " + ".join(f"a_{{{number}}} x^{number % 10}" for number in range(30)), 60)
    assert len(lines) > 2
    assert max(map(len, lines)) <= 60
    assert all(line.startswith("     + a") for line in lines[1:])


def test_markdown_leaves_formulas_alone(sample: Sample):
    text = show(sample.lesson, width=80, colour=False)
    assert "a₁ * b₁ * c₁" in text
    assert "costs $5, or $5 and $6" in text


@pytest.mark.parametrize("width", [80, 40])
def test_tables_lose_no_letter_and_part_no_word_that_has_room(width: int, tmp_path: Path):
    words = ["a short one", "`pycap/ops/recurrence.py`", "where " * 9, "`pycap/training/loop.py`, the same"]
    lesson = tmp_path / "lesson.md"
    lesson.write_text(
        f"# Table\n\n| one | two | three | four |\n|---|---|---|---|\n| {' | '.join(words)} |\n"
    )
    text = show(lesson, width=width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    assert ("`pycap/ops/recurrence.py`" in text) == (width == 80)
    if width == 40:  # 8 letters a column
        assert "`pycap/o" in text
        assert text.count("where") == 9


def test_links_say_where_they_lead(sample: Sample):
    text = show(sample.lesson, width=200, colour=False)
    assert "the week before (pycap course show 2)" in text
    assert "Elman 1990 (https://doi.org/10.1207/s15516709cog1402_1)" in text


def test_a_picture_is_a_line_with_its_path(sample: Sample):
    path = sample.folder / "figures" / "norms.png"
    assert "[picture: Norm of the gradient" in show(sample.lesson, width=80, colour=False)
    assert re.search(rf"^{re.escape(str(path))}\]$", show(sample.lesson, width=80), flags=re.M)
    assert path.as_uri() in show(sample.lesson, width=80, colour=True)


def test_colours_do_not_change_the_text(sample: Sample):
    coloured = show(sample.lesson, width=80, colour=True)
    assert rules.ESCAPE in coloured
    plain = re.sub(r"\x1b\]8;[^\x1b]*\x1b\\|\x1b\[[0-9;]*m", "", coloured)
    assert "def step(x, h, weight):" in plain


def test_a_formula_that_cannot_be_shown_names_lesson_and_formula(sample: Sample):
    sample.lesson.write_text(LESSON.replace(r"\lVert", r"\nonsense"))
    with pytest.raises(
        ValueError, match=r"week3/lesson\.md: cannot show the formula .*\(\\nonsense is not supported\)"
    ):
        show(sample.lesson, width=80)


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a terminal to pretend")
@pytest.mark.parametrize("pager", ["head -n 1", "true", "no-such-pager", "cat"])
def test_paging_survives_any_pager(pager: str):
    code = "from pycap.course.lessons import page\npage('first line\\n' + 'x' * 70 * 20000 + '\\nend\\n')\n"
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=theirs,
        stderr=subprocess.PIPE,
        env={**child_environment(), "PAGER": pager},
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        shown += part
    os.close(ours)
    error = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait() == 0
    assert "Traceback" not in error
    assert b"Exception" not in error.encode()
    assert shown.startswith(b"first line") == (pager != "true")
    assert shown.rstrip().endswith(b"end") == (pager in ("cat", "no-such-pager"))


def test_off_a_terminal_nothing_is_paged(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    from pycap.course.lessons import page

    monkeypatch.setenv("PAGER", "false")
    page("text\n")
    assert capsys.readouterr().out == "text\n"
