"""One engine of a stream: played unless its results are there, then scored from what it wrote."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from goldpan.core.errors import FormatError, InputError
from goldpan.core.progress import Progress
from goldpan.core.records import Ids, Metric
from goldpan.formats.atomic import replace_folder
from goldpan.formats.results_streaming import (
    StreamingResult,
    read_streaming_result,
    streaming_result_path,
    write_streaming_result,
)
from goldpan.formats.runbook import Runbook
from goldpan.search.engines.spec import parse_spec
from goldpan.stages.stream.config import StreamConfig
from goldpan.stages.stream.gold import Drift, Gold
from goldpan.stages.stream.launch import launch
from goldpan.stages.stream.play import ROWS, Row
from goldpan.stages.stream.record import read_record
from goldpan.stages.stream.score import score_searches
from goldpan.stages.stream.summary import summarize

RESULT = "result.json"
_DISTANCES = {Metric.L2: "euclidean", Metric.COSINE: "angular"}  # big-ann's words
# What a finished run does not depend on: where files lie (`stream` stands for what is in them), limits it kept.
NOT_PLAYED = {
    *(
        "engine",
        "answers",
        "output",
        "runbook",
        "dataset",
        "queries",
        "metric",
        "size",
        "order",
        "truth",
        "truth_k",
        "entry",
    ),
    *("rebuild", "time_limit", "memory_limit_mb"),
}


def slug(engine: str) -> str:
    """Return an engine's spec as the name of a folder."""
    return re.sub(r"[^A-Za-z0-9.=_]+", "-", engine).strip("-")


def run_key(config: StreamConfig, engine: str, rebuilt: bool, stream: str) -> str:
    """Hash what the results of an engine depend on; `stream` stands for runbook and vectors."""
    settings = config.model_dump(mode="json", exclude=NOT_PLAYED)
    return hashlib.sha256(json.dumps([settings, engine, rebuilt, stream], sort_keys=True).encode()).hexdigest()[:16]


def read_done(folder: Path, key: str) -> dict[str, Any] | None:
    """Return the results in an engine's folder, if they are complete and of this key."""
    found = read_record(folder / RESULT)
    return found if found and found.get("key") == key and found.get("status") == "done" else None


def play_engine(
    folder: Path, config: StreamConfig, engine: str, runbook: Runbook, key: str, progress: Progress
) -> dict[str, Any]:
    """Play an engine; its folder appears whole, with rows and answers, however it ended.

    Returns:
        ``engine``, ``key``, ``status``, ``error``, ``rows`` not yet scored ...
    """
    for left in folder.parent.glob(f".{folder.name}.*.tmp"):  # of a run that was killed
        shutil.rmtree(left)
    progress.start(engine, len(runbook.steps))
    with replace_folder(folder) as work:
        result = {"engine": engine, "key": key, "error": None} | launch(work, config, engine, runbook.dataset, progress)
        lines = (work / ROWS).read_text("utf-8").splitlines() if (work / ROWS).is_file() else []
        result["rows"] = [json.loads(line) for line in lines]
        (work / RESULT).write_text(json.dumps(result), "utf-8")
    progress.finish()
    return result


def score_engine(
    result: dict[str, Any], answers: dict[int, Ids], runbook: Runbook, gold: Gold, drift: Mapping[int, Drift], k: int
) -> dict[str, Any]:
    """Return the results of an engine with recall in its rows, a summary, and what the audit says."""
    scored, faults = score_searches(answers, runbook, gold, drift, k)
    rows: list[Row] = [
        row | scored.get(row["step"], {}) if row["operation"] == "search" else row for row in result["rows"]
    ]
    for row in rows:
        if row.get("still_found"):
            faults.append(
                f"step {row['step']}: {row['still_found']} answers right after the delete name deleted points"
            )
    return result | {"summary": summarize(rows, len(runbook.search_steps)), "faults": faults, "rows": rows}


def read_recorded(path: Path, runbook: Runbook, queries: int, k: int) -> tuple[dict[str, Any], dict[int, Ids]]:
    """Return recorded answers as the results of an engine that was not played here, and the answers.

    Raises:
        InputError: there are fewer than k answers a query.
        FormatError: the file is damaged, or belongs to another runbook or other queries.
    """
    if not path.is_file():
        raise InputError(f"There is no file {path}.")
    found = read_streaming_result(path)
    if tuple(sorted(found.steps)) != runbook.search_steps:
        raise FormatError(
            path, f"it answers {len(found.steps)} searches, not the {len(runbook.search_steps)} of this runbook."
        )
    rows, width = found.steps[runbook.search_steps[0]].shape
    if rows != queries:
        raise FormatError(path, f"it answers {rows} queries; there are {queries}.")
    if width < k:
        raise InputError(f"{path} holds {width} answers a query; ask for --k {width} at most.")
    times = found.search_times or [None] * len(found.steps)
    searches: list[Row] = [
        {
            "step": step,
            "operation": "search",
            "rows": rows,
            "seconds": taken,
            "per_second": rows / taken if taken else None,
        }
        for step, taken in zip(sorted(found.steps), times, strict=True)
    ]
    name = f"{found.algo or 'recorded'}: {found.name or path.stem}"
    result = {"engine": str(path), "name": name, "key": None, "status": "done", "error": None, "rows": searches}
    return result, {step: ids[:, :k] for step, ids in found.steps.items()}


def write_bigann(
    config: StreamConfig, result: dict[str, Any], answers: dict[int, Ids], runbook: Runbook, metric: Metric
) -> Path | None:
    """Write the answers as big-ann's streaming track keeps them; return the file, None where nothing was answered."""
    if not answers:
        return None
    spec = parse_spec(result["engine"])
    arguments = [spec.name, *(f"{name}={value}" for name, value in spec.options.items())]
    path = streaming_result_path(config.output, config.runbook, runbook.dataset, config.k, spec.kind, arguments)
    searches = [row for row in result["rows"] if row["operation"] == "search"]
    write_streaming_result(
        path,
        StreamingResult(
            algo=spec.kind,
            name=result["engine"],
            dataset=runbook.dataset,
            distance=_DISTANCES.get(metric, str(metric)),
            steps=answers,
            build_time=next((row["seconds"] for row in result["rows"] if row.get("built")), None),
            index_size=searches[-1]["index_mb"] * 1024,
            search_times=tuple(row["seconds"] for row in searches),
        ),
    )
    return path


def read_answers(folder: Path, rows: list[Row]) -> dict[int, Ids]:
    """Return the answers of every search that an engine finished."""
    steps = [row["step"] for row in rows if row["operation"] == "search"]
    return {step: np.load(folder / f"step{step}.npy", allow_pickle=False) for step in steps}
