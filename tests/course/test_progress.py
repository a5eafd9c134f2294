"""What the course remembers of a student."""

from __future__ import annotations

from pathlib import Path

import pytest

from pycap.course.progress import Progress, course_home
from pycap.course.units import UNITS, find_unit

UNIT = UNITS[0]


def test_passed_tasks_are_remembered_until_they_fail(tmp_path: Path):
    path = tmp_path / "deep" / "progress.json"
    Progress(path).note_tasks(UNIT, {"one": True, "two": True, "three": False})
    assert Progress(path).passed(UNIT) == {"one", "two"}
    Progress(path).note_tasks(UNIT, {"one": False, "two": True})
    assert Progress(path).passed(UNIT) == {"two"}


def test_an_experiment_is_remembered_with_its_day(tmp_path: Path):
    path = tmp_path / "progress.json"
    assert Progress(path).ran(UNIT) is None
    Progress(path).note_run(UNIT, quick=True)
    assert Progress(path).ran(UNIT).endswith(" (quick)")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"week1": 3}', '{"week1": {"tasks": [1]}}'])
def test_a_broken_record_is_one_line_and_stays(tmp_path: Path, text: str):
    path = tmp_path / "progress.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"progress\.json .*move it away"):
        Progress(path)
    assert path.read_text() == text


def test_its_home_can_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PYCAP_COURSE", str(tmp_path))
    assert course_home() == tmp_path
    monkeypatch.delenv("PYCAP_COURSE")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert course_home() == tmp_path / "pycap" / "course"


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("3", "week3"),
        ("week3", "week3"),
        ("Week 3", "week3"),
        ("w3", "week3"),
        ("checkpoint-2", "checkpoint2"),
        ("c4", "checkpoint4"),
        ("checkpoint_1", "checkpoint1"),
    ],
)
def test_a_unit_is_found_by_what_people_call_it(word: str, name: str):
    assert find_unit(word).name == name


@pytest.mark.parametrize("word", ["9", "", "c5", "week", "../week1", "week6"])
def test_another_word_lists_the_units(word: str):
    with pytest.raises(ValueError, match="its units are week1, checkpoint1"):
        find_unit(word)
