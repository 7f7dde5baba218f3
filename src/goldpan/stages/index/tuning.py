"""Tune: choose an index by measuring, and write it as an index folder."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from pydantic import Field

from goldpan import __version__
from goldpan.core.config import Config, runtime_field
from goldpan.core.errors import InputError
from goldpan.core.progress import Progress, Silent
from goldpan.core.records import Metric, Report
from goldpan.formats.atomic import replace_file
from goldpan.formats.index_folder import read_record
from goldpan.formats.vectors import open_vectors
from goldpan.search.tune import Goal, NothingFits, Tuned, tune_index
from goldpan.search.tune.goal import DEFAULT_RECALL, parse_bytes
from goldpan.search.tune.measured import Measured, megabytes
from goldpan.stages.index.folder import write_index_folder
from goldpan.stages.index.source import Source
from goldpan.stages.stage import make_config

TUNING = "tuning.json"


class TuneConfig(Config):
    """Which vectors, what the index must keep to, and where it goes."""

    vectors: str = Field(description="Vectors to index: a file, file.h5:train, or a workspace.")
    output: Path = Field(description="The index folder; it appears whole.")
    encoder: str | None = Field(None, description="Which vectors of a workspace; needed where there are several.")
    queries: str | None = Field(
        None, description="Queries like those that will be asked; some rows of the vectors are held out if unset."
    )
    metric: str | None = Field(
        None, description="ip, cosine, l2, sqeuclidean or hamming; what the vectors name if unset."
    )
    k: int = Field(10, description="Neighbors a query.", ge=1)
    min_recall: float | None = Field(
        None, description="Recall that is to be reached for sure; 0.95, or as much as the latency allows.", gt=0, lt=1
    )
    max_memory: str | None = Field(None, description="What the index may take in memory: 20MB, 1GB, 512MiB.")
    current_memory_available: str | None = Field(
        None, description="What there is in all; no index larger than this is tried either."
    )
    max_latency_ms: float | None = Field(
        None, description="What the 99th percentile of single queries may take, in milliseconds.", gt=0
    )
    index_key: list[str] = Field([], description="Consider only these factory strings of faiss, such as IVF256,SQ8.")
    engines: list[str] = Field([], description="Consider only these engines, such as hnswlib@M=16.")
    seconds: float | None = Field(None, description="Begin nothing that is not expected to end within this.", gt=0)
    confidence: float = Field(0.95, description="How sure the recall is to be.", gt=0, lt=1)
    seed: int = Field(0, description="Seed of samples, of held-out rows and of the engines.", ge=0)
    replace: bool = Field(False, description="Tune anew where another index is.")
    threads: int | None = runtime_field(None, "Threads; the processors by default.", ge=1)

    def goal(self) -> Goal:
        """Return the budget."""
        limits = [parse_bytes(text) for text in (self.max_memory, self.current_memory_available) if text is not None]
        recall = self.min_recall
        if recall is None and self.max_latency_ms is None:
            recall = DEFAULT_RECALL
        return Goal(
            self.k, recall, min(limits, default=None), self.max_latency_ms, self.seconds, confidence=self.confidence
        )


def tune(config: TuneConfig, progress: Progress | None = None) -> Report:
    """Choose the fastest index within a budget of memory, latency and recall, by measuring, and build it.

    Raises:
        InputError: the vectors, the queries or the metric cannot be used, or something else is at the output.
        NothingFits: no index keeps the budget; what was measured is in ``tuning.json`` all the same.
    """
    started = time.perf_counter()
    goal, source = config.goal(), Source(config.vectors, config.encoder)
    metric = source.metric(config.metric)
    _check_output(config)
    queries = open_vectors(config.queries) if config.queries is not None else None
    specs = [f"faiss:{key}" for key in config.index_key] + list(config.engines)
    try:
        tuned = tune_index(
            source.reader,
            queries=None if queries is None else queries.read(0, queries.n),
            metric=metric,
            goal=goal,
            specs=specs or None,
            threads=config.threads,
            seed=config.seed,
            progress=progress or Silent(),
        )
    except NothingFits as error:
        with replace_file(config.output / TUNING) as temporary:
            temporary.write_text(_table(config, metric, error.measurements, None), encoding="utf-8")
        raise NothingFits(f"{error} All measurements: {config.output / TUNING}.", error.measurements) from None
    record = write_index_folder(
        config.output,
        tuned.index,
        source.metadata(0),
        _about(source, tuned, goal),
        beside={TUNING: _table(config, metric, tuned.measurements, tuned)},
    )
    return _report(config.output, record, tuned, time.perf_counter() - started)


def bench_tune(**fields: Any) -> Report:
    """Choose and build an index; the fields are those of `TuneConfig`.

    Example:
        ``bench_tune(vectors="base.fvecs", metric="l2", max_memory="1GB", min_recall=0.95, output="index")``
    """
    return tune(make_config(TuneConfig, fields))


def _check_output(config: TuneConfig) -> None:
    """Refuse to replace anything but the measurements of a tuning that failed, unless told to."""
    path = config.output
    if not path.exists() or (path.is_dir() and {entry.name for entry in path.iterdir()} <= {TUNING}):
        return
    if read_record(path) is None:
        raise InputError(f"{path} is there and is no index; name another output.")
    if not config.replace:
        raise InputError(f"{path} holds an index; name another output, or add --replace.")


def _about(source: Source, tuned: Tuned, goal: Goal) -> dict[str, Any]:
    row = tuned.chosen
    measured = {
        name: round(value, 5)
        for name in ("recall", "recall_lower", "qps", "mean_ms", "p50_ms", "p99_ms")
        if (value := getattr(row, name)) is not None
    }
    return {
        "source": source.address,
        "build_seconds": round(tuned.seconds, 3),
        "memory_bytes": row.bytes,
        "next_row": source.reader.n,
        "parameters": tuned.parameters,
        "dtype": str(source.reader.dtype),
        "measured": {"k": goal.k} | measured,
    }


def _table(config: TuneConfig, metric: Metric, rows: list[Measured], tuned: Tuned | None) -> str:
    """Return what was asked, what was chosen and all that was measured, as JSON."""
    found = {
        "goldpan": __version__,
        "asked": config.model_dump(mode="json", exclude={"output", "replace"}) | {"metric": str(metric)},
        "chosen": None if tuned is None else tuned.index.spec,
        "seconds": None if tuned is None else round(tuned.seconds, 3),
        "candidates": [row.as_dict() for row in rows],
    }
    return json.dumps(found, indent=2, allow_nan=False) + "\n"


def _report(path: Path, record: dict[str, Any], tuned: Tuned, seconds: float) -> Report:
    row = tuned.chosen
    said = [f"recall {row.recall:.4f}", f"{row.qps:,.0f} queries/s", megabytes(row.bytes)]
    if row.recall_lower is not None:
        said[0] += f" (at least {row.recall_lower:.4f})"
    return Report(
        "bench tune",
        rows_in=row.rows,
        rows_out=row.rows,
        seconds=seconds,
        outputs={str(path): ", ".join([record["engine"], *said]), str(path / TUNING): "all that was measured"},
        details={"chosen": row.as_dict() | {"engine": record["engine"]}, "candidates": len(tuned.measurements)},
        next_steps=[f"goldpan index search {path} QUERIES"],
    )
