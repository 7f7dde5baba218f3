"""Results of the SISAP challenges: `knns` (ids from 1) and `dists`, with attributes that changed over the years.

| year | attributes |
|---|---|
| 2023, 2024 | data (clip768v2, pca32v2, ...), size (100K ...), algo, buildtime, querytime, params |
| 2025, 2026 | dataset, task, algo, buildtime, querytime, params |

Tables are ``(n_queries, k)``, as Julia's ``(k, n_queries)`` is to every other reader. The evaluation of 2023 also takes
the attributes as scalar datasets, which is how Julia writes them; that of 2026 passes over a file without `dataset`,
which its page forgets to say. Source: the challenges' ``eval.py`` and example repositories.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import FormatError, InputError
from goldpan.core.records import Floats, Ids, Metric, parse_metric
from goldpan.formats import result_file as parts
from goldpan.formats.atomic import replace_file
from goldpan.formats.hdf5_file import Stored, reading_hdf5
from goldpan.formats.hdf5_write import Hdf5Dataset, write_hdf5
from goldpan.formats.protocol import VectorShape
from goldpan.formats.truth_hdf5 import SISAP_TRUTH, descent

_OLD, _NEW = ("data", "size"), ("dataset", "task")
YEARS = {2023: _OLD, 2024: _OLD, 2025: _NEW, 2026: _NEW}
_COMMON = ("algo", "buildtime", "querytime", "params")
# How deep the files of 2023's evaluation lie below the folder of a task.
_DEPTHS = ("*/*/*.h5", "*/result/*/*/*.h5", "*/result/*/*/*/*.h5")


@dataclass(frozen=True)
class SisapResult:
    """The answers of one index at one setting.

    Attributes:
        algo: the index.
        ids: ``(n_queries, k)`` rows of the base from 0, -1 where fewer were found.
        distances: ``(n_queries, k)``, ascending; see `write_sisap_result`.
        buildtime: seconds, preprocessing included.
        querytime: seconds for all queries.
        params: the setting.
        data: which vectors (2023, 2024): clip768v2, pca32v2, pca96v2, hammingv2.
        size: how many (2023, 2024): 100K, 300K, 10M, 30M, 100M.
        dataset: which vectors (2025, 2026).
        task: task1, task2 ... (2025, 2026).
        extra: further attributes, such as modelingtime.
    """

    algo: str
    ids: Ids
    distances: Floats | None
    buildtime: float
    querytime: float
    params: str
    data: str | None = None
    size: str | None = None
    dataset: str | None = None
    task: str | None = None
    extra: dict[str, parts.Plain] = field(default_factory=dict)


def write_sisap_result(path: str | Path, result: SisapResult, *, year: int, metric: str | Metric | None = None) -> None:
    """Write a result as the evaluation of a year reads it.

    Args:
        path: the file: ``result/<data>/<size>/<name>.h5`` in 2023.
        result: what to write.
        year: of the challenge.
        metric: what ``result.distances`` are values of; similarities are stored as 1 - similarity. Without it they are
            stored as they are.

    Raises:
        InputError: an attribute that the year needs is missing, or a time is below 0.
        ArrayError: shapes that do not agree.
    """
    import h5py

    if year not in YEARS:
        raise InputError(f"There is no format for SISAP {year}; years: {', '.join(map(str, YEARS))}.")
    missing = [name for name in YEARS[year] if getattr(result, name) is None]
    if missing:
        raise InputError(f"A result of SISAP {year} needs {' and '.join(missing)}; its evaluation skips it otherwise.")
    parts.check_finite(buildtime=result.buildtime, querytime=result.querytime)
    ids = parts.stored_ids(result.ids, SISAP_TRUTH.first_id, SISAP_TRUTH.missing)
    tables: dict[str, NDArray[Any]] = {"knns": ids}
    if result.distances is not None:
        values = np.asarray(result.distances, np.float64)
        stored = values if metric is None else SISAP_TRUTH.to_stored(parse_metric(metric), values)
        tables["dists"] = parts.stored_distances(stored, ids)
    attributes = {**result.extra, **{name: getattr(result, name) for name in (*YEARS[year], *_COMMON)}}
    with replace_file(path) as temporary, h5py.File(temporary, "w") as file:
        parts.fill(file, attributes, tables)


def read_sisap_result(
    path: str | Path, *, metric: str | Metric | None = None, queries: int | None = None
) -> SisapResult:
    """Read a result of any year; attributes may be scalar datasets.

    Args:
        path: the file.
        metric: turn stored distances into values of this metric.
        queries: how many there are, if known; then a table that lies on its side is found out.

    Raises:
        FormatError: a table, a time or the name of the data is missing, or another number of queries was answered.
    """
    where = Path(path)
    with reading_hdf5(where) as file:
        ids = parts.read_ids(where, file, "knns", SISAP_TRUTH.first_id, SISAP_TRUTH.missing)
        if queries is not None and len(ids) != queries:
            side = " It lies on its side: write it by rows, one a query." if ids.shape[1] == queries else ""
            raise FormatError(where, f"knns is {ids.shape[0]} x {ids.shape[1]}; there are {queries} queries.{side}")
        distances = parts.read_distances(where, file, "dists", ids)
        if (
            distances is not None
            and metric is not None
            and not (parse_metric(metric).is_similarity and descent(distances) > 0)
        ):
            distances = SISAP_TRUTH.from_stored(parse_metric(metric), distances)
        names = {name: parts.optional_text(file, name) for name in (*_OLD, *_NEW)}
        if names["data"] is None and names["dataset"] is None:
            problem = "it has neither the attribute data (2023, 2024) nor dataset (2025, 2026), so evaluations skip it."
            raise FormatError(where, problem)
        return SisapResult(
            algo=parts.text(where, file, "algo"),
            ids=ids,
            distances=distances,
            buildtime=parts.number(where, file, "buildtime"),
            querytime=parts.number(where, file, "querytime"),
            params=parts.text(where, file, "params"),
            extra=parts.other_attributes(file, {*_OLD, *_NEW, *_COMMON}),
            **names,
        )


def sisap_results(root: str | Path, year: int = 2023) -> list[Path]:
    """Return the result files below a folder of submissions, at the depths the evaluation of a year looks at."""
    depths = _DEPTHS if year == 2023 else ("**/*.h5",)
    return sorted({path for depth in depths for path in Path(root).glob(depth)})


def write_sisap_sketches(path: str | Path, db: NDArray[np.uint8], queries: NDArray[np.uint8]) -> None:
    """Write the sketches of task B of 2023: datasets `db` and `queries` of uint64 words.

    Args:
        path: the file.
        db: ``(n, bytes)`` packed bits of the base, a multiple of 8 bytes a row.
        queries: ``(n_queries, bytes)``.

    Raises:
        InputError: rows that are no whole words, or of different length.
    """
    bits = db.dtype == np.uint8 and queries.dtype == np.uint8
    if not bits or db.ndim != 2 or db.shape[1:] != queries.shape[1:] or db.shape[1] % 8:
        raise InputError(f"Sketches of {db.shape} and {queries.shape}: both need rows of the same 8, 16, ... bytes.")
    sets = {"db": db, "queries": queries}
    datasets = [
        Hdf5Dataset(key, VectorShape(len(v), v.shape[1], v.dtype), [v], Stored.WORDS) for key, v in sets.items()
    ]
    write_hdf5(Path(path), datasets)
