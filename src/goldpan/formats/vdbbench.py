"""The folders of VectorDBBench: Parquet files of vectors with an `id`, and the exact neighbors as such ids.

::

    train.parquet, or train-00-of-10.parquet ...      id int64, emb list<float>; shuffle_train... : in another order
    test.parquet                                      id, emb
    neighbors.parquet                                 id of the query, neighbors_id list<int64>
    neighbors_head_1p.parquet, neighbors_tail_1p ...  answers among rows with id >= 1 % (99 %) of n
    neighbors_labels_label_50p.parquet                answers among rows whose label is label_50p
    scalar_labels.parquet                             id, labels

Neighbors are ids, not places: in `shuffle_train` the two differ, and a query's answers are told by its id too. Here
both become row numbers. Source: zilliztech/VectorDBBench ``backend/dataset.py`` and ``backend/filter.py``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import FormatError, UnknownName
from goldpan.core.records import Ids, Metric
from goldpan.formats.benchmark_record import Benchmark
from goldpan.formats.joined import JoinedReader
from goldpan.formats.parquet import ParquetReader, open_parquet, read_columns
from goldpan.formats.protocol import Address, VectorReader
from goldpan.formats.truth import Truth, read_truth

_PART = re.compile(r"(shuffle_)?train(?:-(\d+)-of-(\d+))?\.parquet")
_FILTERED = re.compile(r"neighbors_(.+)\.parquet")
_RANGE = re.compile(r"(head|tail)_(\d+(?:\.\d+)?)p")


class _Rows(NamedTuple):
    """Which row each id is."""

    sorted_ids: Ids
    places: Ids


def is_vdbbench(folder: Path) -> bool:
    """Return whether a folder has the three files that every one of these has."""
    there = (folder / "test.parquet").is_file() and (folder / "neighbors.parquet").is_file()
    return there and any(_PART.fullmatch(path.name) for path in folder.glob("*train*.parquet"))


def filters(folder: Path) -> dict[str, Path]:
    """Return the files of filtered answers by the name of their filter, such as `head_1p` or `labels_label_50p`."""
    found = [(_FILTERED.fullmatch(path.name), path) for path in sorted(folder.glob("neighbors_*.parquet"))]
    return {name[1]: path for name, path in found if name}


def read_vdbbench(folder: Path, part: str | None = None, metric: Metric | None = None) -> Benchmark[VectorReader]:
    """Open a folder; vectors are opened, answers are read and become row numbers.

    Args:
        folder: where it is.
        part: name of a filter, see `filters`; its answers are then the truth.
        metric: what "near" means, which no file says.

    Raises:
        UnknownName: no such filter.
        FormatError: parts are missing, an id comes twice, or an answer names an id that no row has.
    """
    parts = train_files(folder)
    base = _joined(folder, parts)
    queries = ParquetReader(Address(folder / "test.parquet"))
    known = filters(folder)
    if part is not None and part not in known:
        raise UnknownName("filter", part, known, f"({folder})")
    path = folder / "neighbors.parquet" if part is None else known[part]
    rows = _rows(folder, base_ids(folder))
    truth = _in_order(path, read_truth(path, metric), queries.path)
    return Benchmark(base, queries, Truth(_places(path, truth.ids, rows), truth.distances), metric)


def _joined(folder: Path, parts: list[Path]) -> VectorReader:
    readers = [ParquetReader(Address(path)) for path in parts]
    return readers[0] if len(readers) == 1 else JoinedReader(folder, readers)


def allowed_rows(folder: Path, only: str) -> NDArray[np.bool_]:
    """Return which rows of the base a filter lets through, ``(n,)``.

    Raises:
        UnknownName: no rule is known for a filter of that name.
        FormatError: labels are missing for a row.
    """
    ids = base_ids(folder)
    span = _RANGE.fullmatch(only)
    if span:  # head_1p leaves out the first 1 %, tail_1p all but the last 1 %
        percent = float(span[2]) if span[1] == "head" else 100 - float(span[2])
        return np.greater_equal(ids, round(len(ids) * percent / 100))
    column, _, label = only.partition("_")
    if not label or not (folder / "scalar_labels.parquet").is_file():
        raise UnknownName("filter", only, filters(folder), f"({folder})")
    return np.equal(_labels(folder, column, ids), label)


def _labels(folder: Path, column: str, ids: Ids) -> NDArray[np.str_]:
    path = folder / "scalar_labels.parquet"
    table = read_columns(path, ["id", column])
    labels = np.array(table.column(column).to_pylist(), str)
    return labels[_places(path, ids[:, None], _rows(path, _id_column(path, "id")))[:, 0]]


def train_files(folder: Path) -> list[Path]:
    """Return the parts of the base in order; those in their own order before shuffled ones.

    Raises:
        FormatError: a part is missing.
    """
    matches = [(name, path) for path in folder.iterdir() if (name := _PART.fullmatch(path.name))]
    for order in (None, "shuffle_"):
        parts = {int(name[2] or 0): path for name, path in matches if name[1] == order}
        counts = {int(name[3] or 1) for name, _ in matches if name[1] == order}
        if parts and (len(counts) > 1 or sorted(parts) != list(range(max(counts)))):
            names = ", ".join(path.name for path in sorted(parts.values()))
            raise FormatError(folder, f"its parts {names} are not all of one set.")
        if parts:
            return [parts[number] for number in sorted(parts)]
    raise FormatError(folder, "it holds no train.parquet.")


def base_ids(folder: Path) -> Ids:
    """Return the ids of the base's rows in their order, ``(n,)`` int64; row numbers where a file has none."""
    done = 0
    ids = []
    for path in train_files(folder):
        part = _id_column(path, "id", done)
        ids.append(part)
        done += len(part)
    return np.concatenate(ids)


def _id_column(path: Path, name: str, first: int = 0) -> Ids:
    file = open_parquet(path)
    if name not in file.schema_arrow.names:
        return np.arange(first, first + file.metadata.num_rows)
    column = read_columns(path, [name]).column(0)
    if column.null_count or np.asarray(column).dtype.kind not in "iu":
        raise FormatError(path, f"the column {name} must hold whole numbers.")
    return np.asarray(column).astype(np.int64)


def _rows(path: Path, ids: Ids) -> _Rows:
    places = np.argsort(ids, kind="stable")
    found = ids[places]
    twice = np.flatnonzero(np.diff(found) == 0)
    if twice.size:
        raise FormatError(path, f"id {found[twice[0]]} comes twice.")
    return _Rows(found, places)


def _places(path: Path, ids: Ids, rows: _Rows) -> Ids:
    """Turn ids into row numbers; -1, a missing neighbor, stays."""
    if not len(rows.sorted_ids):
        raise FormatError(path, "it names ids, and the base has no rows.")
    spots = np.minimum(np.searchsorted(rows.sorted_ids, ids), len(rows.sorted_ids) - 1)
    strange = (rows.sorted_ids[spots] != ids) & (ids != -1)
    if strange.any():
        row = int(np.flatnonzero(strange.any(axis=1))[0])
        raise FormatError(path, f"id {ids[strange][0]} is that of no row.", row=row)
    return np.where(ids == -1, -1, rows.places[spots])


def _in_order(path: Path, truth: Truth, test: Path) -> Truth:
    """Return the answers in the order of the queries, which their ids tell."""
    queries, answered = _id_column(test, "id"), _id_column(path, "id")
    if len(queries) != len(answered):
        raise FormatError(path, f"{len(answered)} answers; {test.name} has {len(queries)} queries.")
    if np.array_equal(queries, answered):
        return truth
    order = _places(path, queries[:, None], _rows(path, answered))[:, 0]
    return Truth(truth.ids[order], None if truth.distances is None else truth.distances[order])
