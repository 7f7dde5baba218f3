"""Scores of single pairs, summed in compensated float64 and rounded once: equal pairs of rows tie, always.

The sums are those of Ogita, Rump and Oishi, "Accurate sum and dot product" (SIAM J. Sci. Comput. 26, 2005),
Dot2: as if computed with 106 bits and rounded to 53. So the order of two rows is that of their true scores
unless these agree to about 16 digits; then the scores are the same float64 and the lower id comes first.
Eight partial sums, then a fixed order: the kernels in C++ follow it step by step and give the same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from goldpan.core.records import Floats, Metric

LANES = 8
_SPLIT = 134217729.0  # 2^27 + 1 (Dekker 1971)


class Double2(NamedTuple):
    """Unevaluated sums of two float64, about 106 bits."""

    hi: Floats
    lo: Floats


def pair_keys(queries: NDArray[Any], rows: NDArray[Any], metric: Metric) -> Floats:
    """Return the key of ``(queries[i], rows[i])`` for each i: q·x, cosine, or -|q-x|²; higher is nearer.

    Args:
        queries: ``(m, d)`` floating point.
        rows: ``(m, d)`` floating point.
        metric: any but Hamming.
    """
    return keys_of_lanes(_lanes(queries), _lanes(rows), metric)


def keys_of_lanes(
    q: Floats, x: Floats, metric: Metric, sqrt: Callable[..., Any] = np.sqrt, where: Callable[..., Any] = np.where
) -> Floats:
    """Return the keys of pairs, laid out as ``(steps, m, LANES)``, zeros where d is no multiple of LANES.

    Arrays may be those of another package, whose `sqrt` and `where` are then given, such as tensors on a GPU: every
    step is one rounding of IEEE 754, so the bits are the same.
    """
    if metric is Metric.IP:
        return _dot(q, x).hi
    if metric is Metric.COSINE:
        return _cosine(_dot(q, x), _dot(q, q), _dot(x, x), sqrt, where)
    return -_squared_distance(q, x).hi


def _lanes(rows: NDArray[Any]) -> Floats:
    """Widen to float64 and lay out as (steps, m, LANES), zeros where d is no multiple of LANES."""
    m, d = rows.shape
    steps = -(-d // LANES)
    wide = np.zeros((m, steps * LANES))
    wide[:, :d] = rows
    return wide.reshape(m, steps, LANES).transpose(1, 0, 2)


def two_sum(a: Floats, b: Floats) -> Double2:
    """Return a + b and its rounding error (Knuth)."""
    total = a + b
    part = total - a
    return Double2(total, (a - (total - part)) + (b - part))


def two_product(a: Floats, b: Floats) -> Double2:
    """Return a * b and its rounding error (Dekker, Veltkamp)."""
    product = a * b
    a_big, b_big = _SPLIT * a, _SPLIT * b
    a_hi, b_hi = a_big - (a_big - a), b_big - (b_big - b)
    a_lo, b_lo = a - a_hi, b - b_hi
    return Double2(product, a_lo * b_lo - (((product - a_hi * b_hi) - a_lo * b_hi) - a_hi * b_lo))


def _dot(q: Floats, x: Floats) -> Double2:
    total, error = q[0] - q[0], q[0] - q[0]  # zeros, of whatever kind
    for q_step, x_step in zip(q, x, strict=True):
        product = two_product(q_step, x_step)
        total, rounding = two_sum(total, product.hi)
        error += rounding + product.lo
    return _across(total, error)


def _squared_distance(q: Floats, x: Floats) -> Double2:
    total, error = q[0] - q[0], q[0] - q[0]  # zeros, of whatever kind
    for q_step, x_step in zip(q, x, strict=True):
        gap = two_sum(q_step, -x_step)
        square = two_product(gap.hi, gap.hi)
        total, rounding = two_sum(total, square.hi)
        error += rounding + (square.lo + 2.0 * gap.hi * gap.lo)
    return _across(total, error)


def _across(total: Floats, error: Floats) -> Double2:
    """Add the lanes, first to last."""
    hi, lo = total[:, 0], error[:, 0]
    for lane in range(1, LANES):
        hi, rounding = two_sum(hi, total[:, lane])
        lo = lo + (rounding + error[:, lane])
    rounded = hi + lo
    return Double2(rounded, (hi - rounded) + lo)


def _cosine(dot: Double2, qq: Double2, xx: Double2, sqrt: Callable[..., Any], where: Callable[..., Any]) -> Floats:
    """Return dot / sqrt(qq * xx) rounded once; 0 where a norm is 0."""
    product = two_product(qq.hi, xx.hi)
    low = product.lo + (qq.hi * xx.lo + qq.lo * xx.hi)
    with np.errstate(divide="ignore", invalid="ignore"):
        root = sqrt(product.hi)
        square = two_product(root, root)
        root_low = (((product.hi - square.hi) - square.lo) + low) / (2.0 * root)
        ratio = dot.hi / root
        back = two_product(ratio, root)
        rest = ((dot.hi - back.hi) - back.lo) + (dot.lo - ratio * root_low)
        cosine = ratio + rest / root
    found: Floats = where((qq.hi == 0) | (xx.hi == 0), 0.0, cosine)
    return found
