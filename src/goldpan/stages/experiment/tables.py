"""Tables: built once, written as Markdown, CSV, HTML and on the terminal."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Cell = str | int | float | None
_NONE = "–"  # noqa: RUF001  a dash that is no minus

_WIDEST = 100


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under columns.

    Attributes:
        name: of its file, without suffix.
        title: above it.
        columns: names, with units.
        rows: as many cells each as there are columns; None where there is nothing to say.
        note: what a reader must know.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: list[tuple[Cell, ...]] = field(default_factory=list)
    note: str = ""

    def shown(self) -> list[list[str]]:
        """Return the cells as a person reads them."""
        return [[shown(cell) for cell in row] for row in self.rows]

    def numeric(self) -> list[bool]:
        """Tell of each column whether it holds numbers, which stand to the right."""
        return [
            any(isinstance(row[i], int | float) for row in self.rows)
            and not any(isinstance(row[i], str) for row in self.rows)
            for i in range(len(self.columns))
        ]

    def markdown(self) -> str:
        """Return the table with its title, in GitHub's Markdown."""
        marks = ["---:" if numeric else "---" for numeric in self.numeric()]
        lines = [self.columns, marks, *([cell.replace("|", "\\|") for cell in row] for row in self.shown())]
        text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return f"## {self.title}\n\n" + (f"{self.note}\n\n" if self.note else "") + text + "\n"

    def csv(self) -> str:
        """Return columns and unrounded cells; nothing is an empty cell."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([self.columns, *self.rows])
        return text.getvalue()

    def text(self) -> str:
        """Return the table in columns, for a terminal; long cells are cut."""
        lines = [list(self.columns), *([_cut(cell) for cell in row] for row in self.shown())]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.columns))]
        right = self.numeric()
        return "".join(_line(line, widths, right) for line in lines)

    def records(self) -> list[dict[str, Any]]:
        """Return the rows as JSON values."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def shown(cell: Cell) -> str:
    """Return a value with four digits that matter, thousands apart."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return _NONE
    if isinstance(cell, float):
        digits = 0 if cell == 0 else max(0, 3 - math.floor(math.log10(abs(cell))))
        return f"{cell:,.{min(digits, 6)}f}"
    return f"{cell:,}" if isinstance(cell, int) else cell


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _WIDEST else line[: _WIDEST - 3] + "..."


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    parts = [
        cell.rjust(width) if is_right else cell.ljust(width)
        for cell, width, is_right in zip(cells, widths, right, strict=True)
    ]
    return "  ".join(parts).rstrip() + "\n"
