"""Truth: compute, prove and write the exact nearest neighbors of every query."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from goldpan.compute.config import executor_of
from goldpan.core.progress import Progress, Silent
from goldpan.core.records import Metric, Neighbors, Report
from goldpan.formats.atomic import replace_file
from goldpan.formats.vectors import open_vectors, parse_address
from goldpan.search.duplicates import find_duplicates
from goldpan.search.exact import ExactResult, exact_search
from goldpan.search.readers import as_reader
from goldpan.stages.stage import make_config
from goldpan.stages.truth.config import TruthConfig, metric_of
from goldpan.stages.truth.holdout import Sides, WithoutRows, sides_of
from goldpan.stages.truth.output import check_inputs_stay, check_output, write_exact
from goldpan.stages.truth.parts import Parts, exact_parts, in_parts, joined, key_of
from goldpan.stages.truth.sidecar import fingerprint, speed
from goldpan.stages.truth.tiles import parts_of, search_tiles

PART_QUERIES = 4096  # enough work a pass over the base to hide the reading of it


def run(config: TruthConfig, progress: Progress | None = None) -> Report:
    """Compute the exact nearest neighbors of every query, prove them, and write them.

    The answers appear whole at the end; a run that was killed goes on after what it finished.

    Raises:
        InputError: a file is missing, the output cannot be written, or k or the metric does not fit.
        ArrayError: base and queries do not go together, or hold NaN or infinite values.
        FormatError: a file is not what its format says.
    """
    started = time.perf_counter()
    where = parse_address(config.base)
    table = open_vectors(where)
    metric = metric_of(config.metric, table.metric, config.base)
    sides = sides_of(config, table)
    check_inputs_stay(config.output, (config.base, config.queries))
    check_output(config.output, table.n - 1)
    found, resumed, parts = _search(config, metric, sides, progress or Silent())
    seconds = time.perf_counter() - started
    pace = speed(len(found.survivors) - resumed, sides.base.n, seconds)
    rows_held = _write_rows_held(config, sides)
    record, outputs = write_exact(config.output, found, metric, _inputs(config, sides), pace)
    parts.remove()
    return Report(
        "truth",
        rows_in=len(found.survivors),
        rows_out=len(found.survivors),
        already_done=resumed,
        seconds=time.perf_counter() - started,
        outputs=outputs | rows_held,
        details=record,
    )


def truth(**fields: Any) -> Report:
    """Compute exact nearest neighbors; the fields are those of `TruthConfig`.

    Example:
        ``goldpan.truth(base="base.fvecs", queries="queries.fvecs", metric="l2", k=100, output="truth.ivecs")``
    """
    return run(make_config(TruthConfig, fields))


def _search(
    config: TruthConfig, metric: Metric, sides: Sides, progress: Progress
) -> tuple[ExactResult, int, Parts[ExactResult]]:
    """Return the answers, how many of them were there already, and where parts of them are kept."""
    if config.executor != "local":
        found, resumed = search_tiles(config, metric, sides, executor_of(config), progress)
        return _in_table(sides, found), resumed, parts_of(config)
    queries = as_reader(sides.queries, "queries")
    parts = exact_parts(
        parse_address(config.output).path, key_of(config.deciding(but={"output"}), (config.base, config.queries))
    )

    def search(only: range) -> ExactResult:
        return exact_search(
            sides.base,
            queries,
            config.k,
            metric,
            only=only,
            workers=config.workers,
            memory_bytes=config.memory_mb << 20,
            progress=progress,
        )

    lists, resumed = in_parts(queries.n, PART_QUERIES, parts, search)
    return _in_table(sides, joined(lists)), resumed, parts


def _in_table(sides: Sides, found: ExactResult) -> ExactResult:
    """Number the neighbors by the rows of the whole table."""
    if not isinstance(sides.base, WithoutRows):
        return found
    neighbors = Neighbors(sides.base.rows(found.neighbors.ids), found.neighbors.scores)
    return replace(found, neighbors=neighbors)


def _inputs(config: TruthConfig, sides: Sides) -> dict[str, Any]:
    """Return what the answers were made from: files, their SHA-256, and rows of the base that repeat."""
    base = fingerprint(parse_address(config.base)) | {"rows": sides.base.n, "dim": sides.base.dim}
    record: dict[str, Any] = {"base": base, "duplicates": find_duplicates(sides.base)._asdict()}
    if sides.query_rows is not None:
        count = len(sides.query_rows)
        return record | {"queries_held_out": {"rows": _rows_held(config).name, "count": count, "seed": config.seed}}
    return record | {"queries_file": fingerprint(parse_address(config.queries or ""))}


def _write_rows_held(config: TruthConfig, sides: Sides) -> dict[str, str]:
    """Write which rows of the base are the queries; return what was written."""
    if sides.query_rows is None:
        return {}
    path = _rows_held(config)
    with replace_file(path) as temporary, temporary.open("wb") as file:
        np.save(file, sides.query_rows, allow_pickle=False)
    return {str(path): "rows of the base that are the queries"}


def _rows_held(config: TruthConfig) -> Path:
    path = parse_address(config.output).path
    return path.with_name(f"{path.name}.query_rows.npy")
