"""Exact nearest neighbors with a proof: a bounded low-precision filter, then float64 for what it cannot rule out.

Both sides are read in blocks, so neither base nor queries need fit in memory; after each base block the
answer so far is exact, and its k-th key is the threshold for the next. `goldpan.search.bounds` has the proof.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import ArrayError, InputError
from goldpan.core.progress import Progress, Silent
from goldpan.core.records import Floats, Ids, Metric, Neighbors, parse_metric
from goldpan.search import bounds
from goldpan.search.blocks import Block, computable, plan_blocks, read_blocks
from goldpan.search.hamming import as_words
from goldpan.search.kernels import Kernels, load_kernels
from goldpan.search.readers import VectorReader, VectorSource, as_reader, sample_mean
from goldpan.search.topk import TopK

DEFAULT_MEMORY_BYTES = 2 << 30
_INLINE_WORK = 1 << 27  # multiplications below which threads cost more than they save
_PACK_ROWS = 4096
_TASK_QUERIES = 240
_SCORE_ROWS = 16384

Map = Callable[[Callable[[slice], None], Iterable[slice]], Iterable[None]]


@dataclass(frozen=True, slots=True)
class ExactResult:
    """Proved neighbors, and how sure the k-th rank is.

    Attributes:
        neighbors: ids and scores, in the order of float64 scores, ties by lower id.
        next_scores: ``(n_queries,)`` score of the first row left out, nan where k is the whole base.
        survivors: ``(n_queries,)`` how many rows the filter could not rule out and were scored in float64.
        kernels: name of the kernels that did the work.
    """

    neighbors: Neighbors
    next_scores: Floats
    survivors: Ids
    kernels: str

    @property
    def gaps(self) -> Floats:
        """Distance between the k-th score and the first left out, ``(n_queries,)``; nan where there is none."""
        return np.abs(self.neighbors.scores[:, -1] - self.next_scores)

    @property
    def ties(self) -> NDArray[np.bool_]:
        """Which answers end in the middle of a tie, so that the lower id decided what is in, ``(n_queries,)``."""
        return np.equal(self.gaps, 0)


def exact_search(  # noqa: PLR0913  three are positional, the rest has defaults
    base: VectorSource,
    queries: VectorSource,
    k: int,
    metric: str | Metric = Metric.IP,
    *,
    only: range | None = None,
    workers: int | None = None,
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
    kernels: str | None = None,
    progress: Progress | None = None,
) -> ExactResult:
    """Find the k nearest base rows of every query, as float64 brute force would, and prove it.

    Args:
        base: ``(n, d)`` array or reader; float16, float32, float64, int8 or uint8; row numbers are the ids.
        queries: ``(n_queries, d)``, likewise; its dtype may differ from the base's. Hamming takes packed uint8 bits.
        k: 1 to n.
        metric: "ip", "cosine", "l2", "sqeuclidean", "hamming" or an alias. A row of zeros has cosine 0 to all.
        only: numbers of the queries to answer, a range of step 1; all where None.
        workers: threads; the processors of this machine where None.
        memory_bytes: budget for blocks, codes and answers, beside arrays that are given.
        kernels: see `load_kernels`.
        progress: told in base rows.

    Raises:
        ArrayError: shapes or dtypes do not fit, or a value is NaN or infinite.
        InputError: k is out of range, or the metric or the kernels are unknown.

    Example:
        >>> import numpy as np
        >>> exact_search(np.eye(3, dtype=np.float32), np.ones((1, 3), np.float32), k=2).neighbors.ids
        array([[0, 1]])
    """
    found_metric = parse_metric(metric)
    base, queries = as_reader(base, "base"), as_reader(queries, "queries")
    _check(base, queries, k, found_metric)
    asked = _asked(queries, only)
    loops = load_kernels(kernels)
    length = min(k + 1, base.n)
    plan = plan_blocks(base, queries, length, memory_bytes, np.dtype(loops.code_dtype).itemsize)
    work = base.n * len(asked) * base.dim
    progress = progress or Silent()
    progress.start("exact search", base.n * -(-len(asked) // plan.query_rows))
    top = TopK.empty(len(asked), length)
    with _threads(workers if loops.threads and work > _INLINE_WORK else 1) as spread:
        job = _Job(base, plan.base_rows, found_metric, loops, spread, progress)
        for part in read_blocks(queries, plan.query_rows, asked):
            first = part.start - asked.start
            view = top.part(first, first + len(part.rows))
            if found_metric is Metric.HAMMING:
                _search_bits(job, part, view)
            elif len(part.rows) <= loops.few_queries:
                _score_all(job, part, view)
            else:
                _search_vectors(job, part, view)
    progress.finish()
    scores = _scores(top.keys, found_metric)
    following = scores[:, k] if length > k else np.full(len(asked), np.nan)
    return ExactResult(Neighbors(top.ids[:, :k], scores[:, :k]), following, top.survivors, loops.name)


@dataclass(frozen=True, slots=True)
class _Job:
    """What stays the same while blocks pass."""

    base: VectorReader
    block_rows: int
    metric: Metric
    loops: Kernels
    spread: Map
    progress: Progress


def _search_vectors(job: _Job, part: Block, top: TopK) -> None:
    """Bring the whole base into the answers of one block of queries."""
    metric, loops = job.metric, job.loops
    unit = metric is Metric.COSINE
    mean = sample_mean(job.base, unit=unit)
    query_mean = mean if metric in (Metric.L2, Metric.SQEUCLIDEAN) else np.zeros_like(mean)
    how = bounds.Packing(query_mean, unit, _are_whole(part.rows, query_mean), panels=False)
    rows = computable(part.rows)
    queries = bounds.query_block(rows, _encode(job, "queries", Block(part.start, rows), how), metric, mean)
    for block in read_blocks(job.base, job.block_rows, range(job.base.n)):
        how = bounds.Packing(mean, unit, _are_whole(block.rows, mean), panels=True)
        rows = computable(block.rows)
        encoded = _encode(job, "base", Block(block.start, rows), how)
        base = bounds.base_block(rows, block.start, encoded, metric)
        rules = bounds.coefficients(queries, base, metric, mean)

        def search(span: slice, base: bounds.BaseBlock = base, rules: bounds.Coefficients = rules) -> None:
            few, answers = queries.part(span.start, span.stop), top.part(span.start, span.stop)
            loops.search(base, few, rules.part(span), metric, answers)

        _run(job, search, len(part.rows), _TASK_QUERIES)
        job.progress.advance(len(block.rows))


def _score_all(job: _Job, part: Block, top: TopK) -> None:
    """Score every base row for a few queries."""
    queries = computable(part.rows)
    if not np.isfinite(queries).all():
        raise _unusable("queries", part, np.flatnonzero(~np.isfinite(queries).all(axis=1))[0])
    for block in read_blocks(job.base, job.block_rows, range(job.base.n)):
        rows = computable(block.rows)
        found: list[TopK] = []

        def score(span: slice, rows: NDArray[Any] = rows, start: int = block.start, found: list[TopK] = found) -> None:
            best = TopK.empty(len(queries), top.keys.shape[1])
            bad = job.loops.scan(rows[span], start + span.start, queries, job.metric, best)
            if bad is not None:
                raise _unusable("base", Block(start, rows), span.start + bad)
            found.append(best)

        _run(job, score, len(rows), _SCORE_ROWS)
        for best in found:
            owners, columns = np.nonzero(best.ids >= 0)
            top.merge(owners, best.keys[owners, columns], best.ids[owners, columns])
        job.progress.advance(len(rows))
    top.survivors[:] = job.base.n


def _search_bits(job: _Job, part: Block, top: TopK) -> None:
    """Bring the whole base of packed bits into the answers of one block of queries."""
    queries = as_words(part.rows)
    for block in read_blocks(job.base, job.block_rows, range(job.base.n)):
        words = as_words(block.rows)

        def search(span: slice, words: NDArray[np.uint64] = words, first_id: int = block.start) -> None:
            job.loops.hamming(words, first_id, queries[span], top.part(span.start, span.stop))

        _run(job, search, len(queries), _TASK_QUERIES)
        job.progress.advance(len(block.rows))


def _encode(job: _Job, name: str, block: Block, how: bounds.Packing) -> bounds.Packed:
    """Pack a block in parallel.

    Raises:
        ArrayError: a row is not finite, or too large to square in float64.
    """
    n, dim = block.rows.shape
    codes = np.empty((n + -n % bounds.PANEL, dim + dim % 2), job.loops.code_dtype)
    packed = bounds.Packed(codes, np.empty(n), np.empty(n), np.empty(n))

    def pack(span: slice) -> None:
        padded = slice(span.start, span.stop + -span.stop % bounds.PANEL) if how.panels else span
        part = bounds.Packed(packed.codes[padded], *(field[span] for field in packed[1:]))
        job.loops.pack(block.rows[span], part, how)

    _run(job, pack, n, _PACK_ROWS)
    bad = np.flatnonzero(~(packed.norm < bounds.MAX_MAGNITUDE))
    if len(bad):
        raise _unusable(name, block, int(bad[0]))
    return packed


def _unusable(name: str, block: Block, row: int) -> ArrayError:
    finite = np.isfinite(block.rows[row]).all()
    problem = "values beyond 1e72" if finite else "NaN or infinite values"
    return ArrayError(f"{name} has {problem}, the first in row {block.start + row}.")


def _run(job: _Job, task: Callable[[slice], None], n: int, size: int) -> None:
    """Run a task over spans of rows; an error of any is raised."""
    for _ in job.spread(task, [slice(start, min(n, start + size)) for start in range(0, n, size)]):
        pass


@contextmanager
def _threads(workers: int | None) -> Iterator[Map]:
    """Give a map over threads, or the plain one where there is one worker."""
    if workers == 1:
        yield map
        return
    with ThreadPoolExecutor(workers or _processors(), "exact-search") as pool:
        yield pool.map


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _check(base: VectorReader, queries: VectorReader, k: int, metric: Metric) -> None:
    if base.dim != queries.dim:
        raise ArrayError(f"queries have {queries.dim} dimensions, but the base has {base.dim}.")
    if not 1 <= k <= base.n:
        raise InputError(f"k must be 1 to {base.n}, the number of base rows, not {k}.")
    if base.dim > bounds.MAX_DIM:
        raise ArrayError(f"vectors may have up to {bounds.MAX_DIM} dimensions, not {base.dim}.")
    if metric is Metric.HAMMING and not np.dtype(base.dtype) == np.dtype(queries.dtype) == np.uint8:
        raise ArrayError(f"hamming compares packed bits, uint8, not {base.dtype} and {queries.dtype}.")


def _asked(queries: VectorReader, only: range | None) -> range:
    asked = range(queries.n) if only is None else only
    if not 0 <= asked.start < asked.stop <= queries.n or asked.step != 1:
        raise InputError(f"queries {asked.start} to {asked.stop} were asked for, but there are {queries.n}.")
    return asked


def _are_whole(rows: NDArray[Any], mean: Floats) -> bool:
    """Tell whether centered rows are whole numbers, which int16 codes can hold without loss."""
    return rows.dtype.kind in "iu" and bool(np.all(mean == np.rint(mean)))


def _scores(keys: Floats, metric: Metric) -> Floats:
    """Turn keys, higher is nearer, into values of the metric."""
    if metric.is_similarity:
        return keys
    distances = 0.0 - keys
    return np.sqrt(distances) if metric is Metric.L2 else distances
