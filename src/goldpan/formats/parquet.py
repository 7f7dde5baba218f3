"""Parquet with a column of vectors (lists of numbers, of fixed or free size) beside any other columns.

Without a name the column is `emb`, `vector` or `embedding`, or the only one there is. What goldpan writes is what
VectorDBBench reads: `id` (int64, the row number, where no other columns are given) and `emb`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from goldpan.core.errors import ArrayError, FormatError, InputError
from goldpan.core.records import Metric
from goldpan.formats.arrow_rows import list_rows, rows_as_lists, vector_column
from goldpan.formats.atomic import replace_file
from goldpan.formats.protocol import (
    Address,
    Blocks,
    Columns,
    VectorFormat,
    VectorShape,
    check_ids,
    check_span,
    rows_per_block,
)

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

DTYPES = ("float32", "float16", "float64", "uint8", "int8", "int32", "int64", "uint32", "uint64")
_GROUP_BYTES = 32 << 20  # a row group of one column: small enough to hold twice, large enough to read fast
_READ_ROWS = 8192


class ParquetReader:
    """A `VectorReader` over one column of a Parquet file.

    Raises:
        FormatError: no Parquet file, or a damaged one.
        UnknownName: no such column.
        InputError: several columns could be meant.
    """

    metric: Metric | None = None

    def __init__(self, address: Address) -> None:
        self.path = address.path
        self._file = open_parquet(address.path)
        field = vector_column(self._file.schema_arrow, address.key, address.path)
        self._column = field.name
        self.columns: tuple[str, ...] = tuple(name for name in self._file.schema_arrow.names if name != field.name)
        self.dtype = np.dtype(field.type.value_type.to_pandas_dtype())
        groups = range(self._file.num_row_groups)
        self._starts = np.cumsum([0, *(self._file.metadata.row_group(group).num_rows for group in groups)])
        self.n = int(self._starts[-1])
        self.dim = self._dim(field.type)

    def _dim(self, kind: Any) -> int:
        """Return the list size the type fixes, or that of the first row."""
        import pyarrow as pa

        if pa.types.is_fixed_size_list(kind):
            return int(kind.list_size)
        if self.n == 0:
            return 0
        with parquet_errors(self.path):
            first = next(self._file.iter_batches(batch_size=1, columns=[self._column]), None)
        if first is None:
            raise FormatError(self.path, f"it says {self.n} rows and holds none.")
        length = first.column(0)[0].values
        if length is None or len(length) == 0:
            raise FormatError(self.path, "there is no vector.", row=0)
        return len(length)

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return rows start to stop, decoded from the row groups they lie in."""
        check_span(self, start, stop)
        pieces = [
            rows[max(0, start - first) : stop - first]
            for first, rows in self._scan(start, stop, min(_READ_ROWS, max(1, stop - start)))
        ]
        return np.concatenate(pieces) if pieces else np.empty((0, self.dim), self.dtype)

    def take(self, ids: ArrayLike) -> NDArray[Any]:
        """Return the rows numbered `ids`; each row group that holds one is decoded once."""
        wanted = check_ids(self, ids)
        found = np.empty((len(wanted), self.dim), self.dtype)
        for group in np.unique(np.searchsorted(self._starts, wanted, side="right") - 1):
            start, stop = int(self._starts[group]), int(self._starts[group + 1])
            for first, rows in self._scan(start, stop, _READ_ROWS):
                here = np.flatnonzero((wanted >= first) & (wanted < first + len(rows)))
                found[here] = rows[wanted[here] - first]
        return found

    def blocks(self, rows: int | None = None) -> Iterator[NDArray[Any]]:
        """Pass over all rows."""
        for _, block in self._scan(0, self.n, rows_per_block(self, rows)):
            yield block

    def metadata(self, rows: int | None = None) -> Iterator[pa.Table]:
        """Pass over the other columns in the same steps as `blocks`."""
        import pyarrow as pa

        if self.columns:
            groups = range(self._file.num_row_groups)
            for _, batch in self._batches(groups, list(self.columns), rows_per_block(self, rows)):
                yield pa.Table.from_batches([batch])

    def _scan(self, start: int, stop: int, rows: int) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield (number of first row, rows) over the row groups that hold any of start .. stop."""
        if start == stop:
            return
        low = int(np.searchsorted(self._starts, start, side="right")) - 1
        high = int(np.searchsorted(self._starts, stop, side="left"))
        for first, batch in self._batches(range(low, high), [self._column], rows):
            if first + len(batch) > start:
                yield first, list_rows(batch.column(0), self.dim, self.path, first)
            if first + len(batch) >= stop:
                return

    def _batches(self, groups: range, columns: list[str], rows: int) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Yield (number of first row, batch) of some row groups that follow each other."""
        first = int(self._starts[groups.start])
        batches = self._file.iter_batches(rows, row_groups=list(groups), columns=columns)
        while True:
            with parquet_errors(self.path, first, f"damaged in {', '.join(columns)}"):
                batch = next(batches, None)
            if batch is None:
                return
            yield first, batch
            first += len(batch)


def open_parquet(path: Path) -> pq.ParquetFile:
    """Open a file that is read in bounded memory, even where it is one row group: measured 80 MB for 400 MB.

    Raises:
        FormatError: no Parquet file, or one cut short.
    """
    import pyarrow.parquet as pq

    with parquet_errors(path, problem="not a whole Parquet file"):
        return pq.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False)


@contextlib.contextmanager
def parquet_errors(path: Path, row: int | None = None, problem: str = "it is damaged") -> Iterator[None]:
    """Turn what pyarrow raises on a damaged file into a FormatError."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise FormatError(path, f"{problem} ({' '.join(str(error).split())}).", row=row) from None


def read_columns(path: Path, names: list[str]) -> pa.Table:
    """Return some columns of a file whole.

    Raises:
        FormatError: no Parquet file, a damaged one, or a column is missing.
    """
    file = open_parquet(path)
    missing = [name for name in names if name not in file.schema_arrow.names]
    if missing:
        raise FormatError(path, f"it has no column {missing[0]}; it has {', '.join(file.schema_arrow.names)}.")
    with parquet_errors(path):
        return file.read(columns=names)


class TableFile:
    """Appends tables to a Parquet file in row groups of equal size, whatever the size of the tables.

    Columns of lists are stored plain, as vectors neither compress nor repeat; the others as a dictionary and zstd.

    Args:
        path: the file, written in place: give it a temporary one.
        group_rows: rows a row group, all held in memory.
    """

    def __init__(self, path: Path, group_rows: int) -> None:
        self._path = path
        self._group_rows = group_rows
        self._writer: pq.ParquetWriter | None = None
        self._held: list[pa.Table] = []
        self._held_rows = 0

    def append(self, table: pa.Table) -> None:
        """Add rows; the first table's columns are the file's."""
        self._held.append(table)
        self._held_rows += table.num_rows
        if self._held_rows >= self._group_rows:
            self._flush(self._held_rows - self._held_rows % self._group_rows)

    def close(self) -> None:
        """Write what is held and the end of the file; at least one table, if an empty one, was appended."""
        if self._held_rows or self._writer is None:
            self._flush(self._held_rows)
        if self._writer is not None:
            self._writer.close()

    def _flush(self, rows: int) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        held = pa.concat_tables(self._held)
        if self._writer is None:
            flat = [field.name for field in held.schema if not pa.types.is_nested(field.type)]
            self._writer = pq.ParquetWriter(
                self._path, held.schema, compression=dict.fromkeys(flat, "zstd"), use_dictionary=flat
            )
        self._writer.write_table(held.slice(0, rows), row_group_size=self._group_rows)
        self._held = [held.slice(rows)]
        self._held_rows -= rows


def beside_vectors(blocks: Blocks, columns: Columns | None) -> Iterator[tuple[NDArray[Any], pa.Table]]:
    """Pair each block of vectors with its rows of metadata, or with an `id` column of row numbers.

    Raises:
        ArrayError: the two do not come in the same steps.
    """
    import pyarrow as pa

    tables = None if columns is None else iter(columns)
    done = 0
    for block in blocks:
        if tables is None:
            table = pa.table({"id": pa.array(np.arange(done, done + len(block)))})
        else:
            table = next(tables, None)
            if table is None or table.num_rows != len(block):
                rows = 0 if table is None else table.num_rows
                raise ArrayError(f"There are {rows} rows of metadata for the {len(block)} vectors from row {done} on.")
        yield block, table
        done += len(block)
    if tables is not None and (left := next(tables, None)) is not None:
        raise ArrayError(f"There are {left.num_rows} rows of metadata beyond the {done} vectors.")


def _write(address: Address, shape: VectorShape, blocks: Blocks, columns: Columns | None) -> int:
    import pyarrow as pa

    name = address.key or "emb"
    done = 0
    with replace_file(address.path) as temporary:
        file = TableFile(temporary, max(1, _GROUP_BYTES // max(1, shape.dim * shape.dtype.itemsize)))
        for block, table in beside_vectors(blocks, columns):
            if name in table.column_names:
                raise InputError(f"A column of metadata is named {name!r} too; name the vectors: FILE.parquet:NAME.")
            file.append(table.append_column(name, rows_as_lists(block)))
            done += len(block)
        if done == 0:
            kind = pa.list_(pa.from_numpy_dtype(shape.dtype), shape.dim)
            file.append(pa.schema([("id", pa.int64()), (name, kind)]).empty_table())
        file.close()
    return done


PARQUET = VectorFormat(".parquet", DTYPES, ParquetReader, _write, has_keys=True, has_columns=True)
