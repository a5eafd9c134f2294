"""`pycap course` as a student uses it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pycap.cli import course, main
from pycap.course.units import UNITS

SOLUTIONS = Path(__file__).parent.parent / "course" / "solutions"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The course's home folder, empty."""
    monkeypatch.setenv("PYCAP_COURSE", str(tmp_path / "home"))
    return tmp_path / "home"


def test_the_list_shows_every_unit_and_what_is_next(capsys: pytest.CaptureFixture):
    assert main(["course"]) == 0
    printed = capsys.readouterr().out
    assert all(unit.name in printed and unit.title in printed for unit in UNITS)
    assert "next: pycap course show week1" in printed


def test_a_lesson_is_plain_text_off_a_terminal(capsys: pytest.CaptureFixture):
    assert main(["course", "show", "1"]) == 0
    printed = capsys.readouterr().out
    assert "Week 1" in printed
    assert "\x1b" not in printed


def test_without_a_unit_the_course_itself_is_shown(capsys: pytest.CaptureFixture):
    assert main(["course", "show"]) == 0
    printed = capsys.readouterr().out
    assert "From week to captioner" in printed
    assert "pycap/nn/recurrent.py" in printed


def test_an_assignment_is_begun_filled_in_graded_and_remembered(
    tmp_path: Path, capsys: pytest.CaptureFixture
):
    work = tmp_path / "my work"
    assert main(["course", "start", "1", str(work)]) == 0
    assert capsys.readouterr().out.strip() == str(work / "week1.py")

    assert main(["course", "check", "1", str(work)]) == 1
    printed = capsys.readouterr()
    assert printed.out.count("FAILED") == len(UNITS[0].tasks())
    assert "Traceback" not in printed.out + printed.err

    shutil.copy(SOLUTIONS / "week1.py", work / "week1.py")
    assert main(["course", "check", "1", str(work)]) == 0
    assert capsys.readouterr().out.count("passed") == len(UNITS[0].tasks())

    assert main(["course"]) == 0
    count = len(UNITS[0].tasks())
    assert f"{count} of {count}" in capsys.readouterr().out


def test_beginning_again_never_overwrites(tmp_path: Path, capsys: pytest.CaptureFixture):
    mine = tmp_path / "week1.py"
    mine.write_text("mine")
    assert main(["course", "start", "week1", str(tmp_path)]) == 1
    assert mine.read_text() == "mine"
    assert "left as it is" in capsys.readouterr().err


def test_results_can_be_read_by_a_program(tmp_path: Path, capsys: pytest.CaptureFixture):
    shutil.copy(UNITS[0].skeleton, tmp_path / "week1.py")
    assert main(["course", "check", "1", str(tmp_path), "--json"]) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["name"] for line in lines] == [task.name for task in UNITS[0].tasks()]
    assert not any(line["passed"] for line in lines)


@pytest.mark.parametrize(
    ("words", "saying"),
    [
        (["course", "show", "12"], "its units are week1"),
        (["course", "check", "1", "nowhere"], "pycap course start week1 nowhere"),
        (
            ["course", "run", "checkpoint4", "--predict", "a fine film"],
            "train it: pycap course run checkpoint4",
        ),
        (["course", "run", "checkpoint1", "--predict", "no.jpg"], "checkpoint1"),
        (["course", "check", "1", __file__], "is a file; give the folder"),
    ],
)
def test_a_mistake_is_one_line(words: list[str], saying: str, capsys: pytest.CaptureFixture):
    assert main(words) == 1
    printed = capsys.readouterr().err
    assert saying in printed
    assert printed.count("\n") == 1


def test_a_place_that_cannot_be_written_is_named_and_grades_are_given_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    file = tmp_path / "file"
    file.write_text("no folder")
    monkeypatch.setenv("PYCAP_COURSE", str(file / "home"))
    shutil.copy(SOLUTIONS / "week1.py", tmp_path / "week1.py")
    assert main(["course", "check", "1", str(tmp_path)]) == 0
    printed = capsys.readouterr()
    assert printed.out.count("passed") == len(UNITS[0].tasks())
    assert "progress cannot be kept in" in printed.err
    for words in (["start", "1", str(file / "work")], ["run", "1", "--quick"]):
        assert main(["course", *words]) == 1
        assert "give another folder" in capsys.readouterr().err


def test_a_unit_without_a_model_cannot_be_asked(capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit) as caught:
        main(["course", "run", "week1", "--predict", "x"])
    assert caught.value.code == 2
    assert "leaves no model" in capsys.readouterr().err


def test_a_quick_run_never_replaces_a_whole_ones_model(home: Path, capsys: pytest.CaptureFixture):
    unit = home / "checkpoint4"
    assert course._choose_folder(unit, quick=True, asked=False) == unit / "quick"
    assert course._choose_folder(unit, quick=False, asked=False) == unit
    assert course._choose_folder(unit, quick=False, asked=True) == unit
    (unit / "quick").mkdir(parents=True)
    (unit / "quick" / "results.json").write_text("{}")
    assert course._choose_folder(unit, quick=False, asked=True) == unit / "quick"
    assert "quick run answers" in capsys.readouterr().err
    (unit / "results.json").write_text("{}")
    assert course._choose_folder(unit, quick=False, asked=True) == unit
