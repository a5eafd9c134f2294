"""The course's front page points to modules, classes and functions that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pycap.course.units import UNITS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "pycap/course/README.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if re.match(r"\| (week|checkpoint) \d", line)]


def test_the_table_has_a_row_a_unit():
    assert [row[2:].partition(",")[0].partition(" |")[0].replace(" ", "") for row in ROWS] == [
        unit.name for unit in UNITS
    ]


def test_every_path_exists():
    paths = re.findall(r"`(pycap/[\w/.]*)`", PAGE)
    assert len(paths) > 15
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize(("name", "path"), re.findall(r"`([\w.]+)` in `(pycap/[\w/.]+)`", "\n".join(ROWS)))
def test_every_name_is_defined_where_the_table_says(name: str, path: str):
    text = (ROOT / path).read_text(encoding="utf-8")
    first, *attributes = name.split(".")
    assert re.search(rf"^(class|def) {first}\b", text, flags=re.M)
    assert all(f"self.{attribute} = " in text for attribute in attributes)
