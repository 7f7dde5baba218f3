"""Rows in order: what exact search needs of a base or of queries that may not fit in memory."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from goldpan.core.arrays import VECTOR_DTYPES
from goldpan.core.errors import ArrayError
from goldpan.core.records import Ids
from goldpan.search.bounds import MAX_MAGNITUDE

_SAMPLE_RUNS = 16
_SAMPLE_ROWS = 64


@runtime_checkable
class VectorReader(Protocol):
    """A table of vectors that is read by ranges of rows; the readers of `goldpan.formats` are such."""

    @property
    def n(self) -> int:
        """Number of rows."""

    @property
    def dim(self) -> int:
        """Number of values a row."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of a value."""

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return rows `start` to `stop` (excluded), ``(stop - start, dim)``."""


class ArrayReader:
    """An array, or a memory map, as a `VectorReader`; `read` gives views."""

    def __init__(self, array: NDArray[Any]) -> None:
        self.array = array
        self.n, self.dim = array.shape
        self.dtype = array.dtype

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return a view of rows `start` to `stop`."""
        return self.array[start:stop]


class WithoutRows:
    """A table without some of its rows; the others move up.

    Args:
        table: the whole table.
        held: ``(m,)`` distinct row numbers to leave out, ascending.
    """

    def __init__(self, table: VectorReader, held: Ids) -> None:
        self.table = table
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


class RowRange:
    """Consecutive rows of a table, numbered from 0."""

    def __init__(self, table: VectorReader, rows: range) -> None:
        self._fetch = getattr(table, "load", table.read)  # as in `WithoutRows`
        self._first = rows.start
        self.n = len(rows)
        self.dim = table.dim
        self.dtype = table.dtype

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return rows `start` to `stop` of the range."""
        block: NDArray[Any] = self._fetch(self._first + start, self._first + stop)
        return block


VectorSource: TypeAlias = NDArray[Any] | VectorReader


def as_reader(source: VectorSource | Any, name: str) -> VectorReader:
    """Wrap what is not yet a reader; look at shape and dtype, not at values.

    Raises:
        ArrayError: not two axes, a dtype we do not compute with, no rows or no columns.
    """
    if isinstance(source, VectorReader):
        reader = source
    else:
        array = np.asarray(source)
        if array.ndim != 2:
            raise ArrayError(f"{name} must have 2 axes (rows, dimensions), not shape {array.shape}.")
        reader = ArrayReader(array)
    if np.dtype(reader.dtype).name not in VECTOR_DTYPES:
        raise ArrayError(f"{name} has dtype {reader.dtype}; allowed: {', '.join(VECTOR_DTYPES)}.")
    if reader.n == 0 or reader.dim == 0:
        raise ArrayError(f"{name} is empty: {reader.n} rows of {reader.dim} dimensions.")
    return reader


def sample_mean(reader: VectorReader, *, unit: bool) -> NDArray[np.float64]:
    """Return the mean of about a thousand rows spread over the table, ``(dim,)`` float64.

    Integer tables get a mean of whole numbers, which keeps their centered rows exact. Values that
    cannot be computed with count as zeros here; who reads every row rejects them.

    Args:
        reader: the table.
        unit: take the mean of the rows at unit length.
    """
    runs = min(_SAMPLE_RUNS, -(-reader.n // _SAMPLE_ROWS))
    starts = np.linspace(0, max(0, reader.n - _SAMPLE_ROWS), runs).astype(int)
    total = np.zeros(reader.dim)
    rows = 0
    for start in starts:
        part = reader.read(int(start), int(min(reader.n, start + _SAMPLE_ROWS))).astype(np.float64)
        part[~(np.abs(part) < MAX_MAGNITUDE)] = 0.0
        norms = np.linalg.norm(part, axis=1, keepdims=True) if unit else 1.0
        total += np.divide(part, norms, out=np.zeros_like(part), where=norms != 0).sum(axis=0)
        rows += len(part)
    mean = total / rows
    return np.rint(mean) if not unit and np.dtype(reader.dtype).kind in "iu" else mean
