"""How good the recorded answers of a stream are, step by step, and what is suspicious about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from goldpan.core.records import Ids
from goldpan.formats.runbook import Runbook
from goldpan.formats.truth import Truth
from goldpan.metrics.audit import audit_answers
from goldpan.metrics.recall import strict_recall, tie_aware_recall
from goldpan.stages.stream.gold import Drift, Gold
from goldpan.stages.stream.live import Live

_TIE = 1e-6  # of a stored distance, absolute: the rule of big-ann-benchmarks
_SAME = 0.99  # share of questions with a new truth that may keep their old answer before it is suspicious
_ENOUGH = 10  # such questions, or nothing can be said
_CLOSE = 1e-9

Row = dict[str, Any]


def recall_of(answers: Ids, truth: Truth, k: int) -> Row:
    """Return the mean recall of one search, with credit for ties and without, and where its worst tenth ends."""
    assert truth.distances is not None  # noqa: S101  a truth of a stream has them
    tied = tie_aware_recall(answers, truth.ids, truth.distances, k, tolerance=_TIE)
    strict = strict_recall(answers, truth.ids, k)
    return {
        "recall": float(tied.mean()),
        "recall_strict": float(strict.mean()),
        "recall_p10": float(np.percentile(tied, 10)),
    }


def recall_among(found: Ids, truth: Ids, some: Ids) -> float | None:
    """Return which share of the true neighbors that are among some points was found; None where there is none.

    Args:
        found: ``(n_queries, k)`` tags.
        truth: ``(n_queries, k)`` true tags.
        some: ``(m,)`` tags, such as those that came last.
    """
    wanted = np.isin(truth, some)
    query = np.arange(len(truth))[:, None]
    hits = np.isin(len(truth) * truth + query, len(truth) * found + query)  # one number a pair of query and tag
    return float(hits[wanted].mean()) if wanted.any() else None


def stream_score(recalls: Sequence[float]) -> float:
    """Return big-ann's score: the mean over the search steps, each with the weight of one."""
    return float(np.mean(recalls)) if len(recalls) else float("nan")


def score_searches(
    answers: Mapping[int, Ids], runbook: Runbook, gold: Gold, drift: Mapping[int, Drift], k: int
) -> tuple[dict[int, Row], list[str]]:
    """Score every search that was answered.

    Args:
        answers: of each step that was answered, ``(n_queries, k)`` tags, -1 where there is none.
        runbook: the stream.
        gold: its truth.
        drift: of each search.
        k: how many neighbors count.

    Returns:
        Recall, drift and counts of wrong ids by step, and what the audit says.
    """
    rows: dict[int, Row] = {}
    faults: list[str] = []
    state, pairs, newest = Live(runbook), _Pairs(), np.empty(0, np.int64)
    for number, step in enumerate(runbook.steps, 1):
        change = state.apply(step)
        newest = change.added if len(change.added) else newest
        if number not in answers:
            continue
        found, truth, live = answers[number], gold.at(number), state.row_of >= 0
        inside = (found >= 0) & (found < runbook.rows)
        rows[number] = recall_of(found, truth, k) | {
            "recall_newest": recall_among(found, truth.ids[:, :k], newest),
            "live": int(live.sum()),
            "dead_answers": int((inside & ~live[np.where(inside, found, 0)]).sum()),
            "missing_answers": int((found[:, : min(k, int(live.sum()))] < 0).sum()),
            "drift": drift[number].distance,
            "drift_relative": drift[number].relative,
        }
        seen = audit_answers(found, runbook.rows, truth=truth.ids[:, :k], live=live)
        faults += [f"step {number}: {fault.detail}" for fault in seen]
        faults += pairs.audit(number, found, truth.ids[:, :k])
    return rows, faults


class _Pairs:
    """Looks for answers that stay while the truth moves on: a cache, or updates that are ignored.

    A search is compared with an earlier one since which the truth of enough queries changed.
    """

    def __init__(self) -> None:
        self._last: tuple[int, Ids, Ids] | None = None

    def audit(self, step: int, found: Ids, truth: Ids) -> list[str]:
        """Look at the next search: its answers and its true tags, both ``(n_queries, k)``."""
        now = step, np.sort(found, axis=1), np.sort(truth, axis=1)
        if self._last is None:
            self._last = now
            return []
        first, before, truth_before = self._last
        moved = (truth_before != now[2]).any(axis=1)
        if moved.sum() < _ENOUGH:
            return []
        self._last = now
        share = float((before == now[1]).all(axis=1)[moved].mean())
        if share < _SAME:
            return []
        return [
            f"steps {first} and {step}: {share:.0%} of the {int(moved.sum())} queries whose truth changed have the "
            "same answers; they were cached, or updates are ignored"
        ]


def audit_recalls(recorded: Mapping[int, float], computed: Mapping[int, float]) -> list[str]:
    """Compare recalls that someone recorded with those of the recorded answers.

    Until March 2024 the scorer of big-ann-benchmarks repeated the recall of the first search for all later ones.

    Args:
        recorded: recall by step, as recorded.
        computed: recall by step, as `score_searches` has it.
    """
    steps = sorted(set(recorded) & set(computed))
    wrong = [step for step in steps if abs(recorded[step] - computed[step]) > _CLOSE]
    if not wrong:
        return []
    first = recorded[steps[0]]
    if all(abs(recorded[step] - first) <= _CLOSE for step in steps):
        return [f"the recall of step {steps[0]}, {first:.4f}, is recorded for all {len(steps)} searches: it was cached"]
    listed = ", ".join(f"step {step} {recorded[step]:.4f} for {computed[step]:.4f}" for step in wrong[:5])
    return [f"recorded recalls are not those of the answers: {listed}"]
