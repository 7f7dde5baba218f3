"""Rows of metadata by their numbers, without reading the others: Parquet, Arrow and the HDF5 of clip-retrieval.

A folder's files follow by name, letter by letter, and their rows are numbered through, as clip-retrieval and
embedding-reader do it, whose indexes are of vectors in that order: ``metadata_10`` comes before ``metadata_2``.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from goldpan.core.errors import FormatError, InputError
from goldpan.core.records import Ids

_KEPT_BYTES = 256 << 20  # of decoded Parquet
_HDF5_GROUP = "dataset"


class RowStore(Protocol):
    """Rows by number.

    Attributes:
        n: how many there are.
        columns: their names.
    """

    n: int
    columns: tuple[str, ...]

    def rows(self, numbers: Ids, columns: Sequence[str]) -> list[dict[str, Any]]:
        """Return some columns of some rows, in the order asked for; may be called from many threads."""
        ...


def open_rows(path: Path) -> RowStore:
    """Open the metadata at a path: a file, or a folder of files of one kind.

    Raises:
        InputError: there are none.
        FormatError: they are not what their names say.
    """
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    for suffixes, kind in (
        ((".parquet",), ParquetRows),
        ((".arrow", ".feather"), ArrowRows),
        ((".hdf5", ".h5"), Hdf5Rows),
    ):
        chosen = [file for file in files if file.suffix.lower() in suffixes]
        if chosen:
            store: RowStore = kind(chosen)
            return store
    raise InputError(f"{path} holds no metadata; they end in .parquet, .arrow or .hdf5.")


class _Pieces:
    """Rows that lie in pieces one behind the other."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self._ends = np.array([0, *accumulate(sizes)])
        self.n = int(self._ends[-1])

    def gather(
        self, numbers: Ids, columns: Sequence[str], read: Callable[[int, Ids, str], list[Any]]
    ) -> list[dict[str, Any]]:
        """Return rows by number; `read` gives the values of one column in some rows of one piece."""
        if len(numbers) and not (numbers.min() >= 0 and numbers.max() < self.n):
            raise InputError(f"Rows are numbered from 0 to {self.n - 1}, not {numbers.min()} to {numbers.max()}.")
        found: list[dict[str, Any]] = [{} for _ in numbers]
        pieces = np.searchsorted(self._ends, numbers, side="right") - 1
        for piece in np.unique(pieces):
            wanted = np.flatnonzero(pieces == piece)
            rows = numbers[wanted] - self._ends[piece]
            for name in columns:
                for place, value in zip(wanted.tolist(), read(int(piece), rows, name), strict=True):
                    found[place][name] = value
        return found


class ArrowRows:
    """Arrow IPC files, mapped: nothing is read that is not asked for."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._batches: list[pa.RecordBatch] = []
        for path in files:
            try:
                source = pa.memory_map(str(path))
                self._batches += pa.ipc.open_file(source).read_all().to_batches()
            except pa.ArrowInvalid as error:
                raise FormatError(path, f"no Arrow file: {error}") from error
        self._pieces = _Pieces([len(batch) for batch in self._batches])
        self.n = self._pieces.n
        self.columns = _all_names(batch.schema for batch in self._batches)

    def rows(self, numbers: Ids, columns: Sequence[str]) -> list[dict[str, Any]]:
        """See `RowStore`."""
        return self._pieces.gather(numbers, columns, self._read)

    def _read(self, piece: int, rows: Ids, name: str) -> list[Any]:
        batch = self._batches[piece]
        if name not in batch.schema.names:
            return [None] * len(rows)
        values: list[Any] = batch.column(name).take(pa.array(rows)).to_pylist()
        return values


class ParquetRows:
    """Parquet files; row groups that were decoded stay for a while."""

    def __init__(self, files: Sequence[Path]) -> None:
        import pyarrow.parquet as pq

        self._groups: list[tuple[Path, int]] = []
        sizes: list[int] = []
        schemas: list[pa.Schema] = []
        for path in files:
            try:
                about = pq.read_metadata(path)
            except (pa.ArrowInvalid, OSError) as error:
                raise FormatError(path, f"no Parquet: {error}") from error
            self._groups += [(path, group) for group in range(about.num_row_groups)]
            sizes += [about.row_group(group).num_rows for group in range(about.num_row_groups)]
            schemas.append(about.schema.to_arrow_schema())
        self.columns = _all_names(schemas)
        self._pieces = _Pieces(sizes)
        self.n = self._pieces.n
        self._kept: OrderedDict[tuple[int, str], pa.ChunkedArray] = OrderedDict()
        self._lock = Lock()

    def rows(self, numbers: Ids, columns: Sequence[str]) -> list[dict[str, Any]]:
        """See `RowStore`."""
        return self._pieces.gather(numbers, columns, self._read)

    def _read(self, piece: int, rows: Ids, name: str) -> list[Any]:
        values: list[Any] = self._column(piece, name).take(pa.array(rows)).to_pylist()
        return values

    def _column(self, piece: int, name: str) -> pa.ChunkedArray:
        import pyarrow.parquet as pq

        with self._lock:
            if (piece, name) in self._kept:
                self._kept.move_to_end((piece, name))
                return self._kept[piece, name]
        path, group = self._groups[piece]
        with pq.ParquetFile(path) as file:
            table = file.read_row_group(group, [name])
        column = table.column(0) if table.num_columns else pa.chunked_array([pa.nulls(table.num_rows)])
        with self._lock:
            self._kept[piece, name] = column
            while len(self._kept) > 1 and sum(each.nbytes for each in self._kept.values()) > _KEPT_BYTES:
                self._kept.popitem(last=False)
        return column


class Hdf5Rows:
    """The HDF5 file of clip-retrieval: a group ``dataset`` with an array a column, texts as bytes that end in zeros."""

    def __init__(self, files: Sequence[Path]) -> None:
        import h5py

        if len(files) > 1:
            raise InputError(f"{files[0].parent} holds {len(files)} HDF5 files; clip-retrieval has one, name it.")
        try:
            self._file = h5py.File(files[0], "r")
            self._group = self._file[_HDF5_GROUP]
        except (OSError, KeyError) as error:
            raise FormatError(files[0], f"no HDF5 with a group {_HDF5_GROUP!r} ({error}).") from error
        self.columns = tuple(self._group)
        self.n = min((len(self._group[name]) for name in self.columns), default=0)
        self._pieces = _Pieces([self.n])
        self._lock = Lock()  # of h5py, which has one file position a file

    def rows(self, numbers: Ids, columns: Sequence[str]) -> list[dict[str, Any]]:
        """See `RowStore`."""
        return self._pieces.gather(numbers, columns, self._read)

    def _read(self, _: int, rows: Ids, name: str) -> list[Any]:
        order, back = np.unique(rows, return_inverse=True)  # h5py takes ascending numbers only
        with self._lock:
            values = [_plain(value) for value in self._group[name][order]]
        return [values[at] for at in back.tolist()]


def _all_names(schemas: Iterable[pa.Schema]) -> tuple[str, ...]:
    """Return the columns of all pieces; where one lacks a column, its rows have None."""
    return tuple(dict.fromkeys(name for schema in schemas for name in schema.names))


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").rstrip("\0")
    return value.item() if isinstance(value, np.generic) else value
