"""Range search: every row of the base within a radius of each query, exact."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from goldpan.core.errors import InputError
from goldpan.core.progress import Progress, Silent
from goldpan.core.records import Floats, Ids, Metric, Neighbors, parse_metric
from goldpan.search.exact import DEFAULT_MEMORY_BYTES, exact_search
from goldpan.search.readers import VectorReader, VectorSource, as_reader

_FIRST_DEPTH = 64
_GROWTH = 8
_QUERIES = 4096
_BYTES_A_NEIGHBOR = 64  # ids and scores, in the search and in what comes out of it


@dataclass(frozen=True, slots=True)
class RangeResult:
    """The rows near each query, nearest first, ties by lower id.

    Attributes:
        limits: ``(n_queries + 1,)`` int64; the rows of query i are ``ids[limits[i]:limits[i + 1]]``.
        ids: ``(total,)`` int64 rows of the base.
        scores: ``(total,)`` float64 values of the metric.
    """

    limits: Ids
    ids: Ids
    scores: Floats

    @property
    def counts(self) -> Ids:
        """Rows found for each query, ``(n_queries,)``."""
        return np.diff(self.limits)


def exact_range(
    base: VectorSource,
    queries: VectorSource,
    radius: ArrayLike,
    metric: str | Metric = Metric.L2,
    *,
    workers: int | None = None,
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
    progress: Progress | None = None,
) -> RangeResult:
    """Find every row of the base no farther than a radius, by scores in float64, the border included.

    Queries whose k nearest are all inside are searched again with a larger k, so a radius that holds most of the base
    costs as much as sorting all of it. ``l2`` takes a radius of distance, ``sqeuclidean`` one of squared distance.

    Args:
        base: ``(n, d)`` array or reader, as `exact_search`.
        queries: ``(n_queries, d)``.
        radius: one, or ``(n_queries,)``: the largest distance, or for ``ip`` and ``cosine`` the smallest similarity.
        metric: as `exact_search`.
        workers: threads.
        memory_bytes: budget for the search; the answer comes on top.
        progress: told in queries.

    Raises:
        InputError: the radius is no number, or there are not as many as queries.
        ArrayError: shapes or dtypes do not fit, or values are NaN or infinite.

    Example:
        >>> import numpy as np
        >>> found = exact_range(np.arange(9.0)[:, None], np.array([[4.0]]), radius=1.0)
        >>> found.ids, found.limits
        (array([4, 3, 5]), array([0, 3]))
    """
    found_metric = parse_metric(metric)
    reader, asked = as_reader(base, "base"), as_reader(queries, "queries")
    radii = np.asarray(radius, np.float64)
    if radii.shape not in ((), (asked.n,)) or np.isnan(radii).any():
        raise InputError(f"The radius must be one number, or one for each of the {asked.n} queries, and no NaN.")
    radii = np.broadcast_to(radii, (asked.n,))
    progress = progress or Silent()
    progress.start("range search", asked.n)
    lists: list[Neighbors] = []
    for start in range(0, asked.n, _QUERIES):
        stop = min(asked.n, start + _QUERIES)
        block = asked.read(start, stop)
        lists += _lists(reader, block, radii[start:stop], found_metric, workers, memory_bytes)
        progress.advance(stop - start)
    progress.finish()
    limits = np.concatenate([[0], np.cumsum([len(found.ids) for found in lists])]).astype(np.int64)
    return RangeResult(limits, *(np.concatenate(column) for column in zip(*lists, strict=True)))


def _lists(
    reader: VectorReader, queries: Floats, radii: Floats, metric: Metric, workers: int | None, memory_bytes: int
) -> list[Neighbors]:
    lists: dict[int, Neighbors] = {}
    open_, depth = np.arange(len(queries)), min(_FIRST_DEPTH, reader.n)
    while len(open_):
        step = max(1, memory_bytes // (2 * _BYTES_A_NEIGHBOR * depth))
        unfinished = []
        for start in range(0, len(open_), step):
            some = open_[start : start + step]
            found = exact_search(
                reader, queries[some], depth, metric, workers=workers, memory_bytes=memory_bytes // 2
            ).neighbors
            inside = found.scores >= radii[some, None] if metric.is_similarity else found.scores <= radii[some, None]
            done = ~inside[:, -1] if depth < reader.n else np.ones(len(some), bool)
            for row in np.flatnonzero(done).tolist():
                lists[int(some[row])] = Neighbors(found.ids[row, inside[row]], found.scores[row, inside[row]])
            unfinished.append(some[~done])
        open_, depth = np.concatenate(unfinished), min(reader.n, depth * _GROWTH)
    return [lists[query] for query in range(len(queries))]
