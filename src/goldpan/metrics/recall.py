"""How much of the truth was found, one number a query: strictly, with credit for ties, by distance, and by relevance.

Ids are those of the base, -1 where there is none. An id that an answer repeats counts once, and only the first k
answers count, so neither repeating a good id nor answering more than was asked raises any of these numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from goldpan.core.errors import ArrayError, InputError
from goldpan.core.records import Floats, Ids, Metric, parse_metric
from goldpan.metrics.intervals import bootstrap_interval, lower_confidence_bound

__all__ = [
    "average_precision",
    "bootstrap_interval",
    "distance_recall",
    "lower_confidence_bound",
    "ndcg",
    "strict_recall",
    "tie_aware_recall",
]


def strict_recall(found: ArrayLike, truth: ArrayLike, k: int) -> Floats:
    """Return |found[:k] ∩ truth[:k]| / k of every query: the recall of SISAP's `eval.py`.

    Where a truth has fewer than k ids (the others are -1), it is divided by their number; 1 where it has none.

    Args:
        found: ``(n_queries, m)`` ids, best first; fewer than k columns are fewer answers.
        truth: ``(n_queries, K)`` ids, best first, K at least k.
        k: how many count.

    Returns:
        ``(n_queries,)`` float64, 0 to 1.

    Raises:
        ArrayError: other numbers of queries, or no whole numbers.
        InputError: k is below 1, or the truth is not that deep.

    Example:
        >>> strict_recall([[3, 3, 5]], [[5, 3, 8]], k=3).round(3)
        array([0.667])
    """
    answers, true = _check(found, truth, k)
    return _share(answers[:, :k], true[:, :k], true[:, :k])


def tie_aware_recall(
    found: ArrayLike, truth: ArrayLike, truth_scores: ArrayLike, k: int, *, tolerance: float = 1e-6
) -> Floats:
    """Return recall where every id that ties with the k-th true neighbor is as good as it.

    The truth reaches past k while ``|score - score of rank k| <= tolerance``, absolutely, as far as it is given: the
    rule of big-ann-benchmarks (`compute_recall_with_distance_ties`). For the bits of equal scores alone take 0.

    Args:
        found: ``(n_queries, m)`` ids, best first.
        truth: ``(n_queries, K)`` ids, best first.
        truth_scores: ``(n_queries, K)`` their scores, of any metric.
        k: how many count.
        tolerance: how far apart two scores may be and still tie, in units of the score.

    Returns:
        ``(n_queries,)`` float64, 0 to 1; never below `strict_recall`.

    Raises:
        ArrayError: shapes do not fit, or ids are no whole numbers.
        InputError: k is below 1, or the truth is not that deep.
    """
    answers, true = _check(found, truth, k)
    scores = np.asarray(truth_scores, np.float64)
    if scores.shape != true.shape:
        raise ArrayError(f"Scores of the truth have shape {scores.shape}, its ids {true.shape}; they must be the same.")
    tied = np.abs(scores[:, k:] - scores[:, k - 1 : k]) <= tolerance
    counts = np.hstack([np.ones((len(true), k), bool), np.logical_and.accumulate(tied, axis=1)])
    return _share(answers[:, :k], np.where(counts, true, -1), true[:, :k])


def distance_recall(
    found_scores: ArrayLike, truth_scores: ArrayLike, k: int, metric: str | Metric = Metric.L2, *, slack: float = 1e-3
) -> Floats:
    """Return the share of the first k answers no farther than the k-th true neighbor plus `slack`.

    The rule of ann-benchmarks and VIBE (``d <= d_k + 1e-3``). It trusts that no answer is given twice, which
    `goldpan.metrics.audit` checks, and its slack is absolute: of little meaning where distances are small or squared.

    Args:
        found_scores: ``(n_queries, m)`` true scores of what was found, best first; nan where nothing was.
        truth_scores: ``(n_queries, K)`` scores of the true neighbors, best first.
        k: how many count.
        metric: what the scores are values of; for similarities higher is nearer.
        slack: absolute.

    Raises:
        ArrayError: other numbers of queries.
        InputError: k is below 1, or the truth is not that deep.
    """
    given, true = np.asarray(found_scores, np.float64), np.asarray(truth_scores, np.float64)
    _check_shapes(given, true, k)
    sign = -1.0 if parse_metric(metric).is_similarity else 1.0
    near = sign * given[:, :k] <= sign * true[:, k - 1 : k] + slack
    return np.asarray(near.sum(axis=1) / k, np.float64)


def average_precision(
    found_limits: ArrayLike,
    found_ids: ArrayLike,
    found_scores: ArrayLike,
    truth_limits: ArrayLike,
    truth_ids: ArrayLike,
    metric: str | Metric = Metric.L2,
) -> float:
    """Return the average precision of a range search: all pairs (query, id) as one ranking, nearest first.

    Pairs of one score enter together, as in scikit-learn, so their order does not matter. What the truth has and the
    answer lacks counts as never found. big-ann-benchmarks judges its range track so.

    Args:
        found_limits: ``(n_queries + 1,)``; the answers of query i are ``found_ids[limits[i]:limits[i + 1]]``.
        found_ids: ids of all answers.
        found_scores: their scores.
        truth_limits: ``(n_queries + 1,)``, likewise.
        truth_ids: ids of all true results.
        metric: tells whether higher scores are nearer.

    Returns:
        0 to 1; 1 where there is nothing to find and nothing was found.
    """
    found, true = _pairs(found_limits, found_ids), _pairs(truth_limits, truth_ids)
    if len(found_limits) != len(truth_limits):  # type: ignore[arg-type]
        raise ArrayError("The answers and the truth of a range search must have the same number of queries.")
    if not len(true):
        return float(not len(found))
    near = np.asarray(found_scores, np.float64) * (1.0 if parse_metric(metric).is_similarity else -1.0)
    _, first = np.unique(found, axis=0, return_index=True)
    right = np.zeros(len(found), bool)
    wanted = {tuple(pair) for pair in true.tolist()}
    right[first] = [tuple(pair) in wanted for pair in found[first].tolist()]
    order = np.argsort(-near, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(near[order]) != 0, True)) if len(order) else np.empty(0, np.int64)
    hits = np.cumsum(right[order])[ends]
    return float((np.diff(hits, prepend=0) * hits / (ends + 1)).sum() / len(wanted))


def ndcg(found: ArrayLike, relevance: Sequence[Mapping[int, float]], k: int = 10) -> Floats:
    """Return the normalized discounted cumulative gain of every query, by judged relevance (qrels), not by distance.

    Gains are linear and rank r is discounted by log2(r + 1), as trec_eval and BEIR have it. 0 where nothing is
    relevant to a query.

    Args:
        found: ``(n_queries, m)`` ids, best first.
        relevance: for every query the gain of each judged id; others have none.
        k: how many answers count.
    """
    answers = _ids(found, "Answers")
    if len(answers) != len(relevance):
        raise ArrayError(f"There are answers to {len(answers)} queries, but judgements of {len(relevance)}.")
    discounts = 1 / np.log2(np.arange(2, k + 2))
    values = np.zeros(len(answers))
    for row, (ids, gains) in enumerate(zip(_once(answers[:, :k]).tolist(), relevance, strict=True)):
        best = np.sort([gain for gain in gains.values() if gain > 0])[::-1][:k]
        if len(best):
            reached = np.array([gains.get(number, 0.0) for number in ids])
            values[row] = (reached @ discounts[: len(ids)]) / (best @ discounts[: len(best)])
    return values


def _share(answers: Ids, accepted: Ids, expected: Ids) -> Floats:
    """Return how many distinct answers are accepted, over how many were expected, at most 1."""
    both = np.sort(np.hstack([_once(answers), _once(accepted)]), axis=1)
    hits = ((both[:, 1:] == both[:, :-1]) & (both[:, 1:] >= 0)).sum(axis=1)
    wanted = (expected >= 0).sum(axis=1)
    return np.where(wanted == 0, 1.0, np.minimum(1.0, hits / np.maximum(wanted, 1)))


def _once(ids: Ids) -> Ids:
    """Return the rows with every id but its first occurrence replaced by -1."""
    order = np.argsort(ids, axis=1, kind="stable")
    ordered = np.take_along_axis(ids, order, axis=1)
    again = np.zeros(ids.shape, bool)
    np.put_along_axis(again, order[:, 1:], ordered[:, 1:] == ordered[:, :-1], axis=1)
    return np.where(again, -1, ids)


def _check(found: ArrayLike, truth: ArrayLike, k: int) -> tuple[Ids, Ids]:
    answers, true = _ids(found, "Answers"), _ids(truth, "True neighbors")
    _check_shapes(answers, true, k)
    return answers, true


def _check_shapes(found: NDArray[Any], truth: NDArray[Any], k: int) -> None:
    if found.ndim != 2 or truth.ndim != 2 or len(found) != len(truth):
        raise ArrayError(f"Answers and truth must both be (queries, k), not {found.shape} and {truth.shape}.")
    if not 1 <= k <= truth.shape[1]:
        raise InputError(f"k must be 1 to {truth.shape[1]}, the depth of the truth, not {k}.")


def _ids(values: ArrayLike, name: str) -> Ids:
    ids = np.asarray(values)
    if ids.ndim != 2 or ids.dtype.kind not in "iu":
        raise ArrayError(f"{name} must be whole numbers in 2 axes (queries, k), not {ids.dtype} of shape {ids.shape}.")
    return ids.astype(np.int64, copy=False)


def _pairs(limits: ArrayLike, ids: ArrayLike) -> Ids:
    bounds, flat = np.asarray(limits, np.int64), np.asarray(ids, np.int64)
    if bounds.ndim != 1 or not len(bounds) or bounds[0] != 0 or bounds[-1] != len(flat) or (np.diff(bounds) < 0).any():
        raise ArrayError(f"Limits must rise from 0 to {len(flat)}, the number of ids, one more than queries.")
    return np.column_stack([np.repeat(np.arange(len(bounds) - 1), np.diff(bounds)), flat])
