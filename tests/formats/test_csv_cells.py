"""CSV with quotes that are not closed: no row goes along with them."""

import csv
import random
from collections.abc import Iterator

import pytest

from goldpan.formats.csv_cells import read_cells
from goldpan.formats.json_records import BadRecord

WELL = ["url,text\n", 'http://a,"two\n', 'lines, one cell"\n', "\n", "http://b,c\n", 'http://d,"say ""x"""']


def bad_lines(rows: list[list[str] | BadRecord]) -> list[str]:
    return [row.problem.split("line ")[1].split(" ")[0] for row in rows if isinstance(row, BadRecord)]


def test_what_is_well_is_read_as_by_csv() -> None:
    assert list(read_cells(WELL, ",")) == [row for row in csv.reader(WELL) if row]


def test_no_quotes_where_they_mean_nothing() -> None:
    assert list(read_cells(['"a\tb\n', 'c\t"d\n'], "\t", is_quoted=False)) == [['"a', "b"], ["c", '"d']]


@pytest.mark.parametrize("rest", [3, 20_000])
def test_a_quote_that_is_not_closed_costs_its_line(rest: int) -> None:
    lines = ["url,text\n", "http://0,a\n", 'http://1,"five inches\n', *(f"http://{i},b\n" for i in range(rest))]
    rows = list(read_cells(lines, ","))
    assert len(rows) == len(lines)
    assert bad_lines(rows) == ["3"]
    assert rows[3:] == [[f"http://{i}", "b"] for i in range(rest)]


def test_a_quote_that_ends_in_another_row() -> None:
    lines = ["url,text,n\n", 'http://1,"a,1\n', "http://2,b,2\n", 'http://3,say "c" now,3\n', 'http://4,"d,4']
    rows = list(read_cells(lines, ","))
    assert bad_lines(rows) == ["2", "5"]
    assert [row[0] for row in rows if not isinstance(row, BadRecord)] == ["url", "http://2", "http://3"]


def test_no_line_is_lost_whatever_the_quotes() -> None:
    dice = random.Random(7)
    for _ in range(300):
        cells = ["".join(dice.choices('ab"', (4, 4, 1), k=3)) for _ in range(24)]
        lines = [f"{i},{','.join(cells[2 * i : 2 * i + 2])}\n" for i in range(12)]
        rows = list(read_cells(lines, ","))
        ends = sum(cell.count("\n") for row in rows if not isinstance(row, BadRecord) for cell in row)
        assert len(rows) + ends == len(lines)


def test_a_list_of_strays_is_read_in_bounded_time() -> None:
    def lines() -> Iterator[str]:
        yield "url,text\n"
        yield from (f'http://{i},"x\n' for i in range(2000))

    rows = list(read_cells(lines(), ","))
    assert len(bad_lines(rows)) == 2000


def test_one_line_that_is_too_long() -> None:
    for line in ('"' + "x" * 200_000 + "\n", "x" * 200_000 + "\n"):
        rows = list(read_cells(["url\n", "1\n", line, "2\n"], ","))
        assert rows[:2] + rows[3:] == [["url"], ["1"], ["2"]]
        assert isinstance(rows[2], BadRecord)
        assert "on line 3 of the file: field larger than field limit" in rows[2].problem
