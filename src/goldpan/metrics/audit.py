"""What is wrong with answers before anyone scores them: the mistakes that make a recall mean nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from goldpan.core.errors import ArrayError
from goldpan.core.records import Ids, Metric, parse_metric
from goldpan.metrics.recall import strict_recall

_SHIFT_GAIN = 0.2  # by so much must another reading of the ids raise recall to be the meant one


class Fault(NamedTuple):
    """One mistake.

    Attributes:
        kind: "swapped_columns", "one_based_ids", "out_of_range", "duplicate_ids", "self_hits", "dead_ids", "order".
        rows: how many queries show it.
        first: number of the first of them.
        detail: one sentence.
    """

    kind: str
    rows: int
    first: int
    detail: str


def audit_answers(
    found: ArrayLike,
    n: int,
    *,
    scores: ArrayLike | None = None,
    metric: str | Metric | None = None,
    truth: ArrayLike | None = None,
    query_ids: ArrayLike | None = None,
    live: ArrayLike | None = None,
) -> list[Fault]:
    """Look for the usual mistakes in the answers of an index.

    Swapped columns end the audit: where ids are no ids, nothing else can be said.

    Args:
        found: ``(n_queries, m)`` ids, best first, -1 where there is none.
        n: rows of the base; ids are 0 to n - 1.
        scores: ``(n_queries, m)`` what the index says of them, nan where there is none.
        metric: what `scores` are values of; needed to judge their order.
        truth: ``(n_queries, K)`` true ids; with it ids that count from 1 are found even where none is n.
        query_ids: ``(n_queries,)`` the row of the base that each query is, which is no answer to itself; -1 for none.
        live: ``(n,)`` bool, which rows may be answered now; the others were deleted.

    Returns:
        What was found, nothing where nothing is wrong.

    Raises:
        ArrayError: shapes do not fit.

    Example:
        >>> [fault.kind for fault in audit_answers([[4, 4], [1, 0]], n=5)]
        ['duplicate_ids']
    """
    raw = np.asarray(found)
    if raw.ndim != 2:
        raise ArrayError(f"Answers must have 2 axes (queries, k), not shape {raw.shape}.")
    values = None if scores is None else _same_shape(scores, raw, "Scores")
    swapped = _swapped(raw, values)
    if swapped is not None:
        return [swapped]
    ids = raw.astype(np.int64)
    faults = [*_numbering(ids, n, None if truth is None else np.asarray(truth)), *_repeats(ids)]
    if query_ids is not None:
        own = np.asarray(query_ids)
        if own.shape != (len(ids),):
            raise ArrayError(f"Query ids must be {len(ids)} numbers, one a query, not of shape {own.shape}.")
        faults += _fault("self_hits", (ids == own[:, None]) & (ids >= 0), "answer a query with itself")
    if live is not None:
        faults += _dead(ids, np.asarray(live, bool), n)
    if values is not None and metric is not None:
        faults += _order(ids, values, parse_metric(metric))
    return faults


def _swapped(raw: NDArray[Any], scores: NDArray[Any] | None) -> Fault | None:
    """Tell ids that are not whole: distances in the place of ids, or ids that went through half precision."""
    if raw.dtype.kind in "iu":
        return None
    wrong = ~(np.isfinite(raw) & (raw == np.rint(raw)))
    if not wrong.any():
        return None
    rows = np.flatnonzero(wrong.any(axis=1))
    whole = scores is not None and bool((scores[np.isfinite(scores)] % 1 == 0).all())
    detail = f"{len(rows)} rows of ids hold numbers that are not whole" + (
        ", and all scores are whole: the two are swapped" if whole else "; are these the distances?"
    )
    return Fault("swapped_columns", len(rows), int(rows[0]), detail)


def _numbering(ids: Ids, n: int, truth: NDArray[Any] | None) -> Iterator[Fault]:
    """Look for ids that count from 1, and for ids that are none."""
    given = ids[ids != -1]
    by_range = bool(given.size) and given.max() == n and given.min() >= 1
    by_truth = False
    if truth is not None and ids.size:
        k = min(ids.shape[1], truth.shape[1])
        as_given = strict_recall(ids, truth, k).mean()
        by_truth = strict_recall(np.where(ids > 0, ids - 1, -1), truth, k).mean() > as_given + _SHIFT_GAIN
    if by_range or by_truth:
        last = np.flatnonzero((ids == n).any(axis=1))
        why = "they agree with the truth one lower" if by_truth else f"they run from {given.min()} to {n}, never 0"
        yield Fault("one_based_ids", len(ids), int(last[0]) if len(last) else 0, f"ids count from 1: {why}")
    if not by_range:
        yield from _fault("out_of_range", (ids < -1) | (ids >= n), f"hold ids outside 0..{n - 1}")


def _repeats(ids: Ids) -> list[Fault]:
    ordered = np.sort(ids, axis=1)
    again = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)
    return _fault("duplicate_ids", again, "hold an id twice")


def _dead(ids: Ids, live: NDArray[np.bool_], n: int) -> list[Fault]:
    if live.shape != (n,):
        raise ArrayError(f"Which rows are live must be {n} flags, one a row of the base, not of shape {live.shape}.")
    inside = (ids >= 0) & (ids < n)
    return _fault("dead_ids", inside & ~live[np.where(inside, ids, 0)], "answer with rows that were deleted")


def _order(ids: Ids, scores: NDArray[Any], metric: Metric) -> list[Fault]:
    nearness = scores if metric.is_similarity else -scores
    known = (ids[:, 1:] >= 0) & (ids[:, :-1] >= 0)
    # An index may round its scores; only a step that half precision would show is out of order.
    step = nearness[:, 1:] - nearness[:, :-1]
    size = np.maximum(np.abs(scores[:, 1:]), np.abs(scores[:, :-1]))
    return _fault("order", known & (step > 1e-3 * size), f"are not sorted by {metric}, nearest first")


def _fault(kind: str, wrong: NDArray[np.bool_], problem: str) -> list[Fault]:
    rows = np.flatnonzero(wrong.any(axis=1))
    if not len(rows):
        return []
    return [Fault(kind, len(rows), int(rows[0]), f"{len(rows)} rows {problem}, the first is row {rows[0]}")]


def _same_shape(values: ArrayLike, ids: NDArray[Any], name: str) -> NDArray[Any]:
    array = np.asarray(values, np.float64)
    if array.shape != ids.shape:
        raise ArrayError(f"{name} have shape {array.shape}, ids {ids.shape}; they must be the same.")
    return array
