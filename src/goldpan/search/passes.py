"""One pass over the base for a block of queries: the loop, and the ways to take in a block without codes."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from goldpan.core.records import Metric
from goldpan.search.blocks import Block, computable, read_blocks
from goldpan.search.filter import Filter
from goldpan.search.job import Job, unusable
from goldpan.search.topk import TopK

_SCORE_ROWS = 16384


def pass_over(job: Job, queries: Block, top: TopK) -> None:
    """Bring the whole base into the answers of some queries.

    Raises:
        ArrayError: a row of either side is not finite, or too large to be squared.
        GoldpanError: a score was found outside its proved bounds.
    """
    search = _searcher(job, queries, top)
    for block in read_blocks(job.base, job.block_rows, range(job.base.n)):
        search.take(block)
        job.progress.advance(len(block.rows))
        del block  # before the one after next is read


class _Searcher(Protocol):
    def take(self, block: Block) -> None:
        """Bring a block of the base into the answers; blocks come in the order of their ids."""


def _searcher(job: Job, queries: Block, top: TopK) -> _Searcher:
    if job.metric is Metric.HAMMING:
        return _Bits(job, queries, top)
    # Under cosine only packing sees values too small to square, which float64 alone can hold.
    checked = job.metric is Metric.COSINE and np.float64 in (job.base.dtype, queries.rows.dtype)
    few = len(queries.rows) <= job.loops.few_queries and not checked
    if few:
        return _Scan(job, queries, top)
    return Filter(job, queries, top)


class _Scan:
    """Score every row: for queries too few to be worth codes."""

    def __init__(self, job: Job, queries: Block, top: TopK) -> None:
        self.job, self.top = job, top
        self.queries = computable(queries.rows)
        bad = np.flatnonzero(~np.isfinite(self.queries).all(axis=1))
        if len(bad):
            raise unusable(job.asked, queries, int(bad[0]))

    def take(self, block: Block) -> None:
        """Score a block, some of its rows a task."""
        rows = computable(block.rows)
        found: list[TopK] = []

        def score(span: slice) -> None:
            best = TopK.empty(*self.top.keys.shape)
            bad = self.job.loops.scan(rows[span], block.start + span.start, self.queries, self.job.metric, best)
            if bad is not None:
                raise unusable("base", block, span.start + bad)
            found.append(best)

        self.job.run(score, len(rows), _SCORE_ROWS)
        for best in found:
            owners, columns = np.nonzero(best.ids >= 0)
            self.top.merge(owners, best.keys[owners, columns], best.ids[owners, columns])
        self.top.survivors[:] = block.start + len(rows)


class _Bits:
    """Count differing bits: whole numbers, so nothing has to be proved."""

    def __init__(self, job: Job, queries: Block, top: TopK) -> None:
        self.job, self.top = job, top
        self.queries = _as_words(queries.rows)

    def take(self, block: Block) -> None:
        """Search a block, some queries a task."""
        words = _as_words(block.rows)

        def search(span: slice) -> None:
            answers = self.top.part(span)
            self.job.loops.hamming(words, block.start, self.queries[span], answers)

        self.job.run_queries(search, len(self.queries))


def _as_words(rows: NDArray[Any]) -> NDArray[np.uint64]:
    """View packed bits ``(n, bytes)`` uint8 as ``(n, words)`` uint64; zeros fill the last word."""
    missing = -rows.shape[1] % 8
    padded = np.pad(rows, ((0, 0), (0, missing))) if missing else np.ascontiguousarray(rows)
    return padded.view(np.uint64)
