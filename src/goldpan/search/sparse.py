"""Exact maximum inner product among sparse rows: the plain way, to measure others with."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from goldpan.core.errors import ArrayError, InputError
from goldpan.core.progress import Progress, Silent
from goldpan.core.records import Floats, Neighbors

_BASE_ROWS = 8192
_QUERY_ROWS = 512


class SparseRows(Protocol):
    """A table of sparse rows that is read by ranges; `goldpan.formats.sparse.SparseReader` is one."""

    n: int
    dim: int

    def read(self, start: int, stop: int) -> Any:
        """Return rows `start` to `stop` (excluded) as a scipy CSR array."""


def sparse_search(
    base: SparseRows, queries: SparseRows, k: int, *, only: range | None = None, progress: Progress | None = None
) -> Neighbors:
    """Return the k rows of largest inner product for each query, scored in float64, ties by lower id.

    Args:
        base: rows to search.
        queries: rows of the same width.
        k: 1 to the number of base rows.
        only: which queries; all where None.
        progress: told in base rows, once for every 512 queries.

    Raises:
        ArrayError: widths differ.
        InputError: k is out of range.
    """
    asked = range(queries.n) if only is None else only
    if base.dim != queries.dim:
        raise ArrayError(f"queries have {queries.dim} columns, but the base has {base.dim}.")
    if not 1 <= k <= base.n:
        raise InputError(f"k must be 1 to {base.n}, the number of base rows, not {k}.")
    ids, scores = np.full((len(asked), k), -1, np.int64), np.full((len(asked), k), -np.inf)
    progress = progress or Silent()
    progress.start("sparse search", base.n * -(-len(asked) // _QUERY_ROWS))
    for first in range(0, len(asked), _QUERY_ROWS):
        stop = min(len(asked), first + _QUERY_ROWS)
        wanted = queries.read(asked[first], asked[stop - 1] + 1).astype(np.float64)
        for start in range(0, base.n, _BASE_ROWS):
            rows = base.read(start, min(base.n, start + _BASE_ROWS)).astype(np.float64)
            _merge(ids[first:stop], scores[first:stop], (wanted @ rows.T).toarray(), start)
            progress.advance(rows.shape[0])
    progress.finish()
    return Neighbors(ids, scores)


def _merge(ids: Any, scores: Floats, new: Floats, start: int) -> None:
    """Bring scores of rows from `start` on into the answers; equal ones come after those that are there."""
    k = ids.shape[1]
    for number, row in enumerate(new):
        hits = np.flatnonzero(row > scores[number, -1])
        if len(hits) == 0:
            continue
        every = np.concatenate([scores[number], row[hits]])
        order = np.argsort(-every, kind="stable")[:k]
        scores[number] = every[order]
        ids[number] = np.concatenate([ids[number], hits + start])[order]
