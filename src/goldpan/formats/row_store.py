"""Rows of metadata by their numbers, without reading the others: Parquet, Arrow and the HDF5 of clip-retrieval.

A folder's files follow by name, numbers in it by value, and their rows are numbered through.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Sequence
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
    files = sorted(path.iterdir(), key=_by_number) if path.is_dir() else [path]
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


def _by_number(path: Path) -> list[Any]:
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", path.name)]


class _Pieces:
    """Rows that lie in pieces one behind the other."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self._ends = np.array([0, *accumulate(sizes)])
        self.n = int(self._ends[-1])

    def gather(self, numbers: Ids, read: Any) -> list[dict[str, Any]]:
        """Return rows by number; `read` gives those of one piece."""
        if len(numbers) and not (numbers.min() >= 0 and numbers.max() < self.n):
            raise InputError(f"Rows are numbered from 0 to {self.n - 1}, not {numbers.min()} to {numbers.max()}.")
        found: list[dict[str, Any]] = [{} for _ in numbers]
        pieces = np.searchsorted(self._ends, numbers, side="right") - 1
        for piece in np.unique(pieces):
            wanted = np.flatnonzero(pieces == piece)
            rows = read(int(piece), numbers[wanted] - self._ends[piece])
            for place, row in zip(wanted.tolist(), rows, strict=True):
                found[place] = row
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
        self.columns = tuple(self._batches[0].schema.names) if self._batches else ()

    def rows(self, numbers: Ids, columns: Sequence[str]) -> list[dict[str, Any]]:
        """See `RowStore`."""

        def read(piece: int, rows: Ids) -> list[dict[str, Any]]:
            taken: list[dict[str, Any]] = self._batches[piece].select(list(columns)).take(pa.array(rows)).to_pylist()
            return taken

        return self._pieces.gather(numbers, read)


class ParquetRows:
    """Parquet files; row groups that were decoded stay for a while."""

    def __init__(self, files: Sequence[Path]) -> None:
        import pyarrow.parquet as pq

        self._groups: list[tuple[Path, int]] = []
        sizes: list[int] = []
        for path in files:
            try:
                about = pq.read_metadata(path)
            except (pa.ArrowInvalid, OSError) as error:
                raise FormatError(path, f"no Parquet: {error}") from error
            self._groups += [(path, group) for group in range(about.num_row_groups)]
            sizes += [about.row_group(group).num_rows for group in range(about.num_row_groups)]
        self.columns = tuple(pq.read_schema(files[0]).names)
        self._pieces = _Pieces(sizes)
        self.n = self._pieces.n
        self._kept: OrderedDict[tuple[int, str], pa.ChunkedArray] = OrderedDict()
        self._lock = Lock()

    def rows(self, numbers: Ids, columns: Sequence[str]) -> list[dict[str, Any]]:
        """See `RowStore`."""

        def read(piece: int, rows: Ids) -> list[dict[str, Any]]:
            taken = [self._column(piece, name).take(pa.array(rows)).to_pylist() for name in columns]
            return [{name: values[at] for name, values in zip(columns, taken, strict=True)} for at in range(len(rows))]

        return self._pieces.gather(numbers, read)

    def _column(self, piece: int, name: str) -> pa.ChunkedArray:
        import pyarrow.parquet as pq

        with self._lock:
            if (piece, name) in self._kept:
                self._kept.move_to_end((piece, name))
                return self._kept[piece, name]
        path, group = self._groups[piece]
        with pq.ParquetFile(path) as file:
            column = file.read_row_group(group, [name]).column(0)
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

        def read(_: int, rows: Ids) -> list[dict[str, Any]]:
            order, back = np.unique(rows, return_inverse=True)  # h5py takes ascending numbers only
            with self._lock:
                taken = [[_plain(value) for value in self._group[name][order]] for name in columns]
            return [{name: values[at] for name, values in zip(columns, taken, strict=True)} for at in back.tolist()]

        return self._pieces.gather(numbers, read)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").rstrip("\0")
    return value.item() if isinstance(value, np.generic) else value
