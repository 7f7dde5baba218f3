"""The filter of exact search: encode the base, rule out what the bounds can, score the rest.

Narrow codes, a byte a dimension, go through the processor twice as fast as wide ones, but leave more rows to look at
again. So a few queries try them first; and a query whose proof fails with them is answered with wide ones.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldpan.core.records import Floats, Ids, Metric
from goldpan.search import bounds
from goldpan.search.blocks import Block, computable
from goldpan.search.bounds import BaseBlock, Packed, Packing, QueryBlock, Rotation
from goldpan.search.job import Job, unusable
from goldpan.search.readers import sample_mean
from goldpan.search.topk import TopK

_PACK_ROWS = 4096
_NARROW_DTYPES = {np.dtype(np.float16), np.dtype(np.float32)}
_NARROW_DIMS = range(32, (1 << 16) + 1)  # below, bytes gain nothing; above, their dot products could leave int32
_TRIAL = 156
# Narrow codes save the time of n * d products; each row looked at a second time costs as much as this many of them,
# or as the second where the rows of a block stay in cache.
_PRODUCTS_PER_LOOK, _PRODUCTS_PER_CACHED_LOOK = 140_000, 60_000
_CACHE_BYTES = 32 << 20


class Filter:
    """Brings blocks of the base into the answers of some queries.

    Args:
        job: what is being done.
        queries: the queries.
        top: their answers.
    """

    def __init__(self, job: Job, queries: Block, top: TopK) -> None:
        self.top = top
        mean = sample_mean(job.base, unit=job.metric is Metric.COSINE)
        self.wide = _Side(_Coder(job, mean, None), queries)
        self.narrow = _Side(_Coder(job, mean, Rotation.of(job.base.dim)), queries)
        everyone = np.arange(len(queries.rows))
        self.worth_looks = _worth_looks(job, queries)
        self.undecided = everyone if self.worth_looks > top.keys.shape[1] else everyone[:0]
        if not len(self.undecided):
            self.wide.add(everyone)

    def take(self, block: Block) -> None:
        """Search a block."""
        if len(self.undecided):
            self._decide(block)
        elif len(self.narrow.numbers):
            self._search_narrow(block, self.narrow.numbers)
        self.narrow.coder.forget()
        self.wide.search(block, self.top, self.wide.numbers)
        self.wide.coder.forget()

    def _decide(self, block: Block) -> None:
        """Let a few queries tell whether the others are better off with wide codes."""
        trial = self.undecided[:: max(1, len(self.undecided) // _TRIAL)]
        self.narrow.add(trial)
        looks = self._search_narrow(block, trial)
        rest = np.setdiff1d(self.undecided, trial)
        if np.maximum(looks, 0).mean() > self.worth_looks or (looks < 0).mean() > 0.5:
            self.wide.add(rest)
        elif len(rest):
            self.narrow.add(rest)
            self._search_narrow(block, rest)
        self.undecided = rest[:0]

    def _search_narrow(self, block: Block, numbers: Ids) -> NDArray[np.int32]:
        """Search with narrow codes; queries whose proof fails become wide ones."""
        looks = self.narrow.search(block, self.top, numbers)
        failed = numbers[looks < 0]
        if len(failed):
            self.top.fallbacks[failed] = True
            self.narrow.remove(failed)
            self.wide.add(failed)
        return looks


def _worth_looks(job: Job, queries: Block) -> float:
    """Return how many second looks at the first block a query may need before wide codes are faster for all blocks.

    Of rows in no order, the b-th block brings 1/b of what the first brings. 0 where there are no narrow codes.
    """
    if job.loops.narrow is None or not {np.dtype(job.base.dtype), queries.rows.dtype} <= _NARROW_DTYPES:
        return 0.0
    if job.base.dim not in _NARROW_DIMS:
        return 0.0
    cached = 4 * job.block_rows * job.base.dim <= _CACHE_BYTES < 4 * job.base.n * job.base.dim
    cost = _PRODUCTS_PER_CACHED_LOOK if cached else _PRODUCTS_PER_LOOK
    return job.base.n * job.base.dim / cost / (1 + math.log(max(1.0, job.base.n / job.block_rows)))


class _Coder:
    """Rows to codes of one kind.

    Args:
        job: what is being done.
        mean: of the base.
        rotation: turns rows for narrow codes; wide ones where None.
    """

    def __init__(self, job: Job, mean: Floats, rotation: Rotation | None) -> None:
        self.job, self.mean, self.rotation = job, mean, rotation
        self._encoded: BaseBlock | None = None

    def base(self, block: Block) -> BaseBlock:
        """Encode a block of the base; the last one is kept."""
        if self._encoded is None or self._encoded.first_id != block.start:
            self._encoded = None
            rows, packed = self._packed("base", block, None, self.mean)
            self._encoded = bounds.base_block(rows, block.start, packed, self.job.metric)
        return self._encoded

    def forget(self) -> None:
        """Give back the memory of the last block."""
        self._encoded = None

    def queries(self, block: Block, numbers: Ids) -> QueryBlock:
        """Encode some of the queries."""
        moved = self.job.metric in (Metric.L2, Metric.SQEUCLIDEAN)
        rows, packed = self._packed(self.job.asked, block, numbers, self.mean if moved else 0 * self.mean)
        return bounds.query_block(rows, packed, self.job.metric, self.mean)

    def _packed(self, name: str, block: Block, numbers: Ids | None, mean: Floats) -> tuple[NDArray[Any], Packed]:
        """Return the rows as they are computed with, and their codes: of a whole block as panels, or of some rows."""
        panels = numbers is None
        unit = self.job.metric is Metric.COSINE
        whole = not unit and block.rows.dtype.kind in "iu" and bool(np.all(mean == np.rint(mean)))
        how = Packing(mean, unit, whole, panels, self.rotation)
        rows = computable(block.rows if numbers is None else block.rows[numbers])
        n = len(rows)
        padding = -n % bounds.PANEL if panels else 0
        codes = self._empty(n + padding, rows.shape[1])
        packed = Packed(codes, np.empty(n), np.empty(n), np.empty(n))

        def pack(span: slice) -> None:
            padded = slice(span.start, span.stop + (padding if span.stop == n else 0))
            part = Packed(codes[padded], *(field[span] for field in packed[1:]))
            self.job.loops.pack(rows[span], part, how)

        self.job.run(pack, n, _PACK_ROWS)
        bad = np.flatnonzero(~(packed.norm < bounds.MAX_MAGNITUDE))
        if len(bad):
            raise unusable(name, block, int(bad[0] if numbers is None else numbers[bad[0]]))
        return rows, packed

    def _empty(self, n: int, dim: int) -> NDArray[Any]:
        """Return memory for the codes of n rows, whole words each."""
        if self.rotation is None:
            return np.empty((n, dim + dim % 2), self.job.loops.code_dtype)
        return np.empty((n, dim + -dim % 4), np.int8)


class _Side:
    """Queries that are answered with one kind of codes.

    Args:
        coder: makes the codes.
        queries: all queries, from which some are taken.
    """

    def __init__(self, coder: _Coder, queries: Block) -> None:
        self.coder, self._all = coder, queries
        self.numbers: Ids = np.empty(0, np.int64)
        self._encoded: QueryBlock | None = None

    def add(self, numbers: Ids) -> None:
        """Answer these queries too."""
        self.numbers = np.union1d(self.numbers, numbers)
        self._encoded = None

    def remove(self, numbers: Ids) -> None:
        """Answer these no longer."""
        self.numbers = np.setdiff1d(self.numbers, numbers)
        self._encoded = None

    def search(self, block: Block, top: TopK, numbers: Ids) -> NDArray[np.int32]:
        """Bring a block into the answers of some of its queries; return what `Kernels.narrow` does, or zeros."""
        looks = np.zeros(len(numbers), np.int32)
        if not len(numbers):
            return looks
        job, coder = self.coder.job, self.coder
        queries, base = self._queries(numbers), coder.base(block)
        everyone = len(numbers) == len(top.ids)
        answers = top if everyone else top.part(numbers)
        rules = bounds.coefficients(queries, base, job.metric, coder.mean)
        second = bounds.second_look(queries, coder.mean)

        def search(span: slice) -> None:
            few = queries.part(span), rules.part(span), job.metric, answers.part(span)
            if coder.rotation is None or job.loops.narrow is None:
                job.loops.search(base, *few)
            else:
                looks[span] = job.loops.narrow(base, *few, second.part(span))

        job.run_queries(search, len(numbers))
        if not everyone:
            top.put(numbers, answers)
        return looks

    def _queries(self, numbers: Ids) -> QueryBlock:
        """Return those queries encoded; all of this side are kept, as block after block asks for them."""
        if len(numbers) < len(self.numbers):
            return self.coder.queries(self._all, numbers)
        if self._encoded is None:
            self._encoded = self.coder.queries(self._all, self.numbers)
        return self._encoded
