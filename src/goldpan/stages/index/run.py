"""Index: build, change and search index folders."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from goldpan.core.errors import InputError
from goldpan.core.progress import Progress, Silent
from goldpan.core.records import Ids, Metric, Neighbors, Report
from goldpan.formats.index_folder import ROW, read_record
from goldpan.formats.truth import write_truth
from goldpan.formats.vectors import open_vectors
from goldpan.search.engines.loading import open_index
from goldpan.search.engines.protocol import Index
from goldpan.stages.index.config import (
    DEFAULT_BINARY,
    DEFAULT_ENGINE,
    IndexAddConfig,
    IndexBuildConfig,
    IndexRemoveConfig,
    IndexSearchConfig,
)
from goldpan.stages.index.folder import IndexFolder, write_index_folder
from goldpan.stages.index.measure import measure
from goldpan.stages.index.source import Source, Watched, read_names
from goldpan.stages.stage import make_config

if TYPE_CHECKING:
    import pyarrow as pa

_ADD_ROWS = 16_384


def build(config: IndexBuildConfig, progress: Progress | None = None) -> Report:
    """Build an index from vectors, with their metadata, into a folder that appears whole.

    Raises:
        InputError: the vectors, the engine or the metric cannot be used, or something else is at the output.
        ArrayError: a row holds NaN or infinity.
    """
    started, progress = time.perf_counter(), progress or Silent()
    source = Source(config.vectors, config.encoder)
    reader, metric = source.reader, source.metric(config.metric)
    about: dict[str, Any] = {"source": source.address, "made_from": _digest(config, source)}
    if _is_done(config, about):
        return Report("index", details={"nothing_to_do": f"{config.output} was built from the same vectors before"})
    engine = config.engine or (DEFAULT_BINARY if metric is Metric.HAMMING else DEFAULT_ENGINE)
    index = open_index(engine, dim=reader.dim, metric=metric, threads=config.threads, seed=config.seed)
    index.build(Watched(reader, progress, "index"))
    progress.finish()
    about |= {"build_seconds": round(time.perf_counter() - started, 3), "memory_bytes": index.memory_bytes()}
    about |= {"next_row": reader.n, "parameters": _parameters(index), "dtype": str(reader.dtype)}
    if config.measure:
        about["measured"] = measure(index, reader, config.measure, config.seed, config.threads)
    record = write_index_folder(config.output, index, source.metadata(0), about)
    return _report(config.output, record, reader.n, started)


def index_build(**fields: Any) -> Report:
    """Build an index folder; the fields are those of `IndexBuildConfig`.

    Example:
        ``goldpan.index_build(vectors="base.fvecs", metric="l2", engine="faiss:IVF256,SQ8", output="index")``
    """
    return build(make_config(IndexBuildConfig, fields))


def add(config: IndexAddConfig, progress: Progress | None = None) -> Report:
    """Add vectors to an index; their rows are numbered on from the last that ever was.

    Raises:
        InputError: the engine takes no more rows, or the vectors do not fit.
        StageError: another command changed the index meanwhile.
    """
    started, progress = time.perf_counter(), progress or Silent()
    folder = IndexFolder(config.index)
    source, index = Source(config.vectors, config.encoder), folder.open(config.threads)
    reader = Watched(source.reader, progress, "index")
    first = folder.record["next_row"]
    for start in range(0, reader.n, _ADD_ROWS):
        stop = min(reader.n, start + _ADD_ROWS)
        index.add(reader.read(start, stop), np.arange(first + start, first + stop))
    progress.finish()
    record = _rewrite(folder, index, _both(folder, source, first), {"next_row": first + reader.n})
    return _report(config.index, record, reader.n, started)


def remove(config: IndexRemoveConfig, progress: Progress | None = None) -> Report:
    """Remove rows from an index, and from its metadata.

    Raises:
        InputError: the engine cannot, or an id is not there.
        StageError: another command changed the index meanwhile.
    """
    started = time.perf_counter()
    folder = IndexFolder(config.index)
    rows, index = _rows_named(folder, read_names(config.ids)), folder.open(config.threads)
    index.remove(rows)
    index.consolidate()
    record = _rewrite(folder, index, _without(folder, rows), {})
    return _report(config.index, record, len(rows), started)


@dataclass(frozen=True, slots=True)
class Found:
    """Answers of an index, with what its metadata says of them.

    Attributes:
        neighbors: rows and scores.
        metadata: of every row found.
        metric: of the scores.
        seconds: of the search alone.
    """

    neighbors: Neighbors
    metadata: dict[int, dict[str, Any]]
    metric: Metric
    seconds: float

    def hits(self, query: int) -> Iterator[dict[str, Any]]:
        """Yield rank, row, score and metadata of each answer to a query."""
        pairs = zip(self.neighbors.ids[query].tolist(), self.neighbors.scores[query].tolist(), strict=True)
        for rank, (row, score) in enumerate(pairs, 1):
            if row >= 0:
                known = {name: value for name, value in self.metadata.get(row, {}).items() if value is not None}
                yield {"rank": rank, ROW: row, "score": score} | known


def search(config: IndexSearchConfig) -> Found:
    """Search an index for every row of a vector file.

    Raises:
        InputError: the queries do not fit, or a parameter is unknown.
        FormatError: the index folder is damaged.
    """
    folder = IndexFolder(config.index)
    index, reader = folder.open(config.threads), open_vectors(config.queries)
    queries = reader.read(0, reader.n)
    started = time.perf_counter()
    found = index.search(queries, config.k, **config.parameters)
    seconds = time.perf_counter() - started
    if config.output is not None:
        write_truth(config.output, found.ids, found.scores, metric=index.metric)
        return Found(found, {}, index.metric, seconds)
    return Found(found, folder.rows_of(np.unique(found.ids[found.ids >= 0])), index.metric, seconds)


def info(path: Path) -> dict[str, Any]:
    """Return the record of an index folder, after its fingerprint was checked."""
    return IndexFolder(path).record


def _digest(config: IndexBuildConfig, source: Source) -> str:
    """Hash what the index depends on."""
    settings = config.deciding(but={"output", "replace", "measure"})
    return hashlib.sha256(json.dumps([settings, source.state()]).encode()).hexdigest()[:16]


def _is_done(config: IndexBuildConfig, about: dict[str, Any]) -> bool:
    """Tell whether this very index is there; refuse to replace anything else without being told to."""
    if not config.output.exists() or (config.output.is_dir() and not any(config.output.iterdir())):
        return False
    there = read_record(config.output)
    if there is None:
        raise InputError(f"{config.output} is there and is no index; name another output.")
    if there.get("made_from") == about["made_from"]:  # rows that came or went have taken it away
        return not config.replace
    if not config.replace:
        raise InputError(f"{config.output} holds another index; name another output, or add --replace.")
    return False


def _parameters(index: Index) -> dict[str, float]:
    """Return what searches use where nothing is set: an option of the spec, else the engine's default."""
    options: dict[str, Any] = getattr(index, "options", {})
    return {name: float(options[name]) for name in index.traits.ladder if name in options}


def _rewrite(
    folder: IndexFolder, index: Index, metadata: Iterator[pa.Table], changes: dict[str, Any]
) -> dict[str, Any]:
    """Write a changed index in the place of what it was; what was measured no longer holds."""
    before = folder.record
    kept = {name: before[name] for name in ("source", "next_row", "parameters", "dtype") if name in before}
    about = kept | changes | {"memory_bytes": index.memory_bytes()}
    return write_index_folder(folder.path, index, metadata, about, unchanged=lambda: read_record(folder.path) == before)


def _both(folder: IndexFolder, source: Source, first: int) -> Iterator[pa.Table]:
    """Yield the metadata that is there and that of new rows, in the columns of the first; missing values are null."""
    import pyarrow as pa

    schema: pa.Schema | None = None
    for table in folder.metadata():
        schema = table.schema
        yield table
    for table in source.metadata(first):
        if schema is None:
            yield table
            continue
        columns = [
            table[field.name].cast(field.type) if field.name in table.column_names else pa.nulls(len(table), field.type)
            for field in schema
        ]
        yield pa.Table.from_arrays(columns, schema=schema)


def _without(folder: IndexFolder, rows: Ids) -> Iterator[pa.Table]:
    import pyarrow as pa
    import pyarrow.compute as pc

    gone = pa.array(rows)
    for table in folder.metadata():
        yield table.filter(pc.invert(pc.is_in(table[ROW], gone)))


def _rows_named(folder: IndexFolder, names: list[str]) -> Ids:
    """Return the rows that the lines of a file name.

    Raises:
        InputError: no row has that id, or a line is no number where rows have no ids.
    """
    known: dict[str, int] = {}
    named = False
    for table in folder.metadata():
        if "id" in table.column_names:
            named = True
            known.update(zip(map(str, table["id"].to_pylist()), table[ROW].to_pylist(), strict=True))
    wrong = next((name for name in names if (name not in known if named else not name.isdecimal())), None)
    if wrong is not None:
        what = "is not the id of a row" if named else "is no row number"
        raise InputError(f"{wrong!r} {what} of {folder.path}.")
    return np.array([known[name] if named else int(name) for name in names], np.int64)


def _report(path: Path, record: dict[str, Any], rows: int, started: float) -> Report:
    return Report(
        "index",
        rows_in=rows,
        rows_out=rows,
        seconds=time.perf_counter() - started,
        outputs={str(path): f"{record['engine']}, {record['metric']}, {record['rows']:,} rows"},
        details={
            name: record[name] for name in ("engine", "metric", "rows", "memory_bytes", "measured") if name in record
        },
        next_steps=[f"goldpan index search {path} QUERIES"],
    )
