"""The settings of an index that was built in full: chosen on one half of the queries, judged on the other."""

from __future__ import annotations

from goldpan.search.engines.protocol import Index
from goldpan.search.tune.goal import Goal
from goldpan.search.tune.measured import Measured
from goldpan.search.tune.settings import REFINE, Questions, Trial, above, attempt, fastest, latency, rungs


def choose_settings(index: Index, row: Measured, goal: Goal, explore: Questions, judge: Questions) -> None:
    """Find the settings of an index built in full, judge them, and note all that in its row.

    Args:
        index: what was built.
        row: its row of the table.
        goal: the budget.
        explore: queries that choose the settings.
        judge: queries that had no say in them.
    """
    if goal.min_recall is None:
        trial = _most_thorough(index, row, goal, explore)
    else:
        trial, tried = fastest(index, explore, goal.min_recall)
        row.tried = [one.as_dict() for one in tried]
        if trial is None:
            note(row, max(tried, key=lambda one: one.recall))
            best = max(tried, key=lambda one: one.sure)
            row.verdict = f"reaches a recall of {best.recall:.4f}, for sure only {best.sure:.4f}, not {goal.min_recall}"
            return
    if trial is not None:
        _judged(index, row, goal, judge, trial)


def _judged(index: Index, row: Measured, goal: Goal, judge: Questions, trial: Trial) -> None:
    """Step up until the queries that had no say confirm the recall; measure speed there."""
    parameters = trial.parameters
    for parameters in [trial.parameters, *above(index, trial.parameters)]:
        judged = attempt(index, judge, parameters)
        row.recall, row.recall_lower, row.qps = judged.recall, judged.sure, judged.qps
        if goal.min_recall is None or judged.sure >= goal.min_recall:
            break
    row.parameters = parameters
    single = latency(index, judge, parameters)
    row.mean_ms, row.p50_ms, row.p99_ms = single.mean, single.p50, single.p99
    if goal.min_recall is not None and judged.sure < goal.min_recall:
        row.verdict = f"recall {row.recall:.4f}, for sure only {judged.sure:.4f}, not {goal.min_recall}"
    elif goal.max_latency_ms is not None and single.p99 > goal.max_latency_ms:
        row.verdict = f"a query takes {single.p99:.2f} ms (99th percentile), more than {goal.max_latency_ms}"
    else:
        row.verdict = "kept"


def _most_thorough(index: Index, row: Measured, goal: Goal, explore: Questions) -> Trial | None:
    """Return the setting of most recall within the latency."""
    name, values = rungs(index)
    limit, best = goal.max_latency_ms, None
    for value in values:
        parameters = {name: float(value)} if name else {}
        if REFINE in index.traits.ladder:
            parameters[REFINE] = 4.0
        single = latency(index, explore, parameters, singles=100)
        if limit is not None and single.p99 > limit:
            row.verdict = f"a query takes {single.p99:.2f} ms (99th percentile), more than {limit}"
            row.p50_ms, row.p99_ms, row.parameters = single.p50, single.p99, parameters
            break
        trial = attempt(index, explore, parameters)
        row.tried.append(trial.as_dict())
        if best is not None and trial.recall <= best.recall:
            break
        best = trial
    return best


def middle(index: Index, asked: Questions) -> tuple[Trial, list[Trial]]:
    """Try one setting in the middle of the ladder, where no recall was asked for."""
    name, values = rungs(index)
    trial = attempt(index, asked, {name: float(values[len(values) // 2])} if name else {})
    return trial, [trial]


def note(row: Measured, trial: Trial) -> None:
    """Write a trial into a row of the table."""
    row.parameters, row.recall, row.qps = trial.parameters, trial.recall, trial.qps
