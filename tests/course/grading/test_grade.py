"""Grading a student's file: whatever it does, each task gets a line, and this process goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from pycap.course.grading import grade
from pycap.course.units import Unit


class MadeUpUnit(Unit):
    checks = "made_up_checks"


UNIT = MadeUpUnit("week1", "1", "Made up", "Nothing.", "", "")
MEAN = """
def mean(numbers):
    if not numbers:
        raise ValueError("mean of an empty list")
    return sum(numbers) / len(numbers)
"""
SCALE = """
def scale(rows):
    return [[2 * x for x in row] for row in rows]
"""


@pytest.fixture
def graded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Grade a text as a student's file; a list of (name, passed, all that is said)."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.syspath_prepend(str(Path(__file__).parent))

    def run(text: str, **options) -> list:
        file = tmp_path / "week1.py"
        file.write_text(text)
        results = grade(UNIT, file, **options)
        return [
            (r.name, r.passed, f"{r.problem} | {r.given} | {r.expected} | {r.got} | {r.hint}")
            for r in results
        ]

    return run


def test_right_answers_pass(graded):
    assert [passed for _, passed, _ in graded(MEAN + SCALE)] == [True, True]


def test_an_answer_may_be_an_array_or_a_tensor(graded):
    text = "import numpy, torch\ndef mean(numbers):\n    if len(numbers) == 0: raise ValueError('empty')\n"
    text += (
        "    return numpy.mean(numbers, dtype='float32')\ndef scale(rows): return torch.tensor(rows) * 2\n"
    )
    assert [passed for _, passed, _ in graded(text)] == [True, True]


def test_a_wrong_answer_is_told_what_was_expected_and_what_came_with_a_hint(graded):
    (_, passed, said), (_, other, _) = graded(MEAN.replace("/ len(numbers)", "") + SCALE)
    assert (passed, other) == (False, True)
    assert said.endswith("mean([1, 2, 6]) | 3. | 9. | divide by how many there are")


@pytest.mark.parametrize(
    ("mean", "saying"),
    [
        ("", "defines no mean"),
        ("def mean(numbers): pass", "nothing was returned"),
        (
            "def mean(numbers): raise NotImplementedError('mean: your turn')",
            "not written yet (mean: your turn)",
        ),
        ("def mean(numbers):\n    return numbers[9]", "line 2: IndexError: list index out of range"),
        ("def mean(): return 3", "cannot be called as its text says: TypeError: mean() takes 0"),
        ("import sys\ndef mean(numbers): sys.exit()", "line 2: exit() was called"),
        ("import os\ndef mean(numbers): os._exit(0)", "ended the program"),
        ("def mean(numbers): return mean(numbers)", "calls itself without end"),
        ("def mean(numbers):\n    while True: pass", "longer than 1 s"),
        ("def mean(numbers): return 'three'", "three (a str)"),
        ("def mean(numbers): return [3.0, 3.0]", "shape (2,)"),
        ("def mean(numbers): return float('nan')", "nan"),
        ("def mean(numbers):\n    numbers.sort()\n    numbers[0] = 3\n    return 3.0", "left as it was"),
        ("def mean(numbers): return 3.0", "a ValueError"),
        ("mean = 7", "it cannot be called as its text says: TypeError: 'int' object is not callable"),
        ("class E(Exception):\n    def __str__(self): return 7\ndef mean(numbers): raise E", "line 3: E"),
        ("def mean(numbers):\n    return bytearray(2**43)", "line 2: MemoryError: more than 4 GB"),
        ("import os\ndef mean(numbers): os.closerange(3, 99)", "ended the program"),
        ("def mean(numbers): return input()", "EOFError"),
        ("def mean(numbers): yield 3.0", "(a generator)"),
        ("def mean(numbers): return [[1], [1, 2]]", "[[1], [1, 2]] (a list)"),
    ],
)
def test_whatever_a_task_does_the_next_is_graded(graded, mean: str, saying: str):
    (name, passed, said), other = graded(f"{mean}\n{SCALE}", task_seconds=1)
    assert (name, passed, other[:2]) == ("mean", False, ("scale", True))
    assert saying in said


@pytest.mark.parametrize(
    ("text", "saying"),
    [
        ("def mean(:\n", "week1.py cannot be loaded: line 1: invalid syntax"),
        ("import no_such_thing", "line 1: ModuleNotFoundError: No module named 'no_such_thing'"),
        ("x = 1 / 0", "line 1: ZeroDivisionError"),
        ("import os\nos._exit(3)", "at its top level, your code ended the program"),
        ("exit()", "line 1: exit() was called"),
        ("\0", "null bytes"),
    ],
)
def test_a_file_that_cannot_be_loaded_is_one_line(graded, text: str, saying: str):
    with pytest.raises(ValueError, match=r"week1\.py") as caught:
        graded(text)
    assert saying in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_in_another_encoding_says_so(graded, tmp_path: Path):
    (tmp_path / "week1.py").write_bytes("name = 'Käse'\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"week1\.py cannot be loaded: line 1: .*UTF-8"):
        grade(UNIT, tmp_path / "week1.py")


def test_a_copy_of_the_process_and_what_is_written_into_its_files_count_for_nothing(graded):
    text = (
        "import os\nos.fork()\nfor number in range(3, 20):\n    try: os.write(number, b'[1]\\nx\\n{}\\n')\n"
    )
    text += "    except OSError: pass\n"
    assert [(name, passed) for name, passed, _ in graded(text + MEAN + SCALE)] == [
        ("mean", True),
        ("scale", True),
    ]


def test_files_beside_the_students_take_the_place_of_no_other_module(graded, tmp_path: Path, monkeypatch):
    for name in ("random", "types", "numpy"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('not this one')\n")
    (tmp_path / "halves.py").write_text("half = 0.5\n")
    monkeypatch.chdir(tmp_path)
    text = "import random, numpy\nfrom halves import half\nassert half == 0.5\n"
    assert [passed for _, passed, _ in graded(text + MEAN + SCALE)] == [True, True]


def test_what_was_printed_before_an_endless_loop_is_shown(graded, capfd: pytest.CaptureFixture):
    graded("def mean(numbers):\n    print('so far')\n    while True: pass\n" + SCALE, task_seconds=1)
    assert "so far" in capfd.readouterr().err


def test_a_folder_in_the_files_place_is_named(tmp_path: Path):
    with pytest.raises(ValueError, match="is a folder"):
        grade(UNIT, tmp_path)


def test_a_missing_file_says_how_to_begin(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="pycap course start week1"):
        grade(UNIT, tmp_path / "week1.py")


def test_what_a_student_prints_does_not_disturb(graded, capfd: pytest.CaptureFixture):
    assert all(passed for _, passed, _ in graded("print('{\"name\": 1}')\n" + MEAN + SCALE))
    printed = capfd.readouterr()
    assert printed.out == ""
    assert "name" in printed.err
