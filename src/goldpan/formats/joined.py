"""Several files of vectors seen as one: the parts of a set, one after another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from goldpan.core.errors import FormatError
from goldpan.core.records import Metric
from goldpan.formats.protocol import VectorReader, check_ids, check_span, rows_per_block

if TYPE_CHECKING:
    import pyarrow as pa


class JoinedReader:
    """A `VectorReader` over readers that follow one another.

    Args:
        path: the folder they lie in.
        parts: at least one.

    Raises:
        FormatError: parts of different width or type; the part is named.
    """

    metric: Metric | None = None

    def __init__(self, path: Path, parts: Sequence[VectorReader]) -> None:
        first = parts[0]
        for part in parts:
            if (part.dim, part.dtype) != (first.dim, first.dtype):
                problem = (
                    f"{part.dim} values of {part.dtype} a row; {first.path.name} has {first.dim} of {first.dtype}."
                )
                raise FormatError(part.path, problem)
        self.path = path
        self.dim = first.dim
        self.dtype = first.dtype
        self.columns = first.columns
        self._parts = parts
        self._starts = np.cumsum([0, *(part.n for part in parts)])
        self.n = int(self._starts[-1])

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return rows start to stop: what the part gives within one part, a copy across parts."""
        check_span(self, start, stop)
        pieces = [part.read(first, last) for part, first, last in self.within(start, stop)]
        if len(pieces) == 1:
            return pieces[0]
        return np.concatenate(pieces) if pieces else np.empty((0, self.dim), self.dtype)

    def within(self, start: int, stop: int) -> Iterator[tuple[VectorReader, int, int]]:
        """Yield the parts that hold any of rows start to stop, each with the span of its own rows."""
        for part, first in zip(self._parts, self._starts.tolist(), strict=False):
            if first < stop and start < first + part.n:
                yield part, max(0, start - first), min(part.n, stop - first)

    def take(self, ids: ArrayLike) -> NDArray[Any]:
        """Return a copy of the rows numbered `ids`."""
        wanted = check_ids(self, ids)
        found = np.empty((len(wanted), self.dim), self.dtype)
        for part, first in zip(self._parts, self._starts.tolist(), strict=False):
            here = np.flatnonzero((wanted >= first) & (wanted < first + part.n))
            found[here] = part.take(wanted[here] - first)
        return found

    def blocks(self, rows: int | None = None) -> Iterator[NDArray[Any]]:
        """Pass over all rows, across parts."""
        step = rows_per_block(self, rows)
        return _regrouped((block for part in self._parts for block in part.blocks(step)), step)

    def metadata(self, rows: int | None = None) -> Iterator[pa.Table]:
        """Pass over the metadata in the same steps as `blocks`."""
        import pyarrow as pa

        step = rows_per_block(self, rows)
        held: list[pa.Table] = []
        held_rows = 0
        for table in self.metadata_tables(step):
            held.append(table)
            held_rows += table.num_rows
            if held_rows >= step:
                joined = pa.concat_tables(held)
                yield joined.slice(0, step)
                held, held_rows = [joined.slice(step)], held_rows - step
        if held_rows:
            yield pa.concat_tables(held)

    def metadata_tables(self, rows: int) -> Iterator[pa.Table]:
        """Pass over the metadata of the parts, at most `rows` rows at a time."""
        for part in self._parts:
            yield from part.metadata(rows)


def _regrouped(blocks: Iterable[NDArray[Any]], rows: int) -> Iterator[NDArray[Any]]:
    """Cut blocks of at most `rows` rows anew, so that only the last one is shorter."""
    held: NDArray[Any] | None = None
    for block in blocks:
        joined = block if held is None else np.concatenate([held, block])
        held = joined[rows:] if len(joined) > rows else None
        if len(joined) < rows:
            held = joined
        else:
            yield joined[:rows]
    if held is not None:
        yield held
