"""A small translation task that never runs out: lines of dates as people write them, to dates as computers sort them.

`"the 3rd of march 1987 and 12/24/2001"` becomes `"1987-03-03 2001-12-24"`. Days of the calendar, not lines, are
divided into training and test: no day of a test line was ever seen in training.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

MONTHS = ["january", "february", "march", "april", "may", "june", "july"]
MONTHS += ["august", "september", "october", "november", "december"]
WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
FIRST, LAST = datetime.date(1900, 1, 1), datetime.date(2099, 12, 31)
JOINTS = (", ", " and ", "; ")
PAD, START, END = range(3)

Format = Callable[[datetime.date], str]
FORMATS: dict[str, Format] = {
    "14 march 1987": lambda day: f"{day.day} {MONTHS[day.month - 1]} {day.year}",
    "march 14, 1987": lambda day: f"{MONTHS[day.month - 1]} {day.day}, {day.year}",
    "the 14th of march 1987": lambda day: (
        f"the {day.day}{_ordinal(day.day)} of {MONTHS[day.month - 1]} {day.year}"
    ),
    "saturday, 14 mar 1987": lambda day: (
        f"{WEEKDAYS[day.weekday()]}, {day.day} {MONTHS[day.month - 1][:3]} {day.year}"
    ),
    "mar 14 1987": lambda day: f"{MONTHS[day.month - 1][:3]} {day.day} {day.year}",
    "3/14/1987": lambda day: f"{day.month}/{day.day}/{day.year}",  # month first, as in the United States
    "14.3.1987": lambda day: f"{day.day}.{day.month}.{day.year}",  # day first, as in most of Europe
    "14.03.1987": lambda day: f"{day.day:02}.{day.month:02}.{day.year}",
}


def _ordinal(day: int) -> str:
    """Return the ending of a day's ordinal number: 1st, 2nd, 3rd, 4th, 11th."""
    return "th" if 10 <= day % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")


def split_tokens(text: str) -> list[str]:
    """Split a line: every word is one token, and so is every digit, space and mark."""
    return re.findall(r"[a-z]+|.", text)


class Line(NamedTuple):
    """One pair of the task: `source` as people write, `target` in ISO 8601, and how many dates they hold."""

    source: str
    target: str
    dates: int


def split_days(held_out: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Divide the calendar from 1900 to 2099 into days to train on and `held_out` days to test on.

    Returns:
        two sorted arrays of day numbers (`datetime.date.toordinal`) that share no day.
    """
    days = np.random.default_rng(seed).permutation(np.arange(FIRST.toordinal(), LAST.toordinal() + 1))
    return np.sort(days[held_out:]), np.sort(days[:held_out])


def write_line(days: np.ndarray, count: int, random: np.random.Generator) -> Line:
    """Write a line of `count` dates drawn from `days`, each in a format drawn for it."""
    drawn = [datetime.date.fromordinal(int(day)) for day in random.choice(days, count)]
    formats = list(FORMATS.values())
    texts = [formats[random.integers(len(formats))](day) for day in drawn]
    source = texts[0]
    for text in texts[1:]:
        source += JOINTS[random.integers(len(JOINTS))] + text
    return Line(source, " ".join(day.isoformat() for day in drawn), count)


class Codes:
    """Numbers for tokens: 0 is padding, 1 starts and 2 ends a sentence."""

    def __init__(self, tokens: list[str]):
        self.tokens = ["<pad>", "<start>", "<end>", *tokens]
        self.numbers = {token: number for number, token in enumerate(self.tokens)}

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return tokens with END behind them, padded, `(batch, time)` int64, and real lengths `(batch,)`."""
        rows = [[self.numbers[token] for token in split_tokens(text)] + [END] for text in texts]
        lengths = np.array([len(row) for row in rows])
        table = np.full((len(rows), lengths.max()), PAD)
        for row, numbers in zip(table, rows, strict=True):
            row[: len(numbers)] = numbers
        return table, lengths

    def decode(self, numbers: list[int]) -> str:
        """Return the text before the first END."""
        end = numbers.index(END) if END in numbers else len(numbers)
        return "".join(self.tokens[number] for number in numbers[:end])


def source_codes() -> Codes:
    """Return the codes of everything that a line can hold; they do not depend on the days in it."""
    every = (datetime.date(2001, month, day) for month in range(1, 13) for day in range(1, 29))
    tokens = {token for day in every for form in FORMATS.values() for token in split_tokens(form(day))}
    tokens |= {token for joint in JOINTS for token in split_tokens(joint)} | set("0123456789")
    return Codes(sorted(tokens))


def target_codes() -> Codes:
    """Return the codes of ISO dates."""
    return Codes(list("0123456789- "))
