"""Float64 brute force in plain NumPy: the second method a truth is checked with; shares nothing with the first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldpan.core.records import Floats, Ids, Metric
from goldpan.formats.protocol import VectorReader

_BLOCK_VALUES = 1 << 22


@dataclass(frozen=True, slots=True)
class Brute:
    """What brute force found.

    Attributes:
        ids: ``(n_queries, k)`` int64, best first, ties by lower id.
        scores: ``(n_queries, k)`` float64 values of the metric.
        given: ``(n_queries, k)`` float64 values of the metric for the ids that were to be checked.
    """

    ids: Ids
    scores: Floats
    given: Floats


def brute_force(base: VectorReader, queries: NDArray[Any], listed: Ids, metric: Metric) -> Brute:
    """Find the nearest base rows of each query, and score the rows that were listed as such.

    Args:
        base: the base; read in blocks.
        queries: ``(n_queries, d)``.
        listed: ``(n_queries, k)`` int64 row numbers of the base.
        metric: how rows are compared.
    """
    n_queries, k = listed.shape
    sign = -1.0 if metric.is_similarity else 1.0
    ids = np.empty((n_queries, 0), np.int64)
    keys = np.empty((n_queries, 0))
    given = np.full((n_queries, k), np.nan)
    start = 0
    for block in base.blocks(max(1, _BLOCK_VALUES // max(1, base.dim))):
        found = sign * _scores(queries, block, metric)
        here = (listed >= start) & (listed < start + len(block))
        rows, _ = np.nonzero(here)
        given[here] = found[rows, listed[here] - start]
        numbers = np.broadcast_to(np.arange(start, start + len(block)), found.shape)
        ids, keys = _keep(np.hstack([ids, numbers]), np.hstack([keys, found]), k)
        start += len(block)
    return Brute(ids, sign * keys, sign * given)


def _keep(ids: Ids, keys: Floats, k: int) -> tuple[Ids, Floats]:
    # Stable on columns that are in the order of ids: equal keys keep the lower id first.
    order = np.argsort(keys, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(ids, order, axis=1), np.take_along_axis(keys, order, axis=1)


def _scores(queries: NDArray[Any], block: NDArray[Any], metric: Metric) -> Floats:
    if metric is Metric.HAMMING:
        return np.stack([np.bitwise_count(block ^ query).sum(axis=1) for query in queries]).astype(np.float64)
    left, right = queries.astype(np.float64), block.astype(np.float64)
    products: Floats = left @ right.T
    if metric is Metric.IP:
        return products
    left_squares, right_squares = (left**2).sum(axis=1), (right**2).sum(axis=1)
    if metric is Metric.COSINE:
        lengths = np.sqrt(left_squares[:, None] * right_squares)
        cosines: Floats = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
        return cosines
    squares: Floats = np.maximum(left_squares[:, None] + right_squares - 2 * products, 0)
    return squares if metric is Metric.SQEUCLIDEAN else np.sqrt(squares, out=squares)
