"""The kernels of exact search in C++: int16 codes, integer dot products, a level for each instruction set.

Integer dot products are exact, so the bound holds no rounding but that of the codes; and `vpmaddwd` multiplies
twice as many int16 as an FMA multiplies float32, which is why this is faster than any float32 matrix product.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldpan._kernels import _native
from goldpan.core.errors import GoldpanError, InputError
from goldpan.core.records import Metric
from goldpan.search.bounds import (
    BROKEN_BOUND,
    BaseBlock,
    Coefficients,
    Packed,
    Packing,
    QueryBlock,
    base_block,
    coefficients,
    query_block,
)
from goldpan.search.topk import TopK

_METRICS = {Metric.IP: 0, Metric.COSINE: 1, Metric.L2: 2, Metric.SQEUCLIDEAN: 2}


class NativeKernels:
    """See `goldpan.search.kernels.Kernels`.

    Args:
        level: one of `levels`.
    """

    threads = True
    few_queries = 3
    code_dtype: type[Any] = np.int16

    def __init__(self, level: str) -> None:
        self.level = level
        self.name = f"native:{level}"

    def pack(self, rows: NDArray[Any], out: Packed, how: Packing) -> None:
        """Encode as int16 whose norm is below 46,341, so that no dot product of codes leaves int32."""
        _native.pack(self.level, rows, how.mean, how.unit, how.whole, how.panels, *out)

    def search(
        self, block: BaseBlock, queries: QueryBlock, coefficients: Coefficients, metric: Metric, top: TopK
    ) -> None:
        """Filter, score the survivors, merge; see ``_kernels/search.cpp``."""
        fields = (block.codes, block.scale, block.norm, block.residual, block.offset)
        weights = (queries.rows, queries.codes, queries.norm_weight, queries.residual_weight)
        answers = (top.keys, top.ids, top.survivors)
        if not _native.search(
            self.level, _METRICS[metric], block.rows, block.first_id, *fields, *weights, *coefficients, *answers
        ):
            raise GoldpanError(BROKEN_BOUND)

    def scan(self, rows: NDArray[Any], first_id: int, queries: NDArray[Any], metric: Metric, top: TopK) -> int | None:
        """Score every row; see ``_kernels/pair.cpp``."""
        bad = _native.scan(self.level, _METRICS[metric], rows, first_id, queries, top.keys, top.ids, top.survivors)
        return None if bad < 0 else bad

    def hamming(self, rows: NDArray[Any], first_id: int, queries: NDArray[Any], top: TopK) -> None:
        """Count differing bits, eight rows at a time; see ``_kernels/hamming.cpp``."""
        _native.hamming(self.level, rows, first_id, queries, top.keys, top.ids, top.survivors)


def levels() -> list[str]:
    """Return the instruction sets this machine can run, fastest first."""
    names: list[str] = _native.levels()
    return names


@cache
def native_kernels(name: str = "native") -> NativeKernels:
    """Return the kernels of a level; plain "native" is the fastest that answers like the scalar one.

    Raises:
        InputError: this machine has no such level.
    """
    level = name.partition(":")[2]
    if level and level not in levels():
        raise InputError(f"This machine has no kernels {name!r}; known: {', '.join(levels())}.")
    chosen = level or next(found for found in levels() if found == "scalar" or _agrees(found))
    return NativeKernels(chosen)


def _agrees(level: str) -> bool:
    """Try a level on a small search: the same answers, bit by bit, as the scalar loops."""
    generator = np.random.default_rng(0)
    rows = generator.standard_normal((75, 37)).astype(np.float32)
    bits = generator.integers(0, 2**63, (75, 5), np.uint64)
    answers = []
    for name in (level, "scalar"):
        top = TopK.empty(25, 5)
        _search_rows(NativeKernels(name), rows, rows[::3] + rows[:25], top)
        near = TopK.empty(25, 5)
        NativeKernels(name).hamming(bits, 0, bits[::3] ^ bits[:25], near)
        answers.append((top.keys, top.ids, near.keys, near.ids))
    return all(np.array_equal(mine, theirs) for mine, theirs in zip(*answers, strict=True))


def _search_rows(kernels: NativeKernels, rows: NDArray[Any], queries: NDArray[Any], top: TopK) -> None:
    """Search one small block from scratch."""
    mean = rows.mean(axis=0, dtype=np.float64)
    packed = []
    for part, panels in ((rows, True), (queries, False)):
        height = len(part) + (-len(part) % 16 if panels else 0)
        codes = np.empty((height, part.shape[1] + part.shape[1] % 2), np.int16)
        out = Packed(codes, np.empty(len(part)), np.empty(len(part)), np.empty(len(part)))
        kernels.pack(part, out, Packing(mean, unit=False, whole=False, panels=panels))
        packed.append(out)
    block = base_block(rows, 0, packed[0], Metric.L2)
    asked = query_block(queries, packed[1], Metric.L2, mean)
    kernels.search(block, asked, coefficients(asked, block, Metric.L2, mean), Metric.L2, top)
