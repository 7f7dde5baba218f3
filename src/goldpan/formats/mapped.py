"""Vectors that lie in a file as an array: mapped for reading here and there, streamed for passing over all.

A map hands out rows without a copy. Passing over a whole file reads plainly instead, block by block into new memory:
the process stays small, and a file cut short meanwhile is an error rather than a signal.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from goldpan.core.errors import FormatError
from goldpan.core.records import Ids, Metric
from goldpan.formats.protocol import check_ids, check_span, rows_per_block, spans

if TYPE_CHECKING:
    import pyarrow as pa

Check = Callable[[NDArray[Any], int | Ids], None]


def row_dtype(path: Path, values: np.dtype[Any], dim: int) -> np.dtype[Any]:
    """Return the dtype of a row of `dim` values.

    Raises:
        FormatError: a row of 2 GiB or more, which is a damaged header: NumPy has no such dtype.
    """
    if dim * values.itemsize >= 2**31:
        raise FormatError(path, f"the header says {dim} values a row; a row must be smaller than 2 GiB.", offset=0)
    return np.dtype((values, (dim,)))


class FileMap:
    """The bytes of one file, mapped read-only; they stay mapped while an array made here lives.

    A file that another program cuts short while it is mapped ends this process (SIGBUS), as with every map.
    """

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self.size = file.seek(0, 2)
            # An empty file cannot be mapped.
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if self.size else None

    def array(self, dtype: np.dtype[Any], shape: tuple[int, ...], offset: int) -> NDArray[Any]:
        """Return a read-only view of the bytes from `offset` on; the caller has checked that they are there."""
        if self._map is None or 0 in shape:
            return np.empty(shape, dtype)
        return np.ndarray(shape, dtype, self._map, offset)

    def forget(self) -> None:
        """Unmap all pages; arrays stay valid, and fetch them again when asked."""
        if self._map is not None:
            self._map.madvise(mmap.MADV_DONTNEED)


class ArrayReader:
    """A `VectorReader` over an array: ``(n, d)``, in memory or a view of a map that is let go block by block."""

    metric: Metric | None = None
    columns: tuple[str, ...] = ()

    def __init__(self, array: NDArray[Any], path: Path | None = None, file: FileMap | None = None) -> None:
        self.path = path or Path("array")
        self.n, self.dim = (int(length) for length in array.shape)
        self.dtype = array.dtype
        self._array = array
        self._file = file

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return rows start to stop, a view."""
        check_span(self, start, stop)
        return self._array[start:stop]

    def load(self, start: int, stop: int) -> NDArray[Any]:
        """Return a copy of rows start to stop, and let the pages of the map go that it took."""
        rows = self.read(start, stop).copy()
        if self._file:
            self._file.forget()
        return rows

    def take(self, ids: ArrayLike) -> NDArray[Any]:
        """Return a copy of the rows numbered `ids`."""
        return self._array[check_ids(self, ids)]

    def blocks(self, rows: int | None = None) -> Iterator[NDArray[Any]]:
        """Pass over all rows."""
        for start, stop in spans(self.n, rows_per_block(self, rows)):
            yield self.load(start, stop) if self._file else self.read(start, stop)

    def metadata(self, rows: int | None = None) -> Iterator[pa.Table]:
        """There is none."""
        return iter(())


class MappedReader:
    """A `VectorReader` over rows that lie in a file one after another, all of one size.

    Args:
        path: the file.
        file: its map.
        offset: where the first row starts.
        n: number of rows; the caller has checked that the file holds them.
        row: dtype of one row: ``(values, (dim,))``, or a record whose field "values" is that.
        check: takes records and their numbers (the first one's, or each one's), and raises FormatError where one is
            not what it should be.
    """

    metric: Metric | None = None
    columns: tuple[str, ...] = ()

    def __init__(
        self, path: Path, file: FileMap, offset: int, n: int, row: np.dtype[Any], check: Check | None = None
    ) -> None:
        self.path = path
        self.n = n
        self._row = row
        self._offset = offset
        self._check = check
        self._rows = file.array(row, (n,), offset)
        values = self._values(self._rows[:0], 0)
        self.dim = int(values.shape[1])
        self.dtype = values.dtype

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return rows start to stop, a view of the map."""
        check_span(self, start, stop)
        return self._values(self._rows[start:stop], start)

    def take(self, ids: ArrayLike) -> NDArray[Any]:
        """Return a copy of the rows numbered `ids`."""
        wanted = check_ids(self, ids)
        return self._values(self._rows[wanted], wanted)

    def load(self, start: int, stop: int) -> NDArray[Any]:
        """Return rows start to stop, read into new memory.

        Raises:
            FormatError: the file has become shorter.
        """
        check_span(self, start, stop)
        place = self._offset + start * self._row.itemsize
        memory = _memory_like((stop - start) * self._row.itemsize, place)
        with self.path.open("rb") as file:
            file.seek(place)
            if file.readinto(memory.data) != memory.nbytes:
                raise FormatError(self.path, "the file has been cut short meanwhile.", row=start, offset=place)
        return self._values(np.ndarray((stop - start,), self._row, memory.data), start)

    def blocks(self, rows: int | None = None) -> Iterator[NDArray[Any]]:
        """Pass over all rows, each block in memory of its own."""
        for start, stop in spans(self.n, rows_per_block(self, rows)):
            yield self.load(start, stop)

    def metadata(self, rows: int | None = None) -> Iterator[pa.Table]:
        """There is none."""
        return iter(())

    def _values(self, rows: NDArray[Any], numbers: int | Ids) -> NDArray[Any]:
        if self._check:
            self._check(rows, numbers)
        return rows if rows.dtype.names is None else rows["values"]


def _memory_like(size: int, place: int) -> NDArray[np.uint8]:
    """Return new memory that starts at the same byte of a page as `place` in a file.

    AMD's Zen 3 and 4 copy at a sixth of their speed where target and source differ by 1 to 15 bytes within a page
    (measured: 2.5 instead of 15 GB/s), which is what an 8-byte header and NumPy's own alignment come to.
    """
    memory = np.empty(size + mmap.PAGESIZE, np.uint8)
    skip = (place - memory.ctypes.data) % mmap.PAGESIZE
    return memory[skip : skip + size]
