"""One pass over the base for a block of queries: the loop, and the ways to take in a block without codes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import ArrayError
from goldpan.core.progress import Progress
from goldpan.core.records import Metric
from goldpan.search.blocks import Block, computable, read_blocks
from goldpan.search.kernels import Kernels
from goldpan.search.readers import VectorReader
from goldpan.search.topk import TopK

_SCORE_ROWS = 16384
_TASK_QUERIES = 192
_GROUP = 13  # queries the widest kernel takes at once

Map = Callable[[Callable[[slice], None], Iterable[slice]], Iterable[None]]


@dataclass(frozen=True, slots=True)
class Job:
    """What stays the same while blocks pass.

    Attributes:
        base: the base.
        block_rows: how many of its rows are taken at once.
        metric: how rows are compared.
        loops: who compares them.
        spread: runs a function over spans of rows, on threads or not.
        workers: how many of them it runs at once.
        progress: told in base rows.
        asked: what messages call the queries, which can be the base itself.
    """

    base: VectorReader
    block_rows: int
    metric: Metric
    loops: Kernels
    spread: Map
    workers: int
    progress: Progress
    asked: str

    def run(self, task: Callable[[slice], None], n: int, size: int) -> None:
        """Run a task over spans of `size` of `n` rows; an error of any is raised."""
        for _ in self.spread(task, [slice(start, min(n, start + size)) for start in range(0, n, size)]):
            pass

    def run_queries(self, task: Callable[[slice], None], n: int) -> None:
        """Run a task over spans of `n` queries, such that all workers finish at about the same time."""
        tasks = -(-n // (_TASK_QUERIES * self.workers)) * self.workers
        self.run(task, n, -(-n // tasks // _GROUP) * _GROUP)


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
    from goldpan.search.filter import Filter

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


def unusable(name: str, block: Block, row: int) -> ArrayError:
    """Say what is wrong with a row."""
    sizes = np.abs(block.rows[row].astype(np.float64))
    problem = "NaN or infinite values"
    if np.isfinite(sizes).all():
        problem = "values beyond 1e72" if sizes.max() > 1 else "values below 1e-72, too small for cosine"
    return ArrayError(f"{name} has {problem}, the first in row {block.start + row}.")
