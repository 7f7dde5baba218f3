"""Exact search as an index: what the others are measured against."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldpan.core.arrays import check_vectors
from goldpan.core.errors import ArrayError, InputError
from goldpan.core.records import Ids, Metric, Neighbors
from goldpan.search.engines.labels import checked_ids
from goldpan.search.engines.protocol import Traits
from goldpan.search.engines.spec import EngineSpec
from goldpan.search.exact import exact_search
from goldpan.search.readers import VectorSource, as_reader


class Flat:
    """All rows in one array, searched by `exact_search`; see `goldpan.search.engines.protocol.Index`."""

    traits = Traits(frozenset(Metric), exact=True, adds=True, removes=True)

    def __init__(self, spec: EngineSpec, dim: int, metric: Metric, threads: int | None, seed: int) -> None:
        if spec.name or spec.options:
            raise InputError(f"{spec}: flat has neither names nor options.")
        self.spec, self.dim, self.metric, self._threads = str(spec), dim, metric, threads
        self._rows: NDArray[Any] = np.empty((0, dim), np.uint8 if metric is Metric.HAMMING else np.float32)
        self._ids: Ids = np.empty(0, np.int64)

    @property
    def n(self) -> int:
        """Number of rows that can be found."""
        return len(self._ids)

    def build(self, base: VectorSource, ids: Ids | None = None) -> None:
        """Copy all rows."""
        reader = as_reader(base, "base")
        if self.n:
            raise InputError("flat holds rows already; add to it, or open another.")
        self.add(reader.read(0, reader.n), np.arange(reader.n) if ids is None else ids)

    def add(self, rows: NDArray[Any], ids: Ids) -> None:
        """Append copies of rows."""
        rows, ids = self._checked(rows, "rows"), checked_ids(ids)
        if len(rows) != len(ids):
            raise ArrayError(f"{len(ids)} ids were given for {len(rows)} rows.")
        used = np.intersect1d(ids, self._ids)
        if len(used) or len(np.unique(ids)) < len(ids):
            raise InputError(f"id {used[0] if len(used) else 'of one row'} is in use; remove it first.")
        self._rows = np.concatenate([self._rows, rows]) if self.n else np.array(rows)
        self._ids = np.concatenate([self._ids, ids])
        self._sort()

    def remove(self, ids: Ids) -> None:
        """Drop rows."""
        values, counts = np.unique(checked_ids(ids), return_counts=True)
        missing = np.setdiff1d(values, self._ids)
        if len(missing):
            raise InputError(f"id {missing[0]} is not in the index.")
        if len(values) < len(ids):
            raise InputError(f"id {values[counts > 1][0]} comes twice; name each id once.")
        keep = ~np.isin(self._ids, ids)
        self._rows, self._ids = self._rows[keep], self._ids[keep]

    def consolidate(self) -> None:
        """Do nothing: removals leave nothing."""

    def search(self, queries: NDArray[Any], k: int, **parameters: float) -> Neighbors:
        """Search exactly; there are no parameters."""
        if parameters:
            raise InputError(f"flat has no search parameter {next(iter(parameters))!r}.")
        if k < 1:
            raise InputError(f"k must be 1 or more, not {k}.")
        queries = self._checked(queries, "queries")
        ids, scores = np.full((len(queries), k), -1), np.full((len(queries), k), np.nan)
        if self.n and len(queries):
            found = exact_search(self._rows, queries, min(k, self.n), self.metric, workers=self._threads).neighbors
            ids[:, : self.n], scores[:, : self.n] = self._ids[found.ids], found.scores
        return Neighbors(ids, scores)

    def save(self, folder: Path) -> None:
        """Write rows and ids as npy."""
        np.save(folder / "rows.npy", self._rows, allow_pickle=False)
        np.save(folder / "ids.npy", self._ids, allow_pickle=False)

    def load(self, folder: Path) -> None:
        """Read what `save` wrote."""
        self._rows = np.load(folder / "rows.npy", allow_pickle=False)
        self._ids = np.load(folder / "ids.npy", allow_pickle=False)

    def memory_bytes(self) -> int:
        """Return the size of rows and ids."""
        return self._rows.nbytes + self._ids.nbytes

    def _checked(self, rows: NDArray[Any], name: str) -> NDArray[Any]:
        rows = check_vectors(rows, name=name, dim=self.dim)
        if self.metric is Metric.HAMMING and rows.dtype != np.uint8:
            raise ArrayError(f"hamming compares packed bits, uint8, not {rows.dtype}.")
        return rows

    def _sort(self) -> None:
        """Keep ids ascending, so that ties go to the lower id."""
        if np.any(np.diff(self._ids) < 0):
            order = np.argsort(self._ids)
            self._rows, self._ids = self._rows[order], self._ids[order]
