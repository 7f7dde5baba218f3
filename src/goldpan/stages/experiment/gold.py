"""The truth of a data set: computed and kept, or given and looked at; scored in float64 either way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import InputError
from goldpan.core.progress import Progress
from goldpan.core.records import Floats, Ids, Metric, Neighbors
from goldpan.formats.atomic import replace_file
from goldpan.search.exact import exact_search
from goldpan.search.readers import VectorReader

_BLOCK_BYTES = 8 << 20
_CHECKED_QUERIES = 16
_SLACK = 1e-4  # of the largest score: a truth in float32 passes, a wrong one does not


def computed(
    base: VectorReader, queries: NDArray[Any], k: int, metric: Metric, path: Path, progress: Progress
) -> Neighbors:
    """Return the exact truth, from the file where it was kept before; deeper than k, to show ties past it."""
    if path.is_file():
        with np.load(path, allow_pickle=False) as kept:
            found = Neighbors(kept["ids"], kept["scores"])
        if found.ids.shape[1] >= k:
            return found
    depth = min(base.n, max(2 * k, 100))
    found = exact_search(base, queries, depth, metric, progress=progress).neighbors
    with replace_file(path) as temporary, temporary.open("wb") as file:
        np.savez(file, ids=found.ids, scores=found.scores)
    return found


def checked(
    base: VectorReader, queries: NDArray[Any], ids: Ids, metric: Metric, name: str, *, self_join: bool
) -> Neighbors:
    """Score a given truth in float64, and compare some of it with an exact search.

    Raises:
        InputError: it is not the truth of these vectors.
    """
    if ids.max() >= base.n:
        raise InputError(
            f"The truth of {name} names row {ids.max()}; the base has rows 0 to {base.n - 1}. "
            'It may count from 1, or belong to a larger base; write truth = "exact" to have it computed.'
        )
    some = np.unique(np.linspace(0, len(queries) - 1, _CHECKED_QUERIES).astype(np.int64))
    own = int(self_join)
    exact = exact_search(base, queries[some], min(base.n, ids.shape[1] + own), metric).neighbors
    exact_scores = (without_own(exact, some) if self_join else exact).scores
    given = scores_of(base, queries[some], ids[some], metric)
    wrong = np.abs(np.nan_to_num(given, nan=np.inf) - exact_scores).max(axis=1) > _SLACK * max(
        1e-30, np.abs(exact_scores).max()
    )
    if wrong.any():
        raise InputError(
            f"The truth of {name} is wrong for query {some[wrong][0]} (and {int(wrong.sum()) - 1} of "
            f"{len(some) - 1} others looked at) under {metric}: another metric, ids that count from 1, or another "
            'base; write truth = "exact" to have it computed.'
        )
    return Neighbors(ids, scores_of(base, queries, ids, metric))


def scores_of(base: VectorReader, queries: NDArray[Any], ids: Ids, metric: Metric) -> Floats:
    """Return the values of the metric between each query and the rows listed for it, float64, nan for id -1.

    Args:
        base: ``n`` rows.
        queries: ``(n_queries, d)``.
        ids: ``(n_queries, k)`` rows of the base, or -1.
        metric: how rows are compared.
    """
    scores = np.empty(ids.shape)
    step = max(1, _BLOCK_BYTES // (8 * base.dim * ids.shape[1]))
    for start in range(0, len(queries), step):
        part = ids[start : start + step]
        rows = take_rows(base, np.maximum(part, 0).ravel()).reshape(*part.shape, base.dim)
        scores[start : start + step] = _compare(queries[start : start + step, None], rows, metric)
    return np.where(ids < 0, np.nan, scores)


def take_rows(base: VectorReader, rows: Ids) -> NDArray[Any]:
    """Return rows by number; the readers of `goldpan.formats` and arrays each have their own way."""
    taken: NDArray[Any] = base.take(rows) if hasattr(base, "take") else base.read(0, base.n)[rows]
    return taken


def _compare(left: NDArray[Any], right: NDArray[Any], metric: Metric) -> Floats:
    if metric is Metric.HAMMING:
        bits: Floats = np.bitwise_count(left ^ right).sum(axis=-1, dtype=np.float64)
        return bits
    left, right = left.astype(np.float64), right.astype(np.float64)
    if metric.is_similarity:
        products: Floats = (left * right).sum(axis=-1)
        if metric is Metric.IP:
            return products
        lengths = np.linalg.norm(left, axis=-1) * np.linalg.norm(right, axis=-1)
        cosines: Floats = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
        return cosines
    squares: Floats = ((left - right) ** 2).sum(axis=-1)
    return squares if metric is Metric.SQEUCLIDEAN else np.sqrt(squares)


def without_own(found: Neighbors, rows: Ids) -> Neighbors:
    """Take out of every answer the row that the query itself is, or the last one where that was not found.

    Args:
        found: ``(n_queries, k + 1)``.
        rows: ``(n_queries,)`` the row of the base that each query is.

    Returns:
        ``(n_queries, k)``.
    """
    ids, scores = np.asarray(found.ids), np.asarray(found.scores)
    own = ids == rows[:, None]
    own[:, -1] |= ~own.any(axis=1)
    keep = np.ones(ids.shape, bool)
    keep[np.arange(len(ids)), own.argmax(axis=1)] = False
    shape = len(ids), ids.shape[1] - 1
    return Neighbors(ids[keep].reshape(shape), scores[keep].reshape(shape))
