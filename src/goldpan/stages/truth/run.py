"""Truth: compute, prove and write the exact nearest neighbors of every query."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from goldpan.core.errors import InputError
from goldpan.core.progress import Progress, Silent
from goldpan.core.records import Metric, Neighbors, Report
from goldpan.formats.atomic import replace_file
from goldpan.formats.protocol import Address
from goldpan.formats.sums import list_files
from goldpan.formats.truth import truth_target, write_truth
from goldpan.formats.truth_layouts import HDF5_PAIRS
from goldpan.formats.vectors import open_vectors, parse_address
from goldpan.search.exact import ExactResult, exact_search
from goldpan.search.readers import as_reader
from goldpan.stages.stage import make_config
from goldpan.stages.truth.config import TruthConfig
from goldpan.stages.truth.holdout import Sides, WithoutRows, hold_out
from goldpan.stages.truth.parts import Parts, joined
from goldpan.stages.truth.sidecar import describe, fingerprint

PART_QUERIES = 4096  # enough work a pass over the base to hide the reading of it


def run(config: TruthConfig, progress: Progress | None = None) -> Report:
    """Compute the exact nearest neighbors of every query, prove them, and write them.

    The answers appear whole at the end; a run that was killed goes on after its last finished range of queries.

    Raises:
        InputError: a file is missing, the output cannot be written, or k or the metric does not fit.
        ArrayError: base and queries do not go together, or hold NaN or infinite values.
        FormatError: a file is not what its format says.
    """
    started = time.perf_counter()
    where = parse_address(config.base)
    table = open_vectors(where)
    metric = config.metric_of(table.metric)
    sides = _sides(config, table)
    _check_inputs_stay(config)
    _check_output(config.output, table.n - 1)
    parts = Parts(parse_address(config.output).path, _key(config))
    found, resumed = _search(config, metric, sides, parts, progress or Silent())
    seconds = time.perf_counter() - started
    write_truth(config.output, found.neighbors.ids, found.neighbors.scores, metric=metric)
    proof = describe(found, metric)
    outputs = _write_beside(config, sides, proof | {"seconds": round(seconds, 3)})
    parts.remove()
    return Report(
        "truth",
        rows_in=len(found.survivors),
        rows_out=len(found.survivors),
        already_done=resumed,
        seconds=time.perf_counter() - started,
        outputs={str(config.output): f"{metric}, k={config.k}, all certified"} | outputs,
        details=proof,
    )


def truth(**fields: Any) -> Report:
    """Compute exact nearest neighbors; the fields are those of `TruthConfig`.

    Example:
        ``goldpan.truth(base="base.fvecs", queries="queries.fvecs", metric="l2", k=100, output="truth.ivecs")``
    """
    return run(make_config(TruthConfig, fields))


def _sides(config: TruthConfig, table: Any) -> Sides:
    if config.hold_out is not None:
        return hold_out(table, config.hold_out, config.seed)
    assert config.queries is not None  # noqa: S101  the configuration sees to it
    return Sides(table, open_vectors(config.queries), None)


def _search(
    config: TruthConfig, metric: Metric, sides: Sides, parts: Parts, progress: Progress
) -> tuple[ExactResult, int]:
    """Search range by range; return the answers, and how many of them were there already."""
    queries = as_reader(sides.queries, "queries")
    found, resumed = [], 0
    for start in range(0, queries.n, PART_QUERIES):
        part = parts.load(start)
        if part is None:
            part = exact_search(
                sides.base,
                queries,
                config.k,
                metric,
                only=range(start, min(queries.n, start + PART_QUERIES)),
                workers=config.workers,
                memory_bytes=config.memory_mb << 20,
                progress=progress,
            )
            if queries.n > PART_QUERIES:
                parts.save(start, part)
        else:
            resumed += len(part.survivors)
        found.append(part)
    return _in_table(sides, joined(found)), resumed


def _in_table(sides: Sides, found: ExactResult) -> ExactResult:
    """Number the neighbors by the rows of the whole table."""
    if not isinstance(sides.base, WithoutRows):
        return found
    neighbors = Neighbors(sides.base.rows(found.neighbors.ids), found.neighbors.scores)
    return ExactResult(neighbors, found.next_scores, found.survivors, found.kernels)


def _check_inputs_stay(config: TruthConfig) -> None:
    """Look that the output is not an input; other datasets of an HDF5 file stay when one is written.

    Raises:
        InputError: the output would take the place of the base or the queries.
    """
    where = parse_address(config.output)
    for address in filter(None, (config.base, config.queries)):
        given = parse_address(address)
        if given.path.resolve() != where.path.resolve():
            continue
        ids_key = truth_target(where)[0].key
        group, slash, last = (ids_key or "").rpartition("/")
        replaced = {ids_key, group + slash + HDF5_PAIRS.get(last, last)}
        if ids_key is None or (given.key or "").strip("/") in replaced:
            raise InputError(f"{config.output} is read as {address}; name another output, such as truth.ivecs.")


def _check_output(output: Path, largest_id: int) -> None:
    """Write and remove a tiny truth beside the output: better to fail now than after the work.

    Raises:
        InputError: the folder cannot be written, the output is one, or no layout has its suffix or holds the ids.
    """
    where = parse_address(output)
    if where.path.is_dir():
        raise InputError(f"{where.path} is a folder; name a file, such as {where.path / 'truth.ivecs'}.")
    truth_target(where)  # names the output, where the probe below would name itself
    probe = Address(where.path.with_name(f".probe-{os.getpid()}{where.path.suffix}"), where.key)
    try:
        write_truth(probe, np.array([[largest_id]]), np.zeros((1, 1)))
    except OSError as error:
        raise InputError(f"{where.path} cannot be written: {error.strerror}.") from error
    finally:
        with contextlib.suppress(OSError):
            probe.path.unlink()


def _key(config: TruthConfig) -> str:
    """Hash what the answers depend on: the settings, and size and time of the files."""
    files = []
    for address in filter(None, (config.base, config.queries)):
        path = parse_address(address).path.resolve()
        for file in [path] if path.is_file() else [path / name for name in list_files(path)]:
            status = file.stat()
            files.append([str(file), status.st_size, status.st_mtime_ns])
    settings = config.model_dump(mode="json", exclude={"memory_mb", "workers", "output"})
    return hashlib.sha256(json.dumps([settings, files]).encode()).hexdigest()[:12]


def _write_beside(config: TruthConfig, sides: Sides, proof: dict[str, Any]) -> dict[str, str]:
    """Write the JSON, and the rows held out; return what was written."""
    path = parse_address(config.output).path
    record = proof | {"base": fingerprint(parse_address(config.base)) | {"rows": sides.base.n, "dim": sides.base.dim}}
    outputs = {}
    if sides.query_rows is not None:
        rows = path.with_name(f"{path.name}.query_rows.npy")
        with replace_file(rows) as temporary, temporary.open("wb") as file:
            np.save(file, sides.query_rows, allow_pickle=False)
        record["queries_held_out"] = {"rows": rows.name, "count": len(sides.query_rows), "seed": config.seed}
        outputs[str(rows)] = "rows of the base that are the queries"
    elif config.queries is not None:
        record["queries_file"] = fingerprint(parse_address(config.queries))
    record["output"] = fingerprint(parse_address(config.output))
    sidecar = path.with_name(f"{path.name}.json")
    with replace_file(sidecar) as temporary:
        temporary.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return outputs | {str(sidecar): "proof, gaps and checksums"}
