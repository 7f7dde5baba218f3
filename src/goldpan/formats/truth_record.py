"""What a layout of ground truth is: tables to read, blocks to write, and its numbers in terms of a metric."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import ArrayError
from goldpan.core.records import Metric
from goldpan.formats.casts import cast_rows
from goldpan.formats.protocol import Address, VectorReader

Values = NDArray[np.float64]


class TruthFiles(NamedTuple):
    """An open truth as two tables: ids as stored and, where there are any, distances as stored."""

    ids: VectorReader
    distances: VectorReader | None


class TruthBlocks(NamedTuple):
    """A truth to write: `n` queries with `k` neighbors, ids and distances ready to store, each in order.

    `columns` ``(n,)`` a name and `attributes` say more of it, where the layout has a place for them: HDF5 alone.
    """

    n: int
    k: int
    ids: Iterator[NDArray[Any]]
    distances: Iterator[NDArray[Any]] | None
    columns: Mapping[str, NDArray[Any]] = MappingProxyType({})
    attributes: Mapping[str, str | int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class TruthLayout:
    """One way to lay out ground truth.

    Attributes:
        name: what a message calls it.
        id_dtype: type of the ids in a new file.
        distance_dtype: type of the distances in a new file; None where the layout has none.
        open: opens an address.
        write: writes blocks of those types.
        first_id: the id of the first row of the base.
        missing: the stored id of a missing neighbor.
        to_stored: from (metric, values of that metric) to what the file holds.
        from_stored: the way back.
        may_descend: files are about that hold similarities where they should hold distances, see `descent`.
    """

    name: str
    id_dtype: str
    distance_dtype: str | None
    open: Callable[[Address], TruthFiles]
    write: Callable[[Address, TruthBlocks], None]
    first_id: int = 0
    missing: int = -1
    to_stored: Callable[[Metric, Values], Values] = lambda _, values: values
    from_stored: Callable[[Metric, Values], Values] = lambda _, stored: stored
    may_descend: bool = False


def stored_blocks(
    layout: TruthLayout,
    n: int,
    k: int,
    ids: Iterator[NDArray[Any]],
    distances: Iterator[NDArray[Any]] | None,
    metric: Metric | None,
) -> TruthBlocks:
    """Return a truth as a layout stores it.

    Args:
        layout: how.
        n: number of queries.
        k: neighbors a query.
        ids: blocks of ids from 0, -1 where there is no neighbor.
        distances: blocks of distances, if there are any.
        metric: what these are values of; without it they stay as they are.

    Raises:
        ArrayError: while blocks are drawn: an id below -1, or one that the layout has no place for; the row is named.
    """
    if distances is None or layout.distance_dtype is None:
        return TruthBlocks(n, k, _stored_ids(layout, ids), None)
    return TruthBlocks(n, k, _stored_ids(layout, ids), _stored_distances(layout, distances, metric))


def _stored_ids(layout: TruthLayout, blocks: Iterator[NDArray[Any]]) -> Iterator[NDArray[Any]]:
    """Turn ids from 0 into what a layout stores.

    Raises:
        ArrayError: an id below -1, or one that does not fit the layout's type; the row is named.
    """
    first = 0
    for block in blocks:
        ids = block.astype(np.int64)
        low = np.flatnonzero((ids < -1).any(axis=1))
        if low.size:
            raise ArrayError(f"Row {first + int(low[0])} holds an id below -1; ids count from 0.")
        yield cast_rows(np.where(ids == -1, layout.missing, ids + layout.first_id), np.dtype(layout.id_dtype), first)
        first += len(ids)


def _stored_distances(
    layout: TruthLayout, blocks: Iterator[NDArray[Any]], metric: Metric | None
) -> Iterator[NDArray[Any]]:
    """Turn values of `metric` into what a layout stores; without a metric only the type changes."""
    first = 0
    for block in blocks:
        values = block.astype(np.float64)
        stored = values if metric is None else layout.to_stored(metric, values)
        yield cast_rows(stored, np.dtype(layout.distance_dtype), first)
        first += len(values)
