"""Daily prices in the CSV columns of Yahoo Finance, gzip or plain, for any ticker."""

from __future__ import annotations

import csv
import datetime
import math
import os
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pycap.course.readers.files import read_lines

COLUMNS = {  # column's name in lower case -> field of `Prices`
    "open": "open",
    "high": "high",
    "low": "low",
    "close": "close",
    "adj close": "adjusted",
    "volume": "volume",
}
SUFFIXES = (".csv", ".csv.gz")
_ISO = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[ T].*)?")  # a time of day is ignored
_AMERICAN = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")
_MISSING = {"", "null", "nan", "na", "n/a", "none", "-"}


class Prices(NamedTuple):
    """A ticker's trading days, oldest first; all arrays `(days,)`.

    Attributes:
        name: the file's name without suffix, such as "AAPL".
        dates: datetime64[D].
        open, high, low, close: float64, prices as traded (splits already counted in).
        adjusted: float64, closing prices with dividends counted in; `close` where the file has no such column.
        volume: float64, shares traded.
        dropped: rows that were left out because a value in them is missing.
    """

    name: str
    dates: np.ndarray
    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    adjusted: np.ndarray
    volume: np.ndarray
    dropped: int


def list_prices(path: str | os.PathLike[str]) -> list[Path]:
    """Return the price files of a folder, sorted by name, or the file itself.

    Raises:
        ValueError: no such path, or a folder without `SUFFIXES`.
    """
    path = Path(path)
    if not path.is_dir():
        if not path.exists():
            raise ValueError(f"{path}: no such file or folder; check the path")
        return [path]
    files = sorted(each for each in path.iterdir() if each.name.lower().endswith(SUFFIXES))
    if not files:
        raise ValueError(f"{path}: no .csv files in it; give a CSV of daily prices or a folder of them")
    return files


def read_prices(path: str | os.PathLike[str]) -> Prices:
    """Read daily prices.

    Args:
        path: a CSV with a header naming Date, Open, High, Low, Close, Volume and usually Adj Close, in any order;
            dates as 2018-12-31 or 12/31/2018, oldest first.

    Returns:
        All days whose values are all there; the others are counted in `dropped`.

    Raises:
        ValueError: unreadable, a column missing, a row of the wrong form, a date out of order or twice, a
            price that is not positive, naming the line; or fewer than two days.
    """
    path = Path(path)
    lines = read_lines(path)
    rows = csv.reader(lines)
    try:
        header = next(rows, [])
        places = _find_columns(path, header)
        dates: list[datetime.date] = []
        values: list[list[float]] = []
        dropped = 0
        last: datetime.date | None = None
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            where = f"{path} line {rows.line_num}"
            if len(row) != len(header):
                raise ValueError(
                    f"{where}: {len(header)} columns expected, got {len(row)}; is the file cut off there?"
                )
            date = _parse_date(row[places["date"]], where)
            if last is not None and date <= last:
                wrong = "comes twice" if date == last else f"comes after {last}"
                raise ValueError(
                    f"{where}: {date} {wrong}; sort the rows by date, oldest first, each day once"
                )
            last = date
            cells = [row[places[name]].strip() for name in COLUMNS if name in places]
            if any(cell.lower() in _MISSING for cell in cells):
                dropped += 1
                continue
            dates.append(date)
            values.append(_parse_values(cells, [name for name in COLUMNS if name in places], where))
    except csv.Error as error:
        raise ValueError(f"{path} line {rows.line_num}: not CSV ({error}); correct the line") from None
    if len(dates) < 2:
        raise ValueError(
            f"{path}: {len(dates)} days with prices, at least 2 are needed; give a longer series"
        )
    table = np.array(values, np.float64).T
    names = [COLUMNS[name] for name in COLUMNS if name in places]
    fields = {name: column.copy() for name, column in zip(names, table, strict=True)}
    fields.setdefault("adjusted", fields["close"].copy())
    name = re.sub(r"\.(csv|txt)?(\.gz)?$", "", path.name, flags=re.IGNORECASE) or path.name
    return Prices(name=name, dates=np.array(dates, "datetime64[D]"), **fields, dropped=dropped)


def _find_columns(path: Path, header: list[str]) -> dict[str, int]:
    """Return the place of each column by its lower-case name."""
    places = {cell.strip().strip("*").lower(): place for place, cell in reversed(list(enumerate(header)))}
    wanted = ["date", *COLUMNS]
    missing = [name for name in wanted if name not in places and name != "adj close"]
    if missing:
        shown = ",".join(header)
        shown = shown if len(shown) <= 80 else f"{shown[:80]}..."
        raise ValueError(
            f"{path} line 1: no column {missing[0].title()} in {shown!r}; "
            "the header must name Date,Open,High,Low,Close,Adj Close,Volume"
        )
    return places


def _parse_date(text: str, where: str) -> datetime.date:
    text = text.strip()
    try:
        if match := _ISO.fullmatch(text):
            return datetime.date(*map(int, match.groups()))
        if match := _AMERICAN.fullmatch(text):
            month, day, year = map(int, match.groups())
            return datetime.date(year, month, day)
    except ValueError:
        pass  # the 13th month, the 30th of February
    raise ValueError(
        f"{where}: a date must be YEAR-MONTH-DAY or MONTH/DAY/YEAR, got {text[:40]!r}; correct it"
    )


def _parse_values(cells: list[str], names: list[str], where: str) -> list[float]:
    values = []
    for cell, name in zip(cells, names, strict=True):
        try:
            value = float(cell)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise ValueError(f"{where}: {name.title()} must be a number, got {cell[:40]!r}; correct it")
        if value < 0 or (value == 0 and name in ("close", "adj close")):  # Yahoo has old days with Open 0
            kind = "positive" if name in ("close", "adj close") else "0 or more"
            raise ValueError(f"{where}: {name.title()} must be {kind}, got {cell}; correct or remove the row")
        values.append(value)
    return values
