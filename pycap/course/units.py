"""The course's ten units in their order, and what each consists of. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

FRONT_PAGE = Path(__file__).with_name("README.md")  # what the course is, before its first lesson


@dataclass(frozen=True)
class Unit:
    """A week or a checkpoint: a lesson, an experiment, and assignments.

    Attributes:
        name: of its folder and of the student's file, such as `week3`.
        weeks: when it is due, as the course's table says it.
        title: what it is about.
        purpose: what one can do afterwards, one sentence.
        quick, full: measured time of the experiment on two CPU cores.
    """

    name: str
    weeks: str
    title: str
    purpose: str
    quick: str
    full: str

    @property
    def folder(self) -> Path:
        return Path(__file__).parent / self.name

    @property
    def lesson(self) -> Path:
        return self.folder / "lesson.md"

    @property
    def skeleton(self) -> Path:
        return self.folder / "assignment.py"

    @property
    def heading(self) -> str:
        """How people call it: `Week 3`, `Checkpoint 1`."""
        return f"{self.name.rstrip('0123456789').capitalize()} {self.name[-1]}"

    def experiment(self) -> ModuleType:
        """Import what runs: `run(lab)`, and of checkpoints `predict(lab, what)` and `evaluate(lab, path)`."""
        return import_module(f"pycap.course.{self.name}.experiment")

    @property
    def checks(self) -> str:
        """The module that has the assignments."""
        return f"pycap.course.{self.name}.checks"

    def tasks(self) -> tuple:
        """Import the assignments, a tuple of `pycap.course.grading.Task`."""
        return import_module(self.checks).TASKS


UNITS = (
    Unit(
        "week1",
        "1",
        "Neural networks from scratch",
        "Write a network, its loss and its gradient by hand, and check them.",
        "8 s",
        "30 s",
    ),
    Unit(
        "checkpoint1",
        "1",
        "Classifying images with a neural network",
        "Train a dense network to name clothes, beside a linear baseline.",
        "9 s",
        "3 min",
    ),
    Unit(
        "week2",
        "2",
        "Convolutional networks",
        "Know what a filter sees, and take features from a trained network.",
        "20 s",
        "90 s",
    ),
    Unit(
        "week3",
        "3",
        "Sequences",
        "Carry a state through time, and see why plain recurrence forgets.",
        "14 s",
        "60 s",
    ),
    Unit(
        "week4",
        "4",
        "Language",
        "Turn sentences into numbers that know what words mean, and numbers into sentences.",
        "22 s",
        "60 s",
    ),
    Unit(
        "checkpoint2",
        "4",
        "Classifying images with a CNN",
        "Name clothes and flowers, from scratch and by transfer.",
        "32 s",
        "12 min",
    ),
    Unit(
        "week5",
        "5",
        "Attention",
        "Let a decoder look at what it needs, and see where it looked.",
        "28 s",
        "2 min",
    ),
    Unit(
        "checkpoint3",
        "6-7",
        "Predicting stocks with an LSTM",
        "Forecast prices without fooling oneself.",
        "8 s",
        "60 s",
    ),
    Unit(
        "checkpoint4",
        "6-7",
        "Sentiment with an LSTM",
        "Tell praise from blame, and show which words decided.",
        "24 s",
        "3.5 min",
    ),
    Unit(
        "week8",
        "8",
        "Captioning",
        "Put all pieces together: train, score, ablate and speed up the captioner.",
        "18 s",
        "10 min",
    ),
)


def find_unit(word: str) -> Unit:
    """Return the unit that a user means by `3`, `week3`, `week 3`, `checkpoint1` or `c1`.

    Raises:
        ValueError: there is none; the message lists all.
    """
    name = word.lower().replace(" ", "").replace("-", "").replace("_", "")
    name = f"week{name}" if name.isdecimal() else name
    if name[:1] in ("w", "c") and name[1:].isdecimal():
        name = {"w": "week", "c": "checkpoint"}[name[0]] + name[1:]
    for unit in UNITS:
        if unit.name == name:
            return unit
    names = ", ".join(unit.name for unit in UNITS)
    later = " (weeks 6 and 7 are checkpoint3 and checkpoint4)" if name in ("week6", "week7") else ""
    raise ValueError(f"the course has no {word!r}{later}; its units are {names}")
