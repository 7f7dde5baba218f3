"""One table, two sides: some rows become queries, the others stay the base and keep their row numbers."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import InputError
from goldpan.core.records import Ids
from goldpan.formats.vectors import open_vectors
from goldpan.search.readers import VectorReader, WithoutRows
from goldpan.stages.truth.config import TruthConfig

__all__ = ["Sides", "Table", "WithoutRows", "hold_out", "sides_of"]


class Table(VectorReader, Protocol):
    """A reader that can also take single rows."""

    def take(self, ids: Ids) -> NDArray[Any]:
        """Return the rows numbered `ids`, in that order."""


class Sides(NamedTuple):
    """What is searched, for what, and which rows of the table the queries were (None: they have their own file)."""

    base: VectorReader
    queries: VectorReader | NDArray[Any]
    query_rows: Ids | None


def sides_of(config: TruthConfig, table: Any) -> Sides:
    """Return both sides of a search: the table and a file of queries, or the two parts of the table."""
    if config.hold_out is not None:
        return hold_out(table, config.hold_out, config.seed)
    assert config.queries is not None  # noqa: S101  the configuration sees to it
    return Sides(table, open_vectors(config.queries), None)


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
