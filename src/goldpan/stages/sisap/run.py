"""SISAP: a task of the indexing challenges, from data to a table of scores."""

from __future__ import annotations

import time
from typing import Any

from goldpan.core.progress import Progress, Silent
from goldpan.core.records import Report
from goldpan.stages.sisap.answer import answer
from goldpan.stages.sisap.config import SisapConfig
from goldpan.stages.sisap.data import open_question, results_folder
from goldpan.stages.sisap.presets import find_task
from goldpan.stages.sisap.score import SCORES, score_all
from goldpan.stages.stage import make_config


def run(config: SisapConfig, progress: Progress | None = None) -> Report:
    """Run a task of a SISAP challenge (2023 to 2026): index, result files, and scores as its evaluation has them.

    A setting whose result is there is not searched again.

    Raises:
        InputError: no such task, data are missing, or the engine or a setting does not fit.
        FormatError: a file is damaged.
    """
    started = time.perf_counter()
    progress = progress or Silent()
    task = find_task(config.year, config.task)
    question = open_question(config, task, progress)
    written, known = (0, 0)
    if config.engine is not None:
        written, known = answer(config, task, question, progress)
    folder = results_folder(config, task, question)
    rows = score_all(folder, task, question, progress)
    best = next((row for row in rows if row["passes"]), None)
    return Report(
        "bench sisap",
        rows_in=written + known,
        rows_out=written + known,
        already_done=known,
        seconds=time.perf_counter() - started,
        outputs={str(folder / f"{SCORES}.csv"): f"{len(rows)} results scored"},
        details={
            "task": f"{task.year} {task.task}: {task.about}",
            "rows": question.base.n,
            "queries": question.queries.n,
            "k": task.k,
            "best": best,
            "results": rows,
        },
    )


def bench_sisap(**fields: Any) -> Report:
    """Run a task of a SISAP challenge; the fields are those of `SisapConfig`.

    Example:
        ``goldpan.bench_sisap(year=2025, task="1", data="generated", engine="hnswlib", output="results")``
    """
    return run(make_config(SisapConfig, fields))
