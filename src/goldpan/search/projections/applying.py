"""Projecting whole tables block by block on all processors, and how much recall a projection can reach."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldpan.core.progress import Progress
from goldpan.core.records import Floats, Ids
from goldpan.metrics.recall import strict_recall
from goldpan.search.exact import exact_search
from goldpan.search.projections.protocol import Projection
from goldpan.search.projections.spread import spread_blocks
from goldpan.search.readers import VectorReader, VectorSource


def project_blocks(
    projection: Projection, reader: VectorReader, progress: Progress, *, workers: int | None = None
) -> Iterator[NDArray[Any]]:
    """Yield the projections of a table's rows in order, in blocks; a few blocks are in memory at once."""
    progress.start("project", reader.n)
    yield from spread_blocks(projection.apply, reader, progress, workers)
    progress.finish()


def project_all(
    projection: Projection, reader: VectorReader, progress: Progress, *, workers: int | None = None
) -> NDArray[Any]:
    """Return the projections of all rows, ``(n, dim)``."""
    out = np.empty((reader.n, projection.dim), projection.dtype)
    done = 0
    for rows in project_blocks(projection, reader, progress, workers=workers):
        out[done : done + len(rows)] = rows
        done += len(rows)
    return out


def recall_bound(
    projection: Projection, base: VectorSource, queries: VectorSource, truth: Ids, k: int, progress: Progress
) -> Floats:
    """Return for each query the recall that exact search among projected rows has, ``(n_queries,)``.

    No index over the projections finds more of the true neighbors, unless it goes back to the vectors; the tables of
    the SISAP 2023 challenge give it for their projections.

    Args:
        projection: what made the rows.
        base: projected base.
        queries: projected queries.
        truth: ``(n_queries, k or more)`` true neighbors among the vectors that were projected.
        k: neighbors a query.
        progress: told in base rows.
    """
    found = exact_search(base, queries, k, projection.metric, progress=progress)
    recall: Floats = strict_recall(found.neighbors.ids, truth, k)
    return recall
