"""`pycap course`: the lessons, their experiments, and the assignments with their autograder."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pycap.course.grading import Result
    from pycap.course.progress import Progress
    from pycap.course.units import Unit

UNIT = "3, week3, checkpoint1 or c1"


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command and its own commands."""
    parser = subparsers.add_parser(
        "course",
        help="learn how it works: eight weeks, from one neuron to the captioner",
        description="Eight weeks from one neuron to the captioner. Without a command: the weeks, and how far you are.",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="course_command")

    show = commands.add_parser("show", help="read a lesson", description="Read a lesson in the terminal.")
    show.add_argument("unit", metavar="UNIT", nargs="?", help=f"{UNIT} (default: what the course is)")

    run = commands.add_parser(
        "run",
        help="run a lesson's experiment",
        description="Run a unit's experiment: tables on stdout, pictures and models in the output folder.",
    )
    run.add_argument("unit", metavar="UNIT", help=UNIT)
    run.add_argument(
        "--quick", action="store_true", help="a small version, under a minute (default: the whole)"
    )
    run.add_argument("--seed", type=int, default=0, help="of every random number (default: %(default)s)")
    run.add_argument(
        "--data", type=Path, metavar="PATH", help="the data set (default: where pycap data finds it)"
    )
    run.add_argument(
        "--out", type=Path, metavar="DIR", help="for pictures, tables and models (default: the course's home)"
    )
    use = run.add_mutually_exclusive_group()
    use.add_argument(
        "--predict", metavar="WHAT", help="ask the model trained before: a sentence, a photo or a CSV file"
    )
    use.add_argument(
        "--evaluate", type=Path, metavar="PATH", help="score the model trained before on other data"
    )

    start = commands.add_parser(
        "start", help="begin an assignment", description="Write a unit's assignment for you to fill in."
    )
    check = commands.add_parser(
        "check", help="grade an assignment", description="Grade what you wrote, task by task."
    )
    for command in (start, check):
        command.add_argument("unit", metavar="UNIT", help=UNIT)
        command.add_argument("folder", metavar="DIR", type=Path, help="where your file is")
    check.add_argument("--json", action="store_true", help="results as one JSON object a task")

    site = commands.add_parser(
        "site",
        help="build the course as web pages",
        description="Build the course as web pages that need no network.",
    )
    site.add_argument(
        "folder", metavar="DIR", type=Path, help="where the pages go: new, empty or built before"
    )


def run(args: argparse.Namespace) -> int:
    """Run one of the command's own commands."""
    from pycap.course.units import FRONT_PAGE, find_unit

    if args.course_command is None:
        return list_units()
    if args.course_command == "site":
        return build_site(args.folder)
    if args.course_command == "show":
        return show_lesson(find_unit(args.unit).lesson if args.unit else FRONT_PAGE)
    unit = find_unit(args.unit)
    if args.course_command == "run":
        return run_experiment(unit, args)
    if args.course_command == "start":
        return start_assignment(unit, args.folder)
    return check_assignment(unit, args.folder, args.json)


def list_units() -> int:
    """Print the weeks and how far the student is."""
    from pycap.course.lab import format_table
    from pycap.course.progress import Progress
    from pycap.course.units import UNITS

    progress = Progress()
    rows = []
    for unit in UNITS:
        tasks = unit.tasks()
        rows.append(
            {
                "week": unit.weeks,
                "unit": unit.name,
                "title": unit.title,
                "experiment": progress.ran(unit) or f"{unit.full} ({unit.quick} quick)",
                "tasks passed": f"{len(progress.passed(unit) & {task.name for task in tasks})} of {len(tasks)}",
            }
        )
    print(format_table(rows))
    following = next((unit for unit in UNITS if not _is_done(unit, progress)), None)
    if following:
        print(f"\nnext: pycap course show {following.name}")
    else:
        print("\nall assignments passed")
    return 0


def _is_done(unit: Unit, progress: Progress) -> bool:
    return {task.name for task in unit.tasks()} <= progress.passed(unit)


def show_lesson(lesson: Path) -> int:
    """Print a lesson, through a pager where stdout is a terminal."""
    from pycap.course import lessons

    terminal = sys.stdout.isatty()
    width = min(100, shutil.get_terminal_size().columns) if terminal else None
    lessons.page(lessons.show(lesson, width=width, colour=terminal))
    return 0


def build_site(folder: Path) -> int:
    """Build the course as web pages and print the first one's path."""
    from pycap.course import site
    from pycap.course.units import UNITS

    site.build(folder, UNITS)
    print(folder / "index.html")
    return 0


def run_experiment(unit: Unit, args: argparse.Namespace) -> int:
    """Run an experiment, or ask or score the model that it left."""
    from pycap.cli import UsageError
    from pycap.course.lab import Lab
    from pycap.course.progress import Progress, course_home

    experiment = unit.experiment()
    asked = args.predict is not None or args.evaluate is not None
    folder = args.out or _choose_folder(course_home() / unit.name, args.quick, asked)
    lab = Lab(unit, folder, quick=args.quick, seed=args.seed, data=args.data)
    for name, value in (("predict", args.predict), ("evaluate", args.evaluate)):
        if value is None:
            continue
        if not hasattr(experiment, name):
            raise UsageError(f"{unit.name} leaves no model to {name} with; the checkpoints and week8 do")
        getattr(experiment, name)(lab, value)
        return 0
    progress = Progress()
    experiment.run(lab)
    lab.finish()
    progress.note_run(unit, lab.quick)
    return 0


def _choose_folder(home: Path, quick: bool, asked: bool) -> Path:
    """Return where a run goes, so that a quick one never replaces a whole one's model, or which model is asked."""
    if (
        asked
        and not quick
        and not (home / "results.json").exists()
        and (home / "quick" / "results.json").exists()
    ):
        print("the model of the quick run answers; without --quick a better one is trained", file=sys.stderr)
        return home / "quick"
    return home / "quick" if quick else home


def start_assignment(unit: Unit, folder: Path) -> int:
    """Write the skeleton; a file that is there is left alone."""
    target = assignment_file(unit, folder)
    if target.exists():
        raise ValueError(f"{target} is there already and was left as it is; move it away to begin anew")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(unit.skeleton, target)
    except OSError as error:
        raise ValueError(f"{target} cannot be written ({error.strerror}); give another folder") from None
    print(target)
    for task in unit.tasks():
        print(f"  {task.name}: {task.title}", file=sys.stderr)
    print(f"fill it in, then: pycap course check {unit.name} {folder}", file=sys.stderr)
    return 0


def assignment_file(unit: Unit, folder: Path) -> Path:
    """Return the student's file of a unit.

    Raises:
        ValueError: the folder is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; give the folder that {unit.name}.py is in")
    return folder / f"{unit.name}.py"


def check_assignment(unit: Unit, folder: Path, as_json: bool) -> int:
    """Grade the student's file; exit code 0 when every task passes."""
    from pycap.course.grading import grade
    from pycap.course.progress import Progress

    progress = Progress()
    results = grade(unit, assignment_file(unit, folder))
    for result in results:
        print_result(result, as_json)
    passed = sum(result.passed for result in results)
    print(f"{passed} of {len(results)} tasks passed", file=sys.stderr)
    try:
        progress.note_tasks(unit, {result.name: result.passed for result in results})
    except OSError as error:
        place = f"{progress.path} ({error.strerror})"
        print(f"progress cannot be kept in {place}; name another folder in PYCAP_COURSE", file=sys.stderr)
    return 0 if passed == len(results) else 1


def print_result(result: Result, as_json: bool) -> None:
    """Print how one task went: a line when it passed, else what was expected, what came and a hint."""
    from pycap.cli.lines import escape_line

    if as_json:
        import json
        from dataclasses import asdict

        print(json.dumps(asdict(result)))
        return
    print(f"{'passed' if result.passed else 'FAILED'}  {result.name}: {result.title}")
    if result.passed:
        return
    lines = [("", result.problem)] if not result.expected else []
    lines += [
        ("given", result.given),
        ("expected", result.expected),
        ("got", result.got),
        ("hint", result.hint),
    ]
    for head, text in lines:
        if text:
            print(f"        {head + ': ' if head else ''}{escape_line(text)}")
