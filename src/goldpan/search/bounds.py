"""The proof: for each query and row an upper bound of the score that float32 arithmetic cannot break.

Score form. Rows are ranked by a key, higher is nearer. With the base's (approximate) mean m, y = x - m:

    ip          key = q·x      = s + q·m           s = q'·y           q' = q
    cosine      the same for rows scaled to unit length
    l2, squared key = -|q-x|²  = 2s - |q'|²        s = q'·y - |y|²/2  q' = q - m

Any m is right; a good one makes |y| small, which takes the cancellation out of data far from the origin.

Bound. Packing replaces y by b·Y and q' by a·Q (Y, Q: int16 codes, or float32 in the NumPy twin) and measures
the residuals. By Cauchy and Schwarz

    |q'·y - a·b·(Q·Y)| <= |q' - aQ|·|y| + |aQ|·|y - bY|

and Q·Y is exact for integers. Narrow codes, a byte a dimension, are taken of rotated rows, which leaves dot
products as they are; the rounding of the float32 rotation is counted in the residuals. For float32 codes the
rounding of any summation order, gamma_d·|Q||Y| (Higham, Accuracy and Stability of Numerical Algorithms, 3.1), is
counted in the residual of Y. A row whose upper bound does not exceed a threshold that k rows are known to reach
cannot be in the answer.

Float32 of the bound itself. In units u (of the base block, a power of two) and a (of the query) a kernel computes

    upper = Q·Y * scale + spread - g * offset      spread = h * norm + m * residual
    lower = upper - 2 * spread - g * offset * 2^-18

from float32 fields that are rounded outward by 2^-20: four float32 operations err by less than 2^-21 of the
summed magnitudes, and |Q·Y|*scale <= m * (norm + residual) is covered as `residual` holds 2^-20 of that.
Float64 rounding while packing, below (d + 8) * 2^-52, is a small part of the same 2^-20 for d up to 2^20.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from goldpan.core.records import Floats, Ids, Metric

Float32s = NDArray[np.float32]
PANEL = 32  # base rows are padded to a multiple of this many
MAX_DIM = 1 << 20
MAX_MAGNITUDE = 2.0**240  # so that |x|²|q|² is a float64
MIN_MAGNITUDE = 2.0**-240  # under cosine: below it, but for zeros, squares lose digits
BROKEN_BOUND = (
    "A score lies outside its bounds, so the filter of exact search cannot be trusted on this machine. "
    "Type GOLDPAN_KERNELS=numpy to search without the compiled kernels, and please report it."
)
_OUT = 2.0**-20
_ROUND = 2.0**-50  # a few roundings of float64
_TINY = 2.0**-120  # more than float32 underflow can take away, even where subnormals are flushed to zero
_LARGEST_WEIGHT = 1e37  # beyond these a query is scored against every row instead
_LARGEST_SLOPE = 1e150
_WIDE_ROWS = 256


class Rotation(NamedTuple):
    """An orthogonal map of d dimensions: reorder, flip signs, then Hadamard's matrix over the first, and over the last,
    2^m of them (2^m the largest power of two up to d). No dimension stands out of the rows it has turned.

    Attributes:
        order: ``(d,)`` int32, a permutation.
        sign: ``(d,)`` float32, 1 or -1.
    """  # noqa: D205

    order: NDArray[np.int32]
    sign: Float32s

    @classmethod
    def of(cls, dim: int) -> Rotation:
        """Return the same one for all rows of that dimension."""
        generator = np.random.default_rng(dim)
        sign = generator.choice(np.array([-1, 1], np.float32), dim)
        return cls(generator.permutation(dim).astype(np.int32), sign)


class Packing(NamedTuple):
    """What is done to rows before they are encoded.

    Attributes:
        mean: ``(d,)`` float64, taken off each row.
        unit: rows are scaled to unit length first.
        whole: rows and mean hold whole numbers only.
        panels: codes are laid out for a base, not for queries.
        rotation: turns the rows for narrow codes, a byte a dimension; wide codes where None.
    """

    mean: Floats
    unit: bool
    whole: bool
    panels: bool
    rotation: Rotation | None = None


class Packed(NamedTuple):
    """Rows as codes, and what that did to them.

    Attributes:
        codes: the kernel's own layout.
        scale: ``(n,)`` float64 b.
        norm: ``(n,)`` float64 |y|.
        residual: ``(n,)`` float64 |y - bY|, plus the rounding of a dot product where that is not exact.
    """

    codes: NDArray[Any]
    scale: Floats
    norm: Floats
    residual: Floats


@dataclass(frozen=True, slots=True)
class BaseBlock:
    """A range of base rows, ready to be searched; float32 fields are in units of `unit` and padded to panels.

    Attributes:
        rows: ``(n, d)`` float32 or float64, contiguous: what the final scores are computed from.
        first_id: id of row 0.
        codes: of `Packed`.
        scale: b.
        norm: |y|, rounded up.
        residual: residual, rounded up, with the slack for float32.
        offset: |y|²/2 rounded down, 0 for ip and cosine.
        unit: power of two that brings the largest |y| to 1/2..1.
        reach: largest |y|, float64, not in units.
    """

    rows: NDArray[Any]
    first_id: int
    codes: NDArray[Any]
    scale: Float32s
    norm: Float32s
    residual: Float32s
    offset: Float32s
    unit: float
    reach: float


@dataclass(frozen=True, slots=True)
class QueryBlock:
    """Queries, ready to search with; see the head of this file for h, m and a.

    Attributes:
        rows: ``(n, d)`` float32 or float64, contiguous.
        codes: of `Packed`, row by row.
        scale: a, float64.
        norm_weight: h, float32.
        residual_weight: m, float32.
        norm: |q'|, float64.
        length: |q|, float64 (1 under cosine).
        shift: q·m, float64 (under cosine, of the unit query).
    """

    rows: NDArray[Any]
    codes: NDArray[Any]
    scale: Floats
    norm_weight: Float32s
    residual_weight: Float32s
    norm: Floats
    length: Floats
    shift: Floats

    def part(self, span: slice | Ids) -> QueryBlock:
        """Return those queries."""
        return QueryBlock(
            self.rows[span],
            self.codes[span],
            self.scale[span],
            self.norm_weight[span],
            self.residual_weight[span],
            self.norm[span],
            self.length[span],
            self.shift[span],
        )


class Coefficients(NamedTuple):
    """How keys of a query become thresholds on the bounds of one base block, ``(n_queries,)`` each.

    A row with ``upper <= slope*key + shift - relative*|key| - slack`` has no higher key than `key`, in float64 too.
    An infinite slack keeps every row.

    Attributes:
        offset_weight: g, float32.
        slope: float64.
        shift: float64.
        relative: float64.
        slack: float64.
    """

    offset_weight: Float32s
    slope: Floats
    shift: Floats
    relative: Floats
    slack: Floats

    def part(self, queries: slice | Ids) -> Coefficients:
        """Return those of some queries."""
        weight, slope, shift, relative, slack = self
        return Coefficients(weight[queries], slope[queries], shift[queries], relative[queries], slack[queries])


class SecondLook(NamedTuple):
    """What the second look at the candidates of narrow codes needs: sums in float32, wrong by little.

    Attributes:
        length: ``(n_queries,)`` float64 |q|, rounded up.
        mean_norm: of the mean taken off the base rows, rounded up.
    """

    length: Floats
    mean_norm: float

    def part(self, queries: slice) -> SecondLook:
        """Return that of some queries."""
        return self._replace(length=self.length[queries])


def base_block(rows: NDArray[Any], first_id: int, packed: Packed, metric: Metric) -> BaseBlock:
    """Round what packing measured outward to float32.

    Args:
        rows: ``(n, d)``, float32 or float64.
        first_id: id of the first row.
        packed: of those rows.
        metric: not Hamming.
    """
    reach = float(packed.norm.max())
    unit = float(np.ldexp(1.0, -int(np.frexp(reach)[1]))) if reach else 1.0
    norm = packed.norm * unit
    residual = packed.residual * unit
    if metric is Metric.COSINE:  # scaling to unit length errs by this much, however small |y| is
        norm = norm + d_slack(rows.shape[1]) * unit
        residual = residual + d_slack(rows.shape[1]) * unit
    half_square = 0.5 * norm * norm if _is_distance(metric) else np.zeros_like(norm)
    return BaseBlock(
        rows=rows,
        first_id=first_id,
        codes=packed.codes,
        scale=_padded((packed.scale * unit).astype(np.float32)),
        norm=_padded(_up(norm * (1 + _OUT))),
        residual=_padded(_up((residual + _OUT * (norm + residual)) * (1 + _OUT) + _TINY)),
        offset=_padded((half_square * (1 - _OUT)).astype(np.float32)),
        unit=unit,
        reach=reach,
    )


def query_block(rows: NDArray[Any], packed: Packed, metric: Metric, mean: Floats) -> QueryBlock:
    """Turn packed queries into the weights of their bounds.

    Args:
        rows: ``(n, d)``, float32 or float64.
        packed: of those rows, centered only for l2.
        metric: not Hamming.
        mean: ``(d,)``, that of the base.
    """
    dim = rows.shape[1]
    scale = np.where(packed.norm == 0, 1.0, packed.scale)
    residual = packed.residual + (d_slack(dim) * (packed.norm > 0) if metric is Metric.COSINE else 0.0)
    shift, true_norm = _shift_and_norm(rows, mean)
    length = true_norm if _is_distance(metric) else packed.norm
    if metric is Metric.COSINE:
        shift = np.divide(shift, true_norm, out=np.zeros_like(shift), where=true_norm > 0)
    grown = (packed.norm + residual) * (1 + _OUT) / scale
    return QueryBlock(
        rows=rows,
        codes=packed.codes,
        scale=scale,
        norm_weight=_up(residual / scale * (1 + _OUT)),
        residual_weight=_up(grown),
        norm=packed.norm,
        length=length,
        shift=shift,
    )


def _shift_and_norm(rows: NDArray[Any], mean: Floats) -> tuple[Floats, Floats]:
    """Return q·m and |q| of queries in float64, a few rows at a time: a wide copy of all costs more than the sums."""
    shift, norm = np.empty(len(rows)), np.empty(len(rows))
    for start in range(0, len(rows), _WIDE_ROWS):
        span = slice(start, start + _WIDE_ROWS)
        wide = rows[span].astype(np.float64)
        shift[span] = wide @ mean
        norm[span] = np.sqrt(np.einsum("ij,ij->i", wide, wide))
    return shift, norm


def coefficients(queries: QueryBlock, block: BaseBlock, metric: Metric, mean: Floats) -> Coefficients:
    """Return how the keys of `queries` translate to thresholds on `block`."""
    mean_norm = float(np.linalg.norm(mean))
    rounding = d_slack(len(mean))
    with np.errstate(all="ignore"):  # what leaves the range of float64 is sorted out below
        scale = np.where(queries.norm == 0, 1.0 / block.unit, queries.scale)
        per_score = block.unit / scale
        if _is_distance(metric):
            weight = 1.0 / (scale * block.unit)
            slope, shift = 0.5 * per_score, 0.5 * queries.norm**2 * per_score
            slack = (rounding * queries.norm**2 + _ROUND * (queries.norm + block.reach) ** 2) * per_score
            slack += (1.0 + weight) * _TINY
        else:
            weight = np.zeros_like(per_score)
            slope, shift = per_score, -queries.shift * per_score
            longest = block.reach + mean_norm
            slack = (rounding * queries.length * mean_norm + _ROUND * queries.length * longest) * per_score
            slack = np.where(queries.norm == 0, 0.0, slack + _TINY)
    in_range = (weight < _LARGEST_WEIGHT) & (per_score < _LARGEST_SLOPE)
    return Coefficients(
        offset_weight=np.where(in_range, weight, 1.0).astype(np.float32),
        slope=np.where(in_range, slope, 0.0),
        shift=np.where(in_range, shift, 0.0),
        relative=np.where(in_range, _ROUND * slope, 0.0),
        slack=np.where(in_range, slack + _ROUND * np.abs(shift), np.inf),
    )


def second_look(queries: QueryBlock, mean: Floats) -> SecondLook:
    """Return what a second look at candidates needs; see `SecondLook`."""
    return SecondLook(queries.length * (1 + _OUT), float(np.linalg.norm(mean)) * (1 + _OUT))


def d_slack(dim: int) -> float:
    """Return a bound of the relative error of a float64 dot product or norm over `dim` values."""
    return (dim + 8) * 2.0**-52


def _is_distance(metric: Metric) -> bool:
    return metric in (Metric.L2, Metric.SQEUCLIDEAN)


def _up(values: Floats) -> Float32s:
    """Round to the float32 above; zeros stay zeros."""
    narrow = values.astype(np.float32)
    return np.where(values == 0, np.float32(0), np.nextafter(narrow, np.float32(np.inf)))


def _padded(values: Float32s) -> Float32s:
    return np.pad(values, (0, -len(values) % PANEL))
