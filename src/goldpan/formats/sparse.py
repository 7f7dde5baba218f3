"""Sparse rows (CSR): filters, bags of words, SPLADE; read and written block by block.

| address | layout |
|---|---|
| `.spmat`, `.csr` | int64 rows, columns, entries; int64 starts of rows; int32 columns; float32 values (big-ann) |
| `.h5:group` | datasets `data`, `indices`, `indptr`, attribute `shape` (SISAP 2026) |
| `.h5:train` | the sets of all rows in one array, their lengths in `size_train` (ann-benchmarks, jaccard); only read |

A block is a `scipy.sparse.csr_array`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import ArrayError, FormatError, InputError, UnknownName
from goldpan.formats.casts import is_lossless
from goldpan.formats.hdf5_file import hdf5_errors
from goldpan.formats.protocol import BLOCK_BYTES, Address
from goldpan.formats.vectors import format_name, parse_address

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_ROWS = 1 << 16  # rows whose starts are looked at in one go
_ENTRY_BYTES = 8


class Csr(NamedTuple):
    """The three arrays of a sparse matrix, in memory, mapped, or datasets of a file: sliced when read.

    Attributes:
        indptr: ``(n + 1,)`` where each row starts in the others.
        indices: ``(nnz,)`` columns, from 0.
        data: ``(nnz,)`` values; None where all are 1.
        dim: number of columns.
        forget: lets the pages of a map go.
    """

    indptr: Any
    indices: Any
    data: Any | None
    dim: int
    forget: Callable[[], None] | None = None


class SparseReader:
    """Open sparse rows.

    Attributes:
        path: the file.
        n: number of rows.
        dim: number of columns.
        nnz: number of entries.
        dtype: type of the values.
    """

    def __init__(self, path: Path, csr: Csr) -> None:
        self.path = path
        self.n = len(csr.indptr) - 1
        self.dim = csr.dim
        self.nnz = len(csr.indices)
        self.dtype = np.dtype(np.float32 if csr.data is None else csr.data.dtype)
        self._csr = csr
        ends = [int(csr.indptr[0]), int(csr.indptr[self.n])] if self.n >= 0 else []
        if ends != [0, self.nnz] or (csr.data is not None and len(csr.data) != self.nnz):
            values = self.nnz if csr.data is None else len(csr.data)
            raise FormatError(path, f"rows go from {ends} over {self.nnz} columns and {values} values.")

    def read(self, start: int, stop: int) -> csr_array:
        """Return rows start to stop, ``(stop - start, dim)``, in memory of their own.

        Raises:
            FormatError: rows that overlap, or a column beyond the last; the row is named.
        """
        if not 0 <= start <= stop <= self.n:
            raise ArrayError(f"Rows {start} to {stop} were asked for; there are rows 0 to {self.n}.")
        return self._rows(start, self._starts(start, stop))

    def blocks(self, rows: int | None = None) -> Iterator[csr_array]:
        """Pass over all rows, `rows` at a time; where None as many as make about 2 MiB, but at least one."""
        budget = BLOCK_BYTES // _ENTRY_BYTES
        for first in range(0, self.n, rows or _ROWS):
            starts = self._starts(first, min(self.n, first + (rows or _ROWS)))
            done, last = 0, len(starts) - 1
            while done < last:
                fits = int(np.searchsorted(starts, starts[done] + budget, side="right")) - 1
                end = last if rows else min(last, max(done + 1, fits))
                yield self._rows(first + done, starts[done : end + 1])
                done = end

    def _starts(self, start: int, stop: int) -> NDArray[np.int64]:
        starts = self._sliced(self._csr.indptr, start, stop + 1).astype(np.int64)
        wrong = np.flatnonzero((np.diff(starts) < 0) | (starts[:-1] < 0) | (starts[1:] > self.nnz))
        if wrong.size:
            place = int(wrong[0])
            problem = f"it goes from entry {starts[place]} to {starts[place + 1]} of {self.nnz}."
            raise FormatError(self.path, problem, row=start + place)
        return starts

    def _rows(self, first: int, starts: NDArray[np.int64]) -> csr_array:
        from scipy.sparse import csr_array

        low, high = int(starts[0]), int(starts[-1])
        columns = self._sliced(self._csr.indices, low, high)
        wrong = np.flatnonzero((columns < 0) | (columns >= self.dim))
        if wrong.size:
            row = first + int(np.searchsorted(starts, low + wrong[0], side="right")) - 1
            raise FormatError(self.path, f"column {columns[wrong[0]]} of {self.dim}, which count from 0.", row=row)
        values = np.ones(len(columns), self.dtype)
        if self._csr.data is not None:
            values = self._sliced(self._csr.data, low, high)
        if self._csr.forget is not None:
            self._csr.forget()
        return csr_array((values, columns, starts - low), shape=(len(starts) - 1, self.dim))

    def _sliced(self, array: Any, start: int, stop: int) -> NDArray[Any]:
        with hdf5_errors(self.path):
            return np.array(array[start:stop])


def is_sparse(address: str | Path | Address) -> bool:
    """Return whether an address names sparse rows: by its suffix, in HDF5 by what is there."""
    from goldpan.formats.sparse_hdf5 import holds_sparse

    where = parse_address(address)
    name = format_name(where.path)
    if name in ("h5", "hdf5"):
        return where.path.is_file() and holds_sparse(where)
    return name in ("spmat", "csr")


def open_sparse(address: str | Path | Address) -> SparseReader:
    """Open sparse rows for reading; in HDF5 without a name `train`, or the only sparse rows there are.

    Raises:
        InputError: no such file, or several groups could be meant.
        UnknownName: no sparse format has that suffix, or no group that name.
        FormatError: the file is not what its format says.
    """
    from goldpan.formats.sparse_hdf5 import open_group
    from goldpan.formats.spmat import open_spmat

    where = parse_address(address)
    if not where.path.is_file():
        raise InputError(f"There is no file {where.path}.")
    name = format_name(where.path)
    if name in ("h5", "hdf5"):
        return open_group(where)
    if name in ("spmat", "csr"):
        return open_spmat(where)
    raise UnknownName("format of sparse rows", name, ["spmat", "csr", "h5", "hdf5"], f"({where.path})")


def write_sparse(address: str | Path | Address, blocks: Iterable[csr_array], *, dim: int, n: int) -> int:
    """Write sparse rows, block by block; return the number of entries.

    Args:
        address: ``.spmat``, ``.csr`` or ``file.h5:group`` (without a name `train`); other datasets of the file stay.
        blocks: rows, ``(rows, dim)`` each.
        dim: number of columns.
        n: number of rows in all.

    Raises:
        ArrayError: blocks of another width, or another number of rows.
        UnknownName: no sparse format has that suffix.
    """
    from goldpan.formats.sparse_hdf5 import write_group
    from goldpan.formats.spmat import write_spmat

    where = parse_address(address)
    name = format_name(where.path)
    checked = _checked(blocks, dim, n)
    if name in ("h5", "hdf5"):
        return write_group(where, checked, dim, n)
    if name in ("spmat", "csr"):
        return write_spmat(where, checked, dim, n)
    raise UnknownName("format of sparse rows", name, ["spmat", "csr", "h5", "hdf5"], f"({where.path})")


def _checked(blocks: Iterable[csr_array], dim: int, n: int) -> Iterator[csr_array]:
    from scipy.sparse import csr_array

    done, dtype = 0, None
    for given in blocks:
        block = csr_array(given)
        dtype = dtype or block.dtype
        if not is_lossless(block.dtype, dtype):
            raise ArrayError(f"A block has values of {block.dtype}, the one before it of {dtype}.")
        if block.shape[1] != dim or done + block.shape[0] > n:
            raise ArrayError(f"A block is {block.shape} after {done} rows; {n} rows of {dim} columns were announced.")
        yield block
        done += block.shape[0]
    if done != n:
        raise ArrayError(f"{n} rows were announced; {done} have come.")
