"""The assignments of every unit: right answers pass in any style, each wrong one fails its own task."""

from __future__ import annotations

import ast
from functools import lru_cache
from importlib import import_module
from pathlib import Path

import pytest

from pycap.course.grading import grade
from pycap.course.units import UNITS, Unit

HERE = Path(__file__).parent


@lru_cache
def mutants(unit: Unit) -> tuple[tuple[str, str, str], ...]:
    """Return the wrong solutions of a unit: a task's name, a text of the solutions, what is there instead."""
    return tuple(import_module(f"mutants.{unit.name}").MUTANTS)


MUTANTS = [(unit, number) for unit in UNITS for number in range(len(mutants(unit)))]


@pytest.mark.parametrize("style", ["", "_other"])
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_right_answers_pass_in_another_style_too(unit: Unit, style: str):
    results = grade(unit, HERE / "solutions" / f"{unit.name}{style}.py")
    assert not [result for result in results if not result.passed]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_an_untouched_assignment_passes_nothing_and_says_so(unit: Unit):
    results = grade(unit, unit.skeleton)
    assert 3 <= len(results) <= 6
    assert [result.name for result in results if not result.problem.startswith("not written yet")] == []


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_an_assignment_explains_each_task(unit: Unit):
    nodes = {getattr(node, "name", ""): node for node in ast.parse(unit.skeleton.read_text()).body}
    for task in unit.tasks():
        assert len(ast.get_docstring(nodes[task.name]) or "") > 80, task.name


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_every_task_has_wrong_solutions_to_catch(unit: Unit):
    counts = {task.name: 0 for task in unit.tasks()}
    for name, *_ in mutants(unit):
        counts[name] += 1
    assert min(counts.values()) >= 3, counts


@pytest.mark.parametrize(("unit", "number"), MUTANTS, ids=lambda part: getattr(part, "name", part))
def test_a_wrong_solution_fails_its_task(unit: Unit, number: int, tmp_path: Path):
    name, old, new = mutants(unit)[number]
    solution = (HERE / "solutions" / f"{unit.name}.py").read_text()
    assert solution.count(old) >= 1, f"the solutions do not contain {old!r}"
    file = tmp_path / f"{unit.name}.py"
    file.write_text(solution.replace(old, new, 1))
    failed = [result for result in grade(unit, file) if not result.passed]
    assert name in [result.name for result in failed]
    mine = next(result for result in failed if result.name == name)
    assert mine.problem != "not written yet"
    assert mine.expected or ":" in mine.problem or "longer" in mine.problem
