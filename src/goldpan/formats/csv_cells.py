"""The cells of CSV and TSV files, where a quote that is never closed costs its own line and no other."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Literal

from goldpan.formats.json_records import BadRecord


def read_cells(lines: Iterable[str], delimiter: str, *, is_quoted: bool = True) -> Iterator[list[str] | BadRecord]:
    """Yield the cells of every row that is not empty (RFC 4180), as Python's `csv` reads them.

    A quote may hold line ends, so one that is not closed takes the rows behind it along: up to the end of the file, up
    to what `csv` holds in a cell, or up to the next quote. Where that shows (in the last case by what follows that
    quote, or by a number of cells that is not the first row's) its line is a `BadRecord`, and reading goes on behind.
    So is a line with a cell of more than 131,072 letters.

    Args:
        lines: of the file, with their ends.
        delimiter: between cells.
        is_quoted: whether quotes mean anything.
    """
    source = _Lines(lines)
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if is_quoted else csv.QUOTE_NONE
    width = 0
    while not source.is_done:
        try:
            for cells in csv.reader(source, delimiter=delimiter, quoting=quoting):
                if source.is_done or (len(source.taken) > 1 and not _is_one(source.taken, delimiter, width)):
                    break
                source.let_go()
                width = width or len(cells)
                if cells:
                    yield cells
        except csv.Error as error:
            if len(source.taken) == 1:
                yield BadRecord(f"cannot be read on line {source.first} of the file: {error}")
                source.let_go()
        if source.taken:
            yield BadRecord(f"has a quote on line {source.first} of the file that is not closed")
            source.go_back()


def _is_one(lines: list[str], delimiter: str, width: int) -> bool:
    """Tell whether several lines are one row of so many cells (0: any number), by the strict reading of quotes."""
    try:
        (cells,) = csv.reader(lines, delimiter=delimiter, strict=True)
    except csv.Error:
        return False
    return width in (0, len(cells))


class _Lines:
    """Lines, some of which can be read again.

    Attributes:
        taken: lines since the last row.
        first: number of the first of them, from 1.
        is_done: whether one was asked for when there were no more.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._again: deque[str] = deque()
        self.taken: list[str] = []
        self.first = 1
        self.is_done = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines, None)
        if line is None:
            self.is_done = True
            raise StopIteration
        self.taken.append(line)
        return line

    def let_go(self) -> None:
        """Forget the lines of a row that is good."""
        self.first += len(self.taken)
        self.taken.clear()

    def go_back(self) -> None:
        """Leave the first of the lines out, and read the others again."""
        self._again.extendleft(reversed(self.taken[1:]))
        self.taken.clear()
        self.first += 1
        self.is_done = False
