"""Ground truth: the exact neighbors of every query, read from and written to the layouts of the field.

In memory ids are 0-based rows of the base, -1 where there is no neighbor, best first. `goldpan.formats.truth_layouts`
tells how each format stores them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from goldpan.core.errors import ArrayError, FormatError, InputError, UnknownName
from goldpan.core.records import Floats, Ids, Metric, parse_metric
from goldpan.formats import truth_layouts as layouts
from goldpan.formats.casts import as_float64
from goldpan.formats.hdf5_file import dataset_names, reading_hdf5
from goldpan.formats.protocol import Address, spans
from goldpan.formats.truth_hdf5 import descent
from goldpan.formats.truth_layouts import TruthBlocks, TruthFiles, TruthLayout
from goldpan.formats.truth_record import stored_blocks
from goldpan.formats.vectors import FORMATS, format_name, parse_address

_WRITE_ROWS = 4096
_HDF5 = ("h5", "hdf5")
_BY_NAME = {
    "ivecs": layouts.IVECS_TRUTH,
    "npy": layouts.NPY_TRUTH,
    "parquet": layouts.PARQUET_TRUTH,
    "ibin": layouts.BIGANN_TRUTH,
    "bin": layouts.BIGANN_TRUTH,
}


class Truth(NamedTuple):
    """The neighbors of each query, best first.

    Attributes:
        ids: ``(n_queries, k)`` int64 rows of the base, from 0; -1 where there are fewer than k.
        distances: ``(n_queries, k)`` float64, or None where the file has none. With a metric named, values of that
            metric, as `goldpan.core.records.Neighbors.scores`; without one, what the file holds.
    """

    ids: Ids
    distances: Floats | None


class TruthReader:
    """An open ground-truth file, passed over in blocks.

    Attributes:
        layout: how the file stores it.
        n: number of queries.
        k: neighbors a query.
        has_distances: the file holds distances.
    """

    def __init__(self, address: Address, layout: TruthLayout, files: TruthFiles) -> None:
        self.path = address.path
        self.layout = layout
        self.n = files.ids.n
        self.k = files.ids.dim
        self.has_distances = files.distances is not None
        self._files = files
        if files.ids.dtype.kind not in "iu":
            raise FormatError(self.path, f"it holds {files.ids.dtype} where ids, which are whole, are expected.")

    def ids(self, rows: int | None = None) -> Iterator[Ids]:
        """Yield the ids of all queries, ``(rows, k)`` int64 from 0, in bounded memory.

        Raises:
            FormatError: an id below the first one; the row is named.
        """
        first = 0
        for stored in self._files.ids.blocks(rows):
            ids = stored.astype(np.int64)
            missing = ids == self.layout.missing
            ids -= self.layout.first_id
            wrong = np.flatnonzero(((ids < 0) & ~missing).any(axis=1))
            if wrong.size:
                problem = f"an id is below {self.layout.first_id}, the first one of {self.layout.name}."
                raise FormatError(self.path, problem, row=first + int(wrong[0]))
            ids[missing] = -1
            yield ids
            first += len(ids)

    def distances(self, metric: Metric | None = None, rows: int | None = None) -> Iterator[Floats]:
        """Yield the distances of all queries, ``(rows, k)`` float64: what `metric` says, or what the file holds."""
        plain = metric is None or (metric.is_similarity and self._descends())
        for stored in self._files.distances.blocks(rows) if self._files.distances else ():
            values = as_float64(stored)
            yield values if plain or metric is None else self.layout.from_stored(metric, values)

    def _descends(self) -> bool:
        """Return whether the file holds similarities where its layout has distances, by the order of all its rows."""
        if not self.layout.may_descend or self._files.distances is None:
            return False
        return sum(descent(stored) for stored in self._files.distances.blocks()) > 0


def open_truth(address: str | Path | Address) -> TruthReader:
    """Open a ground-truth file; the layout is told by its suffix, its size and its datasets.

    Args:
        address: a path, in HDF5 with a dataset or group where there are several: ``pubmed.h5:itest``. A path with
            a suffix we do not know (``step4.gt100``, ``GT_10M``) is read as big-ann truth, whose size must fit.

    Raises:
        InputError: no such file.
        UnknownName: a suffix of vectors, such as .fvecs.
        FormatError: the file holds no ground truth, or is damaged.
    """
    where = parse_address(address)
    if not where.path.is_file():
        raise InputError(f"There is no file {where.path}.")
    name = format_name(where.path)
    if name in _HDF5:
        where = _find_hdf5_ids(where)
        layout = _hdf5_layout(where.key or "")
    elif name in FORMATS.builtin and name not in (*_BY_NAME, "folder"):
        raise _no_layout(name, where.path)
    else:
        layout = _BY_NAME.get(name, layouts.BIGANN_TRUTH)
    return TruthReader(where, layout, layout.open(where))


def _find_hdf5_ids(where: Address) -> Address:
    """Return the address of the dataset of ids that an address means."""
    with reading_hdf5(where.path) as file:
        names = dataset_names(file)
    ids_key = layouts.hdf5_ids_key(where.key, names)
    if ids_key is None:
        held = ", ".join(names) or "no tables"
        raise FormatError(where.path, f"no ids under {where.key or 'knns or neighbors'}; it holds {held}.")
    return Address(where.path, ids_key)


def _no_layout(name: str, path: Path) -> UnknownName:
    return UnknownName("layout of ground truth", name, [*_BY_NAME, *_HDF5, "gt100"], f"({path})")


def read_truth(address: str | Path | Address, metric: str | Metric | None = None) -> Truth:
    """Read ground truth whole; see `open_truth`.

    Args:
        address: where it is.
        metric: turn stored distances (squared, or one minus the similarity, as the layout has it) into values of
            this metric.

    Returns:
        Ids from 0, whatever the file counts from, and distances where it has them.
    """
    reader = open_truth(address)
    ids = np.empty((reader.n, reader.k), np.int64)
    _fill(ids, reader.ids())
    if not reader.has_distances:
        return Truth(ids, None)
    distances = np.empty((reader.n, reader.k), np.float64)
    _fill(distances, reader.distances(None if metric is None else parse_metric(metric)))
    return Truth(ids, distances)


def _fill(target: NDArray[Any], blocks: Iterator[NDArray[Any]]) -> None:
    start = 0
    for block in blocks:
        target[start : start + len(block)] = block
        start += len(block)


def write_truth(
    address: str | Path | Address,
    ids: ArrayLike,
    distances: ArrayLike | None = None,
    *,
    metric: str | Metric | None = None,
    columns: Mapping[str, NDArray[Any]] | None = None,
    attributes: Mapping[str, str | int] | None = None,
) -> None:
    """Write ground truth in the layout that the address names.

    Args:
        address: .ivecs, .npy (ids only), .ibin, .bin, .gt100 ... (big-ann), .h5 (SISAP; ``file.h5:neighbors`` for
            the names of ann-benchmarks), .parquet. Other datasets of an HDF5 file stay.
        ids: ``(n_queries, k)`` whole numbers from 0, -1 for a missing neighbor.
        distances: ``(n_queries, k)``, left out where the layout has none.
        metric: what `distances` are values of; they are stored as the layout has them. Without it, as they are.
        columns: more values of each query, ``(n_queries,)`` a name, stored beside the ids in HDF5 alone.
        attributes: what more to say of the ids, in HDF5 alone.

    Raises:
        ArrayError: shapes differ, or an id does not fit.
        UnknownName: the address names no layout of ground truth.
    """
    where, layout = truth_target(address)
    known = None if metric is None else parse_metric(metric)
    blocks = truth_blocks(layout, ids, distances, known)
    layout.write(where, blocks._replace(columns=columns or {}, attributes=attributes or {}))


def truth_blocks(
    layout: TruthLayout, ids: ArrayLike, distances: ArrayLike | None, metric: Metric | None
) -> TruthBlocks:
    """Cut a truth in memory into blocks as a layout stores them; see `write_truth`.

    Raises:
        ArrayError: ids that are no whole numbers in two axes, or distances of another shape.
    """
    rows = np.asarray(ids)
    if rows.ndim != 2 or rows.dtype.kind not in "iu":
        raise ArrayError(f"Ids must be whole and have 2 axes (queries, k), not {rows.dtype} of shape {rows.shape}.")
    values = None if distances is None else np.asarray(distances)
    if values is not None and values.shape != rows.shape:
        raise ArrayError(f"Distances have shape {values.shape}, ids {rows.shape}; they must be the same.")
    id_blocks = (rows[start:stop] for start, stop in spans(len(rows), _WRITE_ROWS))
    distance_blocks = None if values is None else (values[start:stop] for start, stop in spans(len(rows), _WRITE_ROWS))
    return stored_blocks(layout, len(rows), rows.shape[1], id_blocks, distance_blocks, metric)


def copy_truth(reader: TruthReader, address: str | Path | Address, metric: Metric | None, rows: int) -> TruthLayout:
    """Write what a reader holds to an address, `rows` queries in memory at a time; return the layout written."""
    where, layout = truth_target(address)
    distances = reader.distances(metric, rows) if reader.has_distances else None
    layout.write(where, stored_blocks(layout, reader.n, reader.k, reader.ids(rows), distances, metric))
    return layout


def check_meaning(source: TruthReader, target: str | Path | Address) -> None:
    """Look that distances go into a layout that holds the same numbers, where no metric tells how to turn them.

    Raises:
        InputError: the target's layout is another one; the metric is asked for.
    """
    layout = truth_target(target)[1]
    if source.has_distances and layout.distance_dtype is not None and layout is not source.layout:
        raise InputError(
            f"{source.path} does not say what its distances are, and {target} may store others (squared, or one minus "
            "the similarity); add --metric ip, cosine, l2, sqeuclidean or hamming."
        )


def truth_target(address: str | Path | Address) -> tuple[Address, TruthLayout]:
    """Return where ground truth is written, in HDF5 with the name of its ids, and in which layout.

    Raises:
        UnknownName: the suffix names none.
    """
    where = parse_address(address)
    name = format_name(where.path)
    if name in _HDF5:
        ids_key = layouts.hdf5_ids_key(where.key) or "knns"
        return Address(where.path, ids_key), _hdf5_layout(ids_key)
    if name.startswith("gt"):
        return where, layouts.BIGANN_TRUTH
    if name not in _BY_NAME:
        raise _no_layout(name, where.path)
    return where, _BY_NAME[name]


def _hdf5_layout(ids_key: str) -> TruthLayout:
    return layouts.SISAP_TRUTH if ids_key.rpartition("/")[2] == "knns" else layouts.ANN_BENCHMARKS_TRUTH
