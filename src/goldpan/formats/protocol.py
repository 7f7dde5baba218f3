"""What every vector file looks like from outside: a source of blocks, a reader, and the record of a format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from goldpan.core.errors import ArrayError, UnknownName
from goldpan.core.records import Ids, Metric, parse_metric

if TYPE_CHECKING:
    import pyarrow as pa

# A block that stays in the processor's cache between being read and being written: measured, 1 to 4 MiB copy
# a file as fast as the kernel does, 16 MiB a third slower.
BLOCK_BYTES = 2 << 20


class VectorSource(Protocol):
    """Rows of vectors that can be passed over in order; enough to write them."""

    @property
    def n(self) -> int:
        """Number of rows."""

    @property
    def dim(self) -> int:
        """Values a row; 0 where an empty file does not say."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values, in the byte order of this machine."""

    def blocks(self, rows: int | None = None) -> Iterator[NDArray[Any]]:
        """Pass over all rows in order, `rows` at a time (the last block may be shorter), in bounded memory.

        Rows of a block need not lie next to each other in memory, and may be read-only.
        """


class VectorReader(VectorSource, Protocol):
    """An open vector file."""

    @property
    def path(self) -> Path:
        """The file, or the folder."""

    @property
    def metric(self) -> Metric | None:
        """The metric the file names, if it names one."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of what the file holds about each row besides its vector."""

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return rows ``start <= row < stop``, ``(stop - start, dim)``, without a copy where the layout allows."""

    def take(self, ids: ArrayLike) -> NDArray[Any]:
        """Return a copy of the rows numbered `ids`, in that order, ``(len(ids), dim)``."""

    def metadata(self, rows: int | None = None) -> Iterator[pa.Table]:
        """Pass over the `columns` in the same steps as `blocks`; nothing where there are none."""


class Address(NamedTuple):
    """Where vectors are: a file or folder, and a dataset or column in it (None: the usual one)."""

    path: Path
    key: str | None = None

    def __str__(self) -> str:
        return str(self.path) if self.key is None else f"{self.path}:{self.key}"


class VectorShape(NamedTuple):
    """What is about to be written: `n` rows (None: not known yet) of `dim` values."""

    n: int | None
    dim: int
    dtype: np.dtype[Any]


Blocks = Iterable[NDArray[Any]]
Columns = Iterable["pa.Table"]


@dataclass(frozen=True, slots=True)
class VectorFormat:
    """One row of the catalog of formats.

    Attributes:
        name: what a message calls it.
        dtypes: the value types it holds, the usual one first.
        open: opens an address; raises FormatError where the bytes are not what the format says.
        write: writes checked blocks and returns the number of rows; None where goldpan only reads it.
        has_keys: an address may name a dataset or column.
        has_columns: carries metadata beside the vectors.
    """

    name: str
    dtypes: tuple[str, ...]
    open: Callable[[Address], VectorReader]
    write: Callable[[Address, VectorShape, Blocks, Columns | None], int] | None
    has_keys: bool = False
    has_columns: bool = False


@dataclass(frozen=True, slots=True)
class BlockSource:
    """A `VectorSource` of blocks that are made while they are written; they can be passed over once."""

    n: int
    dim: int
    dtype: np.dtype[Any]
    stream: Blocks

    def blocks(self, rows: int | None = None) -> Iterator[NDArray[Any]]:
        """Pass on the blocks as they come."""
        yield from self.stream


def rows_per_block(reader: VectorSource, rows: int | None) -> int:
    """Return `rows`, or as many rows as make a block of about `BLOCK_BYTES`."""
    if rows is None:
        return max(1, BLOCK_BYTES // max(1, reader.dim * reader.dtype.itemsize))
    if rows < 1:
        raise ArrayError(f"A block must have at least 1 row, not {rows}.")
    return rows


def spans(n: int, rows: int) -> Iterator[tuple[int, int]]:
    """Cut 0 .. n into steps of `rows`."""
    for start in range(0, n, rows):
        yield start, min(n, start + rows)


def check_span(reader: VectorSource, start: int, stop: int) -> None:
    """Raise ArrayError unless ``0 <= start <= stop <= n``."""
    if not 0 <= start <= stop <= reader.n:
        raise ArrayError(f"Rows {start} to {stop} were asked for; there are rows 0 to {reader.n}.")


def check_ids(reader: VectorSource, ids: ArrayLike) -> Ids:
    """Return row numbers as ``(m,)`` int64.

    Raises:
        ArrayError: they are no whole numbers, have more than one axis, or one is outside ``0 <= id < n``.
    """
    numbers = np.asarray(ids)
    if numbers.ndim != 1 or (numbers.size and numbers.dtype.kind not in "iu"):
        raise ArrayError(f"Row numbers must be whole, in one axis, not {numbers.dtype} of shape {numbers.shape}.")
    outside = np.flatnonzero((numbers < 0) | (numbers >= reader.n))
    if outside.size:
        raise ArrayError(f"Row {numbers[outside[0]]} was asked for; there are rows 0 to {reader.n}.")
    return numbers.astype(np.int64)


def metric_hint(name: object) -> Metric | None:
    """Return the metric that a file's text or bytes name, or None for a name we have no metric for."""
    try:
        return parse_metric(name.decode() if isinstance(name, bytes) else str(name))
    except UnknownName:
        return None
