"""The autograder: run a student's file against a unit's checks, and say of each task what came and what was expected.

`checks.py` of a unit lists `TASKS`; a check takes what the student's file defines under the task's name and raises
`Wrong` where it is not right. `grade` runs all that in another process, because a student's code may hang or die.
"""

from pycap.course.grading.expectations import (
    Task,
    Wrong,
    expect_close,
    expect_equal,
    expect_error,
    expect_unchanged,
)
from pycap.course.grading.grade import Result, grade

__all__ = [
    "Result",
    "Task",
    "Wrong",
    "expect_close",
    "expect_equal",
    "expect_error",
    "expect_unchanged",
    "grade",
]
