"""Assignments of a made-up unit, for the tests of the autograder."""

from pycap.course.grading import Task, expect_close, expect_error, expect_unchanged


def check_mean(mean):
    numbers = [1.0, 2.0, 6.0]
    with expect_unchanged("mean([1, 2, 6])", numbers=numbers):
        expect_close(mean(numbers), 3.0, given="mean([1, 2, 6])", hint="divide by how many there are")
    expect_error(lambda: mean([]), ValueError, given="mean([])", saying="empty")


def check_scale(scale):
    expect_close(scale([[1.0, 2.0, 3.0]]), [[2.0, 4.0, 6.0]], given="scale([[1, 2, 3]])")


TASKS = (Task("mean", "Average", check_mean), Task("scale", "Double", check_scale))
