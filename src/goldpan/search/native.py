"""The kernels of exact search in C++: integer codes, integer dot products, a level for each instruction set.

Integer dot products are exact, so the bound holds no rounding but that of the codes; and `vpmaddwd` multiplies
twice as many int16 as an FMA multiplies float32, `vpdpbusd` four times as many bytes, which is why this is faster
than any float32 matrix product.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldpan._kernels import compiled_module
from goldpan.core.errors import GoldpanError, InputError
from goldpan.core.records import Metric
from goldpan.search.bounds import (
    BROKEN_BOUND,
    BaseBlock,
    Coefficients,
    Packed,
    Packing,
    QueryBlock,
    SecondLook,
)
from goldpan.search.kernels import NarrowSearch
from goldpan.search.topk import TopK

_native = compiled_module()
_METRICS = {Metric.IP: 0, Metric.COSINE: 1, Metric.L2: 2, Metric.SQEUCLIDEAN: 2}


class NativeKernels:
    """See `goldpan.search.kernels.Kernels`.

    Args:
        level: one of `levels`.
    """

    threads = True
    code_dtype: type[Any] = np.int16

    def __init__(self, level: str) -> None:
        self.level = level
        self.name = f"native:{level}"
        self.few_queries = 7 if level.startswith("avx512") else 3
        self.narrow: NarrowSearch | None = self.search_narrow if _native.narrow_first(level) else None

    def pack(self, rows: NDArray[Any], out: Packed, how: Packing) -> None:
        """Encode as int16 whose norm is below 46,341, so that no dot product of codes leaves int32; or as bytes."""
        if how.rotation is None:
            _native.pack(self.level, rows, how.mean, how.unit, how.whole, how.panels, *out)
        else:
            _native.pack_narrow(self.level, rows, how.mean, how.unit, how.panels, *how.rotation, *out)

    def search(
        self, block: BaseBlock, queries: QueryBlock, coefficients: Coefficients, metric: Metric, top: TopK
    ) -> None:
        """Filter, score the survivors, merge; see ``_kernels/search.cpp``."""
        if not _native.search(self.level, *_arguments(block, queries, coefficients, metric, top)):
            raise GoldpanError(BROKEN_BOUND)

    def search_narrow(
        self,
        block: BaseBlock,
        queries: QueryBlock,
        coefficients: Coefficients,
        metric: Metric,
        top: TopK,
        second: SecondLook,
    ) -> NDArray[np.int32]:
        """Filter by bytes, look again at what is left in float32, score the rest, merge; see `Kernels.narrow`."""
        looked_at = np.zeros(len(queries.rows), np.int32)
        arguments = _arguments(block, queries, coefficients, metric, top)
        if not _native.search_narrow(self.level, *arguments, second.length, second.mean_norm, block.unit, looked_at):
            raise GoldpanError(BROKEN_BOUND)
        return looked_at

    def scan(self, rows: NDArray[Any], first_id: int, queries: NDArray[Any], metric: Metric, top: TopK) -> int | None:
        """Score every row; see ``_kernels/pair.cpp``."""
        bad = _native.scan(self.level, _METRICS[metric], rows, first_id, queries, top.keys, top.ids, top.survivors)
        return None if bad < 0 else bad

    def hamming(self, rows: NDArray[Any], first_id: int, queries: NDArray[Any], top: TopK) -> None:
        """Count differing bits, eight rows at a time; see ``_kernels/hamming.cpp``."""
        _native.hamming(self.level, rows, first_id, queries, top.keys, top.ids, top.survivors)


def _arguments(
    block: BaseBlock, queries: QueryBlock, coefficients: Coefficients, metric: Metric, top: TopK
) -> tuple[Any, ...]:
    fields = (block.codes, block.scale, block.norm, block.residual, block.offset)
    weights = (queries.rows, queries.codes, queries.norm_weight, queries.residual_weight)
    answers = (top.keys, top.ids, top.survivors)
    return _METRICS[metric], block.rows, block.first_id, *fields, *weights, *coefficients, *answers


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
    """Try a level on small searches: the same answers, bit by bit, as the scalar loops."""
    from goldpan.search.exact import exact_search

    generator = np.random.default_rng(0)
    rows = generator.standard_normal((75, 37)).astype(np.float32)
    bits = generator.integers(0, 256, (75, 37), np.uint8)
    tries = [(rows, rows[::3] + rows[:25], Metric.L2), (bits, bits[::3] ^ bits[:25], Metric.HAMMING)]
    for base, asked, metric in tries:
        mine, plain = (exact_search(base, asked, 5, metric, kernels=f"native:{name}") for name in (level, "scalar"))
        if not (np.array_equal(mine.ids, plain.ids) and np.array_equal(mine.scores, plain.scores)):
            return False
    return True
