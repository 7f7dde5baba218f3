"""The three kinds of sides that pools have: an index of others, one of ours, vectors in memory."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import InputError
from goldpan.core.records import Ids, Metric, Neighbors
from goldpan.formats.protocol import VectorReader
from goldpan.formats.vectors import open_vectors
from goldpan.search.engines.foreign import ForeignIndex
from goldpan.search.engines.protocol import Index
from goldpan.search.exact import exact_search
from goldpan.stages.retrieve.pool import Found

_SEARCH_BYTES = 512 << 20


class Foreign:
    """A faiss file of others.

    Args:
        index: that is searched.
        rows: ``(n,)``, the row of the pool that each of the index's own numbers has; the same where None.
    """

    def __init__(self, index: ForeignIndex, rows: Ids | None = None) -> None:
        self._index, self._rows = index, rows
        self.n, self.dim, self.metric = index.n, index.dim, index.metric

    def find(self, queries: NDArray[np.float32], k: int, *, vectors: bool) -> Found:
        """See `goldpan.stages.retrieve.pool.Searched`."""
        if not vectors:
            return Found(self._told(self._index.search(queries, k)), None)
        neighbors, rows = self._index.search_and_reconstruct(queries, k)
        return Found(self._told(neighbors), rows)

    def vectors(self, rows: Ids) -> NDArray[np.float32]:
        """See `goldpan.stages.retrieve.pool.Searched`."""
        return self._index.vectors(rows if self._rows is None else self._numbers[rows])

    def _told(self, found: Neighbors) -> Neighbors:
        if self._rows is None:
            return found
        return Neighbors(np.where(found.ids >= 0, self._rows[np.maximum(found.ids, 0)], -1), found.scores)

    @cached_property
    def _numbers(self) -> Ids:
        """The index's own number of each row of the pool."""
        numbers = np.empty(self.n, np.int64)
        numbers[self._rows] = np.arange(self.n)
        return numbers


class Ours:
    """An index of ours; its ids, which are rows of what it was made from, become places of the metadata.

    Args:
        index: that is searched.
        numbers: ``(n,)`` ascending, the index's id of each row of the pool.
        record: of the index folder.
    """

    def __init__(self, index: Index, numbers: Ids, record: dict[str, Any]) -> None:
        self._index, self._numbers, self._source = index, numbers, str(record.get("source", ""))
        told = record.get("parameters", {}).items()
        self._parameters = {name: float(value) for name, value in told if name in index.traits.ladder}
        self.n, self.dim, self.metric = index.n, index.dim, index.metric

    def find(self, queries: NDArray[np.float32], k: int, *, vectors: bool) -> Found:
        """See `goldpan.stages.retrieve.pool.Searched`."""
        ids, scores = self._index.search(queries, k, **self._parameters)
        places = np.searchsorted(self._numbers, np.maximum(ids, 0))
        rows = self._rows(ids) if vectors else None
        return Found(Neighbors(np.where(ids >= 0, places, -1), scores), rows)

    def vectors(self, rows: Ids) -> NDArray[np.float32]:
        """See `goldpan.stages.retrieve.pool.Searched`."""
        return self._rows(self._numbers[rows])

    def _rows(self, ids: Ids) -> NDArray[np.float32]:
        """Read vectors from where they were indexed; zeros for the id -1."""
        wanted, back = np.unique(np.maximum(ids, 0), return_inverse=True)
        rows = self._reader.take(wanted).astype(np.float32)
        found: NDArray[np.float32] = np.where(ids[..., None] >= 0, rows[back.reshape(ids.shape)], np.float32(0))
        return found

    @cached_property
    def _reader(self) -> VectorReader:
        try:
            return open_vectors(self._source)
        except InputError as error:
            raise InputError(f"Look-alikes are told by their vectors; add --dedup 0. ({error})") from error


class Exact:
    """Vectors in memory, searched exactly; zeros stand for those that a row does not have.

    Args:
        rows: ``(m, dim)``.
        metric: that compares them.
        places: ``(m,)``, which row of the pool each belongs to.
        n: rows of the pool.
    """

    def __init__(self, rows: NDArray[Any], metric: Metric, places: Ids, n: int) -> None:
        self._rows, self._places = rows, places
        self.n, self.dim, self.metric = n, rows.shape[1], metric
        self._row_of = np.full(n, -1)
        self._row_of[places] = np.arange(len(rows))

    def find(self, queries: NDArray[np.float32], k: int, *, vectors: bool) -> Found:
        """See `goldpan.stages.retrieve.pool.Searched`."""
        k = min(k, len(self._rows))
        ids, scores = exact_search(self._rows, queries, k, self.metric, memory_bytes=_SEARCH_BYTES).neighbors
        return Found(Neighbors(self._places[ids], scores), self._rows[ids].astype(np.float32) if vectors else None)

    def vectors(self, rows: Ids) -> NDArray[np.float32]:
        """See `goldpan.stages.retrieve.pool.Searched`."""
        found = self._row_of[rows]
        return np.where(found[:, None] >= 0, self._rows[found].astype(np.float32), np.float32(0))
