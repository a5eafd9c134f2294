"""Daily prices: rows with gaps are counted, wrong rows are named."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from pycap.course.readers.prices import list_prices, read_prices

HEADER = "Date,Open,High,Low,Close,Adj Close,Volume\n"
ROW = "2020-01-{:02},1.5,2,1,1.75,1.7,1000\n"
GOOD = HEADER + ROW.format(2) + ROW.format(3)


def write(path: Path, text: str) -> Path:
    """Write a CSV."""
    path.write_text(text, encoding="utf-8")
    return path


def test_columns_become_arrays(tmp_path: Path):
    prices = read_prices(write(tmp_path / "ABC.csv", GOOD))
    assert prices.name == "ABC"
    assert prices.dates.tolist() == np.array(["2020-01-02", "2020-01-03"], "datetime64[D]").tolist()
    assert prices.dates.dtype == np.dtype("datetime64[D]")
    assert (prices.open[0], prices.high[0], prices.low[0], prices.close[0]) == (1.5, 2, 1, 1.75)
    assert (prices.adjusted[1], prices.volume[1], prices.dropped) == (1.7, 1000, 0)
    assert prices.close.dtype == np.float64


@pytest.mark.parametrize("gap", ["null,null,null,null,null,null", ",,,,,", "1,2,1,NaN,1,5"])
def test_rows_with_gaps_are_dropped_and_counted(tmp_path: Path, gap: str):
    prices = read_prices(write(tmp_path / "a.csv", f"{GOOD}2020-01-06,{gap}\n{ROW.format(7)}"))
    assert (len(prices.dates), prices.dropped) == (3, 1)
    assert prices.dates[-1] == np.datetime64("2020-01-07")


def test_missing_final_newline_windows_line_ends_and_a_byte_order_mark_do_no_harm(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.rstrip("\n").replace("\n", "\r\n").encode())
    assert len(read_prices(path).dates) == 2


def test_american_dates_and_gzip_are_read(tmp_path: Path):
    path = tmp_path / "sp500.csv.gz"
    path.write_bytes(
        gzip.compress(f"{HEADER}1/4/1999,1,2,1,1.5,1.5,9\n12/31/2018,1,2,1,1.5,1.5,9\n".encode())
    )
    prices = read_prices(path)
    assert prices.name == "sp500"
    assert [str(date) for date in prices.dates] == ["1999-01-04", "2018-12-31"]


def test_a_file_without_adjusted_prices_or_in_another_order_is_read(tmp_path: Path):
    text = "Close,Volume,Date,Extra,Low,High,Open\n1.75,10,2020-01-02 00:00:00-05:00,x,1,2,1.5\n3,5,2020-01-03,,1,3,2\n"
    prices = read_prices(write(tmp_path / "a.csv", text))
    assert prices.adjusted.tolist() == prices.close.tolist() == [1.75, 3]
    assert prices.open.tolist() == [1.5, 2]
    assert prices.adjusted is not prices.close


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD + ROW.format(3), "line 4: 2020-01-03 comes twice"),
        (GOOD + ROW.format(1), "line 4: 2020-01-01 comes after 2020-01-03; sort the rows"),
        (
            GOOD + "2020-01-02,null,null,null,null,null,null\n" + ROW.format(3),
            "line 4: 2020-01-02 comes after",
        ),
        (GOOD + "2020-01-06,1.5,2,1", "line 4: 7 columns expected, got 4; is the file cut off there?"),
        (GOOD + "2020-02-30,1,1,1,1,1,1\n", "line 4: a date must be .*, got '2020-02-30'"),
        (GOOD + "31.12.2020,1,1,1,1,1,1\n", r"line 4: a date must be .*, got '31\.12\.2020'"),
        (GOOD + "31/12/2020,1,1,1,1,1,1\n", "line 4: a date must be YEAR-MONTH-DAY or MONTH/DAY/YEAR"),
        (GOOD + "2020-01-06,$1,1,1,1,1,1\n", r"line 4: Open must be a number, got '\$1'"),
        (GOOD + "2020-01-06,1,inf,1,1,1,1\n", "line 4: High must be a number, got 'inf'"),
        (GOOD + "2020-01-06,1,1,1,0,1,1\n", "line 4: Close must be positive, got 0"),
        (GOOD + "2020-01-06,1,1,1,1,1,-5\n", "line 4: Volume must be 0 or more, got -5"),
        (HEADER.replace("Close,Adj Close", "Adj Close") + ROW.format(2), "line 1: no column Close in"),
        ("<html><body>429 Too Many Requests", "line 1: no column Date in '<html>"),
        ("Date;Open;High;Low;Close\n", "line 1: no column Date"),
        (HEADER + ROW.format(2), "1 days with prices, at least 2"),
        (HEADER, "0 days with prices"),
        ("", r"empty \(0 bytes\)"),
        (GOOD + '2020-01-06,"' + "1" * 200_000 + '",1,1,1,1,1\n', "line 4: not CSV"),
    ],
)
def test_wrong_rows_name_file_and_line(tmp_path: Path, text: str, message: str):
    path = write(tmp_path / "a.csv", text)
    with pytest.raises(ValueError, match=message) as caught:
        read_prices(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_price_files_of_a_folder_are_listed(tmp_path: Path):
    names = ["MSFT.csv", "AAPL.CSV", "sp500.csv.gz"]
    for name in [*names, "README.md"]:
        write(tmp_path / name, GOOD)
    assert [path.name for path in list_prices(tmp_path)] == ["AAPL.CSV", "MSFT.csv", "sp500.csv.gz"]
    assert list_prices(tmp_path / "MSFT.csv") == [tmp_path / "MSFT.csv"]
    with pytest.raises(ValueError, match="no such file or folder"):
        list_prices(tmp_path / "IBM.csv")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"no \.csv files in it"):
        list_prices(tmp_path / "empty")


@pytest.mark.parametrize(
    ("ticker", "days", "dropped"), [("AAPL", 10086, 1), ("IBM", 14840, 0), ("MSFT", 8761, 0)]
)
def test_real_prices_are_all_read(shared_data: Path, ticker: str, days: int, dropped: int):
    prices = read_prices(shared_data / "stocks" / f"{ticker}.csv")
    assert (prices.name, len(prices.dates), prices.dropped) == (ticker, days, dropped)
    assert prices.dates[-1] == np.datetime64("2020-12-11")
