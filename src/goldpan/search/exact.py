"""Exact nearest neighbors with a proof: a bounded low-precision filter, then float64 for what it cannot rule out.

Both sides are read in blocks, so neither base nor queries need fit in memory; after each base block the
answer so far is exact, and its k-th key is the threshold for the next. `goldpan.search.bounds` has the proof.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import ArrayError, InputError
from goldpan.core.machine import processors
from goldpan.core.progress import Progress, Silent
from goldpan.core.records import Floats, Ids, Metric, Neighbors, parse_metric
from goldpan.search import bounds
from goldpan.search.blocks import plan_blocks, read_blocks
from goldpan.search.job import Job, Map
from goldpan.search.kernels import load_kernels
from goldpan.search.passes import pass_over
from goldpan.search.readers import VectorReader, VectorSource, as_reader
from goldpan.search.topk import TopK

DEFAULT_MEMORY_BYTES = 2 << 30
_INLINE_WORK = 1 << 27  # multiplications below which threads cost more than they save


@dataclass(frozen=True, slots=True)
class ExactResult:
    """Proved neighbors, and how sure the k-th rank is.

    Attributes:
        neighbors: ids and scores, in the order of float64 scores, ties by lower id.
        next_scores: ``(n_queries,)`` score of the first row left out, nan where k is the whole base.
        survivors: ``(n_queries,)`` how many rows the filter could not rule out and were scored in float64.
        kernels: name of the kernels that did the work.
        fallbacks: ``(n_queries,)`` for which the first, coarse filter left so much that a finer one was used.
    """

    neighbors: Neighbors
    next_scores: Floats
    survivors: Ids
    kernels: str
    fallbacks: NDArray[np.bool_]

    @property
    def ids(self) -> Ids:
        """The ids of `neighbors`."""
        return self.neighbors.ids

    @property
    def scores(self) -> Floats:
        """The scores of `neighbors`."""
        return self.neighbors.scores

    def __iter__(self) -> Iterator[NDArray[Any]]:
        """Unpack as `neighbors` does: ``ids, scores = exact_search(...)``."""
        return iter(self.neighbors)

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
        >>> exact_search(np.eye(3, dtype=np.float32), np.ones((1, 3), np.float32), k=2).ids
        array([[0, 1]])
    """
    found_metric = parse_metric(metric)
    base, queries = as_reader(base, "base"), as_reader(queries, "queries")
    _check(base, queries, k, found_metric)
    if workers is not None and workers < 1:
        raise InputError(f"workers must be 1 or more, not {workers}.")
    asked = _asked(queries, only)
    loops = load_kernels(kernels)
    length = min(k + 1, base.n)
    plan = plan_blocks(base, queries, length, memory_bytes, np.dtype(loops.code_dtype).itemsize)
    work = base.n * len(asked) * base.dim
    progress = progress or Silent()
    progress.start("exact search", base.n * -(-len(asked) // plan.query_rows))
    top = TopK.empty(len(asked), length)
    workers = (workers or processors()) if loops.threads and work > _INLINE_WORK else 1
    with _threads(workers) as spread:
        name = "base" if queries is base else "queries"
        job = Job(base, plan.base_rows, found_metric, loops, spread, workers, progress, name)
        for part in read_blocks(queries, plan.query_rows, asked):
            first = part.start - asked.start
            pass_over(job, part, top.part(slice(first, first + len(part.rows))))
    progress.finish()
    scores = _scores(top.keys, found_metric)
    following = scores[:, k] if length > k else np.full(len(asked), np.nan)
    return ExactResult(Neighbors(top.ids[:, :k], scores[:, :k]), following, top.survivors, loops.name, top.fallbacks)


@contextmanager
def _threads(workers: int) -> Iterator[Map]:
    """Give a map over threads, or the plain one where there is one worker."""
    if workers == 1:
        yield map
        return
    with ThreadPoolExecutor(workers, "exact-search") as pool:
        yield pool.map


def _check(base: VectorReader, queries: VectorReader, k: int, metric: Metric) -> None:
    if base.dim != queries.dim:
        raise ArrayError(f"queries have {queries.dim} dimensions, but the base has {base.dim}.")
    if not isinstance(k, (int, np.integer)) or not 1 <= k <= base.n:
        raise InputError(f"k must be 1 to {base.n}, the number of base rows, not {k!r}.")
    if base.dim > bounds.MAX_DIM:
        raise ArrayError(f"vectors may have up to {bounds.MAX_DIM} dimensions, not {base.dim}.")
    if metric is Metric.HAMMING and not np.dtype(base.dtype) == np.dtype(queries.dtype) == np.uint8:
        raise ArrayError(f"hamming compares packed bits, uint8, not {base.dtype} and {queries.dtype}.")


def _asked(queries: VectorReader, only: range | None) -> range:
    asked = range(queries.n) if only is None else only
    if not 0 <= asked.start < asked.stop <= queries.n or asked.step != 1:
        raise InputError(f"queries {asked.start} to {asked.stop} were asked for, but there are {queries.n}.")
    return asked


def _scores(keys: Floats, metric: Metric) -> Floats:
    """Turn keys, higher is nearer, into values of the metric."""
    if metric.is_similarity:
        return keys
    distances = 0.0 - keys
    return np.sqrt(distances) if metric is Metric.L2 else distances
