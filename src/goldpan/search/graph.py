"""The exact k-nearest-neighbor graph of a set: every row's neighbors among the others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import InputError
from goldpan.core.progress import Progress
from goldpan.core.records import Floats, Ids, Metric, Neighbors, parse_metric
from goldpan.search.compensated import pair_keys
from goldpan.search.exact import DEFAULT_MEMORY_BYTES, ExactResult, exact_search
from goldpan.search.readers import VectorReader, VectorSource, as_reader

_BLOCK_ROWS = 4096


def knn_graph(
    base: VectorSource,
    k: int,
    metric: str | Metric = Metric.IP,
    *,
    with_self: bool = False,
    only: range | None = None,
    workers: int | None = None,
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
    progress: Progress | None = None,
) -> ExactResult:
    """Find the k nearest rows of every row of a set, as float64 brute force would, and prove it.

    A row is told from its copies by its number, so copies of a row are its neighbors and the row itself is not, even
    where the search finds a copy first, or so many that the row itself is not among the first k.

    Args:
        base: ``(n, d)`` array or reader, as `exact_search`.
        k: 1 to n - 1; with `with_self` to n.
        metric: as `exact_search`.
        with_self: put every row first in its own list, which then has k - 1 others (`allknn` of SISAP), whatever
            its score: by inner product a row need not be its own nearest.
        only: rows to answer for; all where None.
        workers: threads.
        memory_bytes: as `exact_search`.
        progress: told in base rows.

    Returns:
        Neighbors of row i in row i; `next_scores` are of the first row left out.

    Raises:
        InputError: k is out of range.
        ArrayError: a dtype that is not searched, or values that are NaN or infinite.
    """
    reader, found_metric = as_reader(base, "base"), parse_metric(metric)
    others = k - 1 if with_self else k
    if reader.n == 1 and not with_self:
        raise InputError("A graph needs two rows at least; the base has one.")
    if not 1 <= k <= reader.n - (not with_self):
        raise InputError(f"k must be 1 to {reader.n - (not with_self)} for a graph of {reader.n} rows, not {k}.")
    found = exact_search(
        reader,
        reader,
        others + 1,
        found_metric,
        only=only,
        workers=workers,
        memory_bytes=memory_bytes,
        progress=progress,
    )
    rows = np.arange(reader.n) if only is None else np.arange(only.start, only.stop)
    neighbors, following = _without_self(found, rows)
    if with_self:
        own = _own_scores(reader, rows, found_metric)
        neighbors = Neighbors(*(np.hstack(pair) for pair in ((rows[:, None], neighbors.ids), (own, neighbors.scores))))
    return replace(found, neighbors=neighbors, next_scores=following)


def _without_self(found: ExactResult, rows: Ids) -> tuple[Neighbors, Floats]:
    """Take each row out of its list of k + 1, or the last entry where it is not in it; return what is next, too."""
    ids, scores = found.neighbors
    width = ids.shape[1]
    present = ids == rows[:, None]
    place = np.where(present.any(axis=1), present.argmax(axis=1), width - 1)
    columns = np.arange(width - 1) + (np.arange(width - 1) >= place[:, None])
    kept = Neighbors(np.take_along_axis(ids, columns, axis=1), np.take_along_axis(scores, columns, axis=1))
    return kept, np.where(present.any(axis=1), found.next_scores, scores[:, -1])


def _own_scores(reader: VectorReader, rows: Ids, metric: Metric) -> NDArray[Any]:
    if not metric.is_similarity:
        return np.zeros((len(rows), 1))
    first, last = int(rows[0]), int(rows[-1]) + 1
    keys = []
    for start in range(first, last, _BLOCK_ROWS):
        block = reader.read(start, min(last, start + _BLOCK_ROWS))
        keys.append(pair_keys(block, block, metric))
    return np.concatenate(keys)[:, None]
