"""Plans over groups of rows: clusters that grow and shrink, replaced points, classes that follow each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import ArrayError, InputError
from goldpan.core.records import Ids
from goldpan.search.readers import VectorReader, VectorSource, as_reader
from goldpan.search.runbooks.plan import Plan

_BLOCK_ROWS = 65_536
DIRICHLET = (100.0, 15.0, 10.0, 5.0, 3.0)


def cluster_rows(
    base: VectorSource, clusters: int, *, packed: bool = False, sample: int = 100_000, seed: int = 0
) -> Ids:
    """Return the k-means cluster of every row, ``(n,)``: k-means++ and ten rounds on a sample, one thread.

    Rows are compared by Euclidean distance whatever the metric.

    Args:
        base: the rows.
        clusters: how many.
        packed: the rows are packed bits.
        sample: rows that k-means sees.
        seed: of the sample and of k-means.

    Raises:
        InputError: more clusters than rows.
        ArrayError: a row holds NaN or infinite values.
    """
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    reader = as_reader(base, "base")
    if not 1 <= clusters <= reader.n:
        raise InputError(f"{reader.n} rows cannot be cut into {clusters} clusters.")
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(reader.n, min(sample, reader.n), replace=False))
    spans = [(start, min(reader.n, start + _BLOCK_ROWS)) for start in range(0, reader.n, _BLOCK_ROWS)]
    inside = [chosen[(chosen >= start) & (chosen < stop)] - start for start, stop in spans]
    rows = np.concatenate([_rows(reader, span, packed)[held] for span, held in zip(spans, inside, strict=True)])
    model = KMeans(clusters, init="k-means++", n_init=1, max_iter=10, random_state=seed)
    with threadpool_limits(1):  # sums in one order: same rows, same clusters
        model.fit(rows)
        found = [model.predict(_rows(reader, span, packed)) for span in spans]
    return np.concatenate(found).astype(np.int64)


def _rows(reader: VectorReader, span: tuple[int, int], packed: bool) -> NDArray[np.float32]:
    rows = _wide(reader.read(*span), packed)
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        raise ArrayError(f"base has NaN or infinite values, the first in row {span[0] + int(np.argmin(finite))}.")
    return rows


def plan_clustered(groups: Ids, *, rounds: int = 5, seed: int = 0) -> Plan:
    """Let clusters grow and shrink: each round every cluster inserts a share of itself, then every one deletes.

    The design of `final_runbook` of the NeurIPS 2023 streaming track: shares of the rounds from a Dirichlet
    distribution (100, 15, 10, 5, 3), shuffled for each cluster; a cluster deletes a uniform .5 to .9 of what is live of
    it, oldest first; a search after every operation. Upstream's has no seed, so its very rows cannot be had.

    Args:
        groups: ``(n,)`` cluster of every row.
        rounds: 1 to 5.
        seed: of shares and shuffles.

    Raises:
        InputError: rounds out of range.
    """
    if not 1 <= rounds <= len(DIRICHLET):
        raise InputError(f"a clustered runbook has 1 to {len(DIRICHLET)} rounds, not {rounds}.")
    rng = np.random.default_rng(seed)
    plan, edges = _in_order(groups)
    ends = []
    for start, end in edges:
        shares = rng.permutation(rng.dirichlet(DIRICHLET[:rounds]))
        ends.append(start + np.round(np.cumsum(shares) * (end - start)).astype(int))
    oldest = [start for start, _ in edges]
    for number in range(rounds):
        for cluster, (start, _) in enumerate(edges):
            _then_search(plan, "insert", ends[cluster][number - 1] if number else start, ends[cluster][number])
        for cluster in range(len(edges)):
            gone = oldest[cluster] + round(rng.uniform(0.5, 0.9) * (ends[cluster][number] - oldest[cluster]))
            _then_search(plan, "delete", oldest[cluster], gone)
            oldest[cluster] = gone
    return plan


def plan_replace(groups: Ids, *, source: Literal["same", "random"] = "same", seed: int = 0) -> Plan:
    """Insert a uniform .5 to .9 of every cluster, then let its first tags stand for rows that were not inserted.

    The design of the replace runbooks of big-ann-benchmarks.

    Args:
        groups: ``(n,)`` cluster of every row.
        source: take the new rows from the rest of the same cluster, or of another one, drawn at random.
        seed: of shares and draws.
    """
    rng = np.random.default_rng(seed)
    plan, edges = _in_order(groups)
    ends = [start + round(rng.uniform(0.5, 0.9) * (end - start)) for start, end in edges]
    for (start, _), stop in zip(edges, ends, strict=True):
        _then_search(plan, "insert", start, stop)
    given = np.arange(len(edges)) if source == "same" else rng.permutation(len(edges))
    for cluster, other in enumerate(given.tolist()):
        count = min(edges[other][1] - ends[other], ends[cluster] - edges[cluster][0])
        plan.replace(edges[cluster][0], ends[other], count)
        if count > 0:
            plan.search()
    return plan


def plan_class_drift(
    labels: Sequence[Any] | NDArray[Any],
    *,
    initial: float = 0.7,
    share: float = 0.01,
    consolidate_every: int = 5,
    seed: int | None = None,
) -> Plan:
    """Let classes follow each other: insert the next class in chunks, delete as many of the oldest rows.

    **Our own protocol.** Aguerrebere et al. (arXiv 2402.02044) report a test under distribution shift and publish
    neither the order of classes nor the steps; numbers from this one cannot be compared with theirs.

    Args:
        labels: one a row.
        initial: share of the rows that is live at first, in whole classes up to the one that reaches it.
        share: rows of an insert, as a share of all; an insert ends where its class does.
        consolidate_every: rounds between extra searches, when deletions have been consolidated; 0 for none.
        seed: shuffle the classes; by their size, then name, where None.

    Raises:
        InputError: the first classes are all there is.
    """
    names, groups, counts = np.unique(np.asarray(labels).astype(str), return_inverse=True, return_counts=True)
    ranked = np.lexsort((names, -counts)) if seed is None else np.random.default_rng(seed).permutation(len(names))
    plan, edges = _in_order(np.argsort(ranked)[groups])
    n = len(groups)
    first = next(end for _, end in edges if end >= initial * n)
    if first == n:
        raise InputError(
            f"the {len(names)} classes reach {initial:.0%} of the rows only together; lower --initial, "
            "or take labels of more classes."
        )
    chunk = max(1, round(share * n))
    plan.insert(0, first)
    plan.search()
    chunks = [(at, min(at + chunk, end)) for start, end in edges if start >= first for at in range(start, end, chunk)]
    oldest = 0
    for number, (start, end) in enumerate(chunks, 1):
        _then_search(plan, "insert", start, end)
        _then_search(plan, "delete", oldest, oldest + end - start)
        oldest += end - start
        if consolidate_every and number % consolidate_every == 0:
            plan.search()
    return plan


def _in_order(groups: Ids) -> tuple[Plan, list[tuple[int, int]]]:
    """Return a plan whose rows lie group by group, and the range of each group that has rows."""
    order = np.argsort(groups, kind="stable").astype(np.int64)
    ends = np.cumsum(np.unique(groups, return_counts=True)[1]).tolist()
    return Plan(order=order), list(zip([0, *ends[:-1]], ends, strict=True))


def _then_search(plan: Plan, operation: Literal["insert", "delete"], start: int, end: int) -> None:
    if end > start:
        getattr(plan, operation)(int(start), int(end))
        plan.search()


def _wide(rows: NDArray[Any], packed: bool) -> NDArray[np.float32]:
    return (np.unpackbits(rows, axis=1) if packed else rows).astype(np.float32)
