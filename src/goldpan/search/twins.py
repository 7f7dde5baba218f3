"""The kernels of exact search in NumPy: the same answers, at the speed of its matrix product.

Codes are the centered rows in float32, scaled by a power of two; dot products come from BLAS, in whatever
order it sums, and the bound of that rounding is part of the residual.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import GoldpanError
from goldpan.core.records import Floats, Metric
from goldpan.search.bounds import (
    BROKEN_BOUND,
    MAX_MAGNITUDE,
    MIN_MAGNITUDE,
    BaseBlock,
    Coefficients,
    Packed,
    Packing,
    QueryBlock,
)
from goldpan.search.compensated import pair_keys
from goldpan.search.kernels import NarrowSearch
from goldpan.search.topk import TopK

_PACK_ROWS = 8192
_TILE_QUERIES = 1024
_TILE_ROWS = 4096
_PAIR_BYTES = 32 << 20


class NumpyKernels:
    """See `goldpan.search.kernels.Kernels`."""

    name = "numpy"
    threads = False  # BLAS brings its own
    few_queries = 0
    narrow: NarrowSearch | None = None  # BLAS knows no bytes
    code_dtype: type[Any] = np.float32

    def pack(self, rows: NDArray[Any], out: Packed, how: Packing) -> None:
        """Encode as float32 of at most 1 in magnitude."""
        for start in range(0, len(rows), _PACK_ROWS):
            span = slice(start, min(len(rows), start + _PACK_ROWS))
            with np.errstate(all="ignore"):
                _pack_rows(rows[span], Packed(*(field[span] for field in out)), how)

    def search(
        self, block: BaseBlock, queries: QueryBlock, coefficients: Coefficients, metric: Metric, top: TopK
    ) -> None:
        """Filter tile by tile, score the survivors, raise the thresholds."""
        n = len(block.rows)
        for start in range(0, len(queries.rows), _TILE_QUERIES):
            span = slice(start, start + _TILE_QUERIES)
            part, view = queries.part(span), top.part(span)
            rules = coefficients.part(span)
            for first in range(0, n, _TILE_ROWS):
                _search_tile(block, part, rules, metric, view, slice(first, min(n, first + _TILE_ROWS)))

    def scan(self, rows: NDArray[Any], first_id: int, queries: NDArray[Any], metric: Metric, top: TopK) -> int | None:
        """Score every row, a few thousand at a time."""
        step = max(1, _PAIR_BYTES // (8 * rows.shape[1]))
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            for i, query in enumerate(queries):
                with np.errstate(all="ignore"):
                    keys = pair_keys(np.broadcast_to(query, part.shape), part, metric)
                bad = np.flatnonzero(~(np.abs(keys) < MAX_MAGNITUDE**2))
                if len(bad):
                    return start + int(bad[0])
                ids = np.arange(first_id + start, first_id + start + len(part))
                top.merge(np.full(len(part), i), keys, ids)
        return None

    def hamming(self, rows: NDArray[Any], first_id: int, queries: NDArray[Any], top: TopK) -> None:
        """Count differing bits, one query at a time."""
        k = top.keys.shape[1]
        for i, query in enumerate(queries):
            distances = np.bitwise_count(rows ^ query).sum(axis=1, dtype=np.int64)
            found = np.flatnonzero(-distances > top.keys[i, -1])
            if len(found) > k:
                limit = np.partition(distances[found], k - 1)[k - 1]
                found = found[distances[found] <= limit]
            owners = np.full(len(found), i, np.int64)
            top.merge(owners, -distances[found].astype(np.float64), found + first_id)


def _pack_rows(rows: NDArray[Any], packed: Packed, how: Packing) -> None:
    wide = rows.astype(np.float64)
    if how.unit:
        largest = np.abs(wide).max(axis=1)
        norms = np.sqrt(np.einsum("ij,ij->i", wide, wide))
        norms[(largest >= MAX_MAGNITUDE) | ((largest < MIN_MAGNITUDE) & (largest > 0))] = np.nan
        wide /= np.where(norms == 0, 1.0, norms)[:, None]
    wide -= how.mean
    exponents = np.frexp(np.abs(wide).max(axis=1))[1]
    wide *= np.ldexp(1.0, -exponents)[:, None]
    packed.codes[:, : rows.shape[1]] = wide
    packed.codes[:, rows.shape[1] :] = 0
    packed.scale[:] = np.ldexp(1.0, exponents)
    norm = np.sqrt(np.einsum("ij,ij->i", wide, wide))
    wide -= packed.codes[:, : rows.shape[1]]
    residual = np.sqrt(np.einsum("ij,ij->i", wide, wide))
    packed.norm[:] = norm * packed.scale
    # twice gamma_d, which also covers what underflows of products of numbers below 1
    packed.residual[:] = (residual + norm * (rows.shape[1] + 2) * 2.0**-23) * packed.scale


def _search_tile(
    block: BaseBlock, queries: QueryBlock, rules: Coefficients, metric: Metric, top: TopK, span: slice
) -> None:
    """Search rows `span` of a block for one tile of queries."""
    k = top.keys.shape[1]
    upper = queries.codes @ block.codes[span].T
    upper *= block.scale[span]
    spread = np.multiply.outer(queries.norm_weight, block.norm[span])
    spread += np.multiply.outer(queries.residual_weight, block.residual[span])
    offset = np.multiply.outer(rules.offset_weight, block.offset[span])
    upper += spread
    upper -= offset
    lower = upper - 2 * spread - np.float32(2.0**-18) * offset
    threshold = thresholds(top, rules)
    keep = ~(upper <= threshold[:, None])
    if upper.shape[1] >= k and not np.isfinite(threshold).all():
        reached = np.partition(lower, -k, axis=1)[:, -k].astype(np.float64) - rules.slack
        keep &= ~(upper < down(reached)[:, None])
    owners, found = np.nonzero(keep)
    step = max(1, _PAIR_BYTES // (8 * block.rows.shape[1]))
    for first in range(0, len(found), step):
        owner, row = owners[first : first + step], found[first : first + step]
        keys = pair_keys(queries.rows[owner], block.rows[row + span.start], metric)
        audit(keys, lower[owner, row], upper[owner, row], rules.part(owner))
        top.merge(owner, keys, row + span.start + block.first_id)


def audit(keys: Floats, lower: NDArray[Any], upper: NDArray[Any], rules: Coefficients) -> None:
    """Hold every score against its bounds: they are proved, but hardware and libraries are not."""
    score = rules.slope * keys + rules.shift
    slack = rules.relative * np.abs(keys) + rules.slack
    if np.any((score - slack > upper) | (score + slack < lower)):
        raise GoldpanError(BROKEN_BOUND)


def thresholds(top: TopK, rules: Coefficients) -> NDArray[np.float32]:
    """Return the bound that a row has to exceed to enter the answer of each query."""
    kth = top.keys[:, -1]
    known = np.isfinite(kth)
    kth = np.where(known, kth, 0.0)
    threshold = rules.slope * kth + rules.shift - rules.relative * np.abs(kth) - rules.slack
    return down(np.where(known, threshold, -np.inf))


def down(values: Floats) -> NDArray[np.float32]:
    """Round to a float32 that is no greater."""
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    below: NDArray[np.float32] = np.nextafter(narrow, np.float32(-np.inf))
    return np.where(narrow > values, below, narrow)
