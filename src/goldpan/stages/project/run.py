"""Project: learn a projection from a base, write base and queries through it, say what recall is left."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from goldpan.core.errors import ArrayError, InputError
from goldpan.core.progress import Progress, Silent
from goldpan.core.records import Ids, Metric, Report
from goldpan.formats.atomic import replace_folder
from goldpan.formats.protocol import Address, VectorReader
from goldpan.formats.truth import read_truth
from goldpan.formats.vectors import open_vectors, parse_address, write_vectors
from goldpan.search.projections.applying import project_blocks, recall_bound
from goldpan.search.projections.loading import load_projection, open_projection, save_projection
from goldpan.search.projections.protocol import Projection
from goldpan.search.readers import as_reader
from goldpan.stages.project.config import ProjectConfig
from goldpan.stages.stage import make_config

_HDF5 = (".h5", ".hdf5")
_USUAL_DEPTHS = (10, 30)


def run(config: ProjectConfig, progress: Progress | None = None) -> Report:
    """Make vectors smaller: PCA, sketches of bits, casts, rotations; and tell what recall search in them can reach.

    Files appear whole at the end; both sides are read in blocks.

    Raises:
        InputError: a file is missing, an output is an input, or the projection does not fit the vectors.
        ArrayError: a row is NaN or infinite, or truth and queries do not go together.
    """
    started = time.perf_counter()
    progress = progress or Silent()
    table = open_vectors(config.base)
    _check_outputs(config)
    truth = _questions(config, table)
    projection = _projection(config, table, progress)
    learned = time.perf_counter() - started
    sides = {config.base: _output(config.output, projection)}
    if config.queries is not None:
        sides[config.queries] = _output(_beside(config.output), projection)
    outputs = {}
    for source, target in sides.items():
        rows = _project(config, projection, source, target, progress)
        outputs[str(target)] = f"{rows:,} x {projection.dim} {projection.dtype}, for {projection.metric}"
    details: dict[str, Any] = {
        "projection": projection.spec,
        "metric": str(projection.metric),
        "bytes_a_row": projection.dim * projection.dtype.itemsize,
        "learn_seconds": round(learned, 3),
        "project_seconds": round(time.perf_counter() - started - learned, 3),
    }
    if truth is not None:
        base, queries = sides.values()
        details |= _recall(config, projection, base, queries, truth, progress)
    return Report(
        "project",
        rows_in=table.n,
        rows_out=table.n,
        seconds=time.perf_counter() - started,
        outputs=outputs,
        details=details,
    )


def project(**fields: Any) -> Report:
    """Project vectors; the fields are those of `ProjectConfig`.

    Example:
        ``goldpan.project(base="base.fvecs", spec="pca:96", output="small.h5")``
    """
    return run(make_config(ProjectConfig, fields))


def _projection(config: ProjectConfig, table: VectorReader, progress: Progress) -> Projection:
    """Load the projection, or learn and keep it."""
    if config.model is not None:
        projection = load_projection(config.model)
        if projection.dim_in != table.dim:
            raise ArrayError(f"{config.model} projects {projection.dim_in} dimensions; {config.base} has {table.dim}.")
        return projection
    assert config.spec is not None  # noqa: S101  the configuration sees to it
    metric = config.metric or table.metric or Metric.IP
    projection = open_projection(config.spec, dim=table.dim, metric=metric, seed=config.seed)
    projection.fit(as_reader(table, "base"), progress)
    if config.save_model is not None:
        with replace_folder(config.save_model) as folder:
            save_projection(projection, folder)
    return projection


def _project(config: ProjectConfig, projection: Projection, source: str, target: Address, progress: Progress) -> int:
    reader = as_reader(open_vectors(source), source)
    blocks = project_blocks(projection, reader, progress, workers=config.workers)
    return write_vectors(target, blocks, dim=projection.dim, dtype=projection.dtype, n=reader.n)


def _questions(config: ProjectConfig, table: VectorReader) -> Ids | None:
    """Look at queries and truth before any work is done; return the truth.

    Raises:
        ArrayError: they do not go together, or not with the base.
    """
    if config.queries is None:
        return None
    queries = open_vectors(config.queries)
    if queries.dim != table.dim:
        raise ArrayError(f"{config.queries} has {queries.dim} dimensions, but {config.base} has {table.dim}.")
    if config.truth is None:
        return None
    truth = read_truth(config.truth).ids
    if len(truth) != queries.n:
        raise ArrayError(f"{config.truth} has {len(truth)} queries, but {config.queries} has {queries.n}.")
    if truth.max(initial=-1) >= table.n:
        raise ArrayError(f"{config.truth} names row {truth.max()}, but {config.base} has {table.n}.")
    if config.k is not None and config.k > truth.shape[1]:
        raise InputError(f"{config.truth} has {truth.shape[1]} neighbors a query; lower -k {config.k}.")
    return truth


def _recall(
    config: ProjectConfig, projection: Projection, base: Address, queries: Address, truth: Ids, progress: Progress
) -> dict[str, float]:
    """Return the mean recall of exact search among the projections, for each depth."""
    small, asked = (as_reader(open_vectors(address), str(address)) for address in (base, queries))
    depths = [k for k in _USUAL_DEPTHS if k <= truth.shape[1]] or [truth.shape[1]]
    return {
        f"recall_bound_at_{k}": round(float(np.mean(recall_bound(projection, small, asked, truth, k, progress))), 4)
        for k in ([config.k] if config.k is not None else depths)
    }


def _output(path: Path, projection: Projection) -> Address:
    """Name the dataset in HDF5 as the SISAP challenges do."""
    where = parse_address(path)
    if where.key is not None or where.path.suffix.lower() not in _HDF5:
        return where
    if projection.metric is Metric.HAMMING:
        return Address(where.path, "hamming")
    return Address(where.path, projection.spec.replace(":", "") if projection.spec.startswith("pca:") else "emb")


def _beside(output: Path) -> Path:
    where = parse_address(output)
    path = where.path.with_name(f"{where.path.stem}-queries{where.path.suffix}")
    return Path(str(Address(path, where.key)))


def _check_outputs(config: ProjectConfig) -> None:
    """Raise InputError where an output is an input, or the folder for the model is in use."""
    given = {parse_address(name).path.resolve() for name in (config.base, config.queries) if name is not None}
    for output in (config.output, _beside(config.output)):
        if parse_address(output).path.resolve() in given:
            raise InputError(f"{output} is read as an input; name another output.")
    if config.save_model is not None and config.save_model.exists():
        raise InputError(f"{config.save_model} is there already; name a new folder for the projection.")
