"""Score result files as the organizers' evaluation does: ids only, k fixed, a repeated id counts once."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

from goldpan.core.errors import FormatError
from goldpan.core.progress import Progress
from goldpan.core.records import Ids, Metric
from goldpan.formats.atomic import replace_file
from goldpan.formats.results import SisapResult, read_sisap_result
from goldpan.metrics.recall import strict_recall
from goldpan.search.exact import exact_search
from goldpan.stages.sisap.data import Question
from goldpan.stages.sisap.presets import Task

SCORES = "scores"
_SKETCHES = "-sketches.h5"


def score_all(folder: Path, task: Task, question: Question, progress: Progress) -> list[dict[str, Any]]:
    """Score every result below a folder, best first, and write the table as CSV and JSON beside them.

    A self-join has two more recalls, with each row's own number in answers and gold and with it taken from both;
    which of them is `recall`, and decides, the task says. Of 2026 there is `recall_by_script` too: see `_by_script`.

    Returns:
        One record a file. Where a file cannot be read, it has the reason under `problem`.
    """
    least = _least(folder / "bound.json", task, question, progress)
    rows = []
    for path in sorted(folder.rglob("*.h5")):
        if path.name.endswith(_SKETCHES):
            continue
        try:
            result = read_sisap_result(path, queries=question.queries.n)
        except FormatError as error:
            rows.append({"file": str(path.relative_to(folder)), "problem": str(error), "passes": False})
            continue
        rows.append({"file": str(path.relative_to(folder))} | _scored(result, task, question, least))
    rows.sort(key=lambda row: _order(row, task))
    _write(folder, task, rows, least)
    return rows


def _scored(result: SisapResult, task: Task, question: Question, least: float | None) -> dict[str, Any]:
    recalls = {"recall": float(strict_recall(result.ids, question.gold, task.k).mean())}
    if task.self_join:
        recalls["recall_with_self"] = recalls["recall"]
        recalls["recall_without_self"] = recall_without_self(result.ids, question.gold, task.k)
        recalls["recall"] = recalls["recall_with_self" if task.self_counts else "recall_without_self"]
    if task.year == 2026:
        recalls |= _by_script(result.ids, question.gold, task.k)
    total = result.buildtime + result.querytime
    spent = result.buildtime if task.clock == "build" else total
    row: dict[str, Any] = {
        "algo": result.algo,
        "params": result.params,
        "buildtime": result.buildtime,
        "querytime": result.querytime,
        "totaltime": total,
        "qps": len(result.ids) / result.querytime if result.querytime else None,
        **recalls,
    }
    peak = result.extra.get("peakmemory")
    row["in_time"] = spent <= task.hours * 3600
    row["in_memory"] = None if peak is None or task.memory_gib is None else float(peak) <= task.memory_gib << 30
    row["passes"] = (least is None or recalls["recall"] >= least) and row["in_time"] and row["in_memory"] is not False
    return row


def recall_without_self(found: Ids, gold: Ids, k: int) -> float:
    """Return the mean recall of a self-join with each row's own number taken from both sides.

    Where the gold is no deeper than k, its last rank is lost to the row itself, and one neighbor fewer is scored.
    """
    return float(strict_recall(_others(found), _others(gold), min(k, gold.shape[1])).mean())


def _others(ids: Ids) -> Ids:
    """Return the table without each row's own number: what follows moves up, -1 comes last."""
    own = ids == np.arange(len(ids))[:, None]
    order = np.argsort(own, axis=1, kind="stable")
    return np.take_along_axis(np.where(own, -1, ids), order, axis=1)


def _by_script(found: Ids, gold: Ids, k: int) -> dict[str, float]:
    """Return recall as the evaluation script of 2026 has it in its later form, where it accepts the tables.

    It passes over the first column of the gold, the row itself in task 1, in all tasks, and over the first column of
    answers that are one wider than k. In tasks 2 and 3 that takes the nearest neighbor from the gold, so that exact
    answers have (k - 1) / k there.
    """
    if gold.shape[1] < k + 1 or found.shape[1] not in (k, k + 1):
        return {}
    return {"recall_by_script": float(strict_recall(found[:, found.shape[1] - k :], gold[:, 1 : k + 1], k).mean())}


def _least(kept: Path, task: Task, question: Question, progress: Progress) -> float | None:
    """Return the least recall; where it is a share of what exact search in the sketches reaches, search once."""
    if task.recall is None or not task.of_bound:
        return task.recall
    if not kept.is_file():
        found = exact_search(question.base, question.queries, task.k, Metric.HAMMING, progress=progress)
        bound = float(strict_recall(found.neighbors.ids, question.gold, task.k).mean())
        with replace_file(kept) as temporary:
            temporary.write_text(json.dumps({"recall_of_exact_search": bound}) + "\n", encoding="utf-8")
    return task.recall * float(json.loads(kept.read_text(encoding="utf-8"))["recall_of_exact_search"])


def _order(row: dict[str, Any], task: Task) -> tuple[bool, float]:
    """Sort what passes before what does not, then by what the task ranks by."""
    if "problem" in row:
        return True, np.inf
    return not row["passes"], -row["recall"] if task.rank == "recall" else row[task.rank]


def _write(folder: Path, task: Task, rows: list[dict[str, Any]], least: float | None) -> None:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    record = {"year": task.year, "task": task.task, "k": task.k, "rank": task.rank, "least_recall": least}
    with replace_file(folder / f"{SCORES}.csv") as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    with replace_file(folder / f"{SCORES}.json") as temporary:
        temporary.write_text(json.dumps(record | {"results": rows}, indent=2) + "\n", encoding="utf-8")
