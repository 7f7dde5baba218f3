"""One table, two sides: some rows become queries, the others stay the base and keep their row numbers."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import InputError
from goldpan.core.records import Ids
from goldpan.search.readers import VectorReader


class Table(VectorReader, Protocol):
    """A reader that can also take single rows."""

    def take(self, ids: Ids) -> NDArray[Any]:
        """Return the rows numbered `ids`, in that order."""


class WithoutRows:
    """A table without some of its rows; the others move up.

    Args:
        table: the whole table.
        held: ``(m,)`` distinct row numbers to leave out, ascending.
    """

    def __init__(self, table: VectorReader, held: Ids) -> None:
        self._fetch = getattr(table, "load", table.read)  # memory of its own, where the table is a map of a file
        self._held = held
        self._moved = held - np.arange(len(held))  # how many rows stay before each one that goes
        self.n = table.n - len(held)
        self.dim = table.dim
        self.dtype = table.dtype

    def rows(self, numbers: Ids) -> Ids:
        """Turn numbers of rows that stay into their row numbers in the whole table."""
        found: Ids = numbers + np.searchsorted(self._moved, numbers, side="right")
        return found

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return rows `start` to `stop` of those that stay."""
        if start >= stop:
            return np.empty((0, self.dim), self.dtype)
        first, last = self.rows(np.array([start, stop - 1]))
        block: NDArray[Any] = self._fetch(int(first), int(last) + 1)
        gone = self._held[(self._held >= first) & (self._held <= last)] - first
        return np.delete(block, gone, axis=0) if len(gone) else block


class Sides(NamedTuple):
    """What is searched, for what, and which rows of the table the queries were (None: they have their own file)."""

    base: VectorReader
    queries: VectorReader | NDArray[Any]
    query_rows: Ids | None


def hold_out(table: Table, count: int, seed: int) -> Sides:
    """Draw queries from a table by the rule of Open Images-512: shuffle all row numbers, the first are the queries.

    Args:
        table: what to split.
        count: number of queries.
        seed: of the shuffle, the legacy one of NumPy, as the published split has it.

    Raises:
        InputError: nothing would be left to search.
    """
    if count >= table.n:
        raise InputError(f"{count} of {table.n} rows cannot be held out: hold out {table.n - 1} at most.")
    order = np.arange(table.n)
    np.random.RandomState(seed).shuffle(order)
    rows = order[:count].copy()
    return Sides(WithoutRows(table, np.sort(rows)), table.take(rows), rows)
