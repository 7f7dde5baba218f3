"""Chosen rows of a vectors table as a source of blocks, normalized on the way, in bounded memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from goldpan.core.arrays import unit_rows
from goldpan.core.errors import InputError
from goldpan.core.refusals import speaking
from goldpan.store.tables import Table
from goldpan.store.workspace import Workspace, vector_array

_BLOCK_ROWS = 8192
# A release is read elsewhere: addresses of this machine stay here. The JSON in `extra` becomes columns of its own.
_NOT_PUBLISHED = ("uri", "source", "extra")


@dataclass(frozen=True, slots=True)
class Pool:
    """The rows that a benchmark can be drawn from, in the order of the `images` table.

    Attributes:
        vectors: the vectors table.
        positions: ``(n,)`` int64 row numbers in the vectors table.
        images: `n` rows of `images`, aligned with `positions`.
    """

    vectors: Table
    positions: NDArray[np.int64]
    images: pa.Table

    def column(self, name: str) -> list[Any]:
        """Return a column of `images`, or a key of its `extra` JSON, one value a row.

        Raises:
            InputError: neither exists.
        """
        if name in self.images.column_names:
            values: list[Any] = self.images[name].to_pylist()
            return values
        extras = [json.loads(text) if text else {} for text in self.images["extra"].to_pylist()]
        known = {key for extra in extras for key in extra}
        if name not in known:
            names = ", ".join([*self.images.column_names, *sorted(known)])
            raise InputError(f"images has no column {name!r}; it has: {names}.")
        return [extra.get(name) for extra in extras]


def make_pool(ws: Workspace, vectors: Table, where: str | None) -> Pool:
    """Join a vectors table with `images`: every image that has a vector and fits `where`, in the order of `images`."""
    import pyarrow.compute as pc

    images = ws.images.to_table(where)
    ids = vectors.to_table(columns=["id"])["id"]
    found = pc.index_in(images["id"], value_set=ids.combine_chunks())
    has_vector = pc.is_valid(found)
    positions = found.filter(has_vector).to_numpy().astype(np.int64)
    if len(positions) == 0:
        raise InputError(
            f"No image of {ws.path} has a vector in {vectors.name}{f' and fits {where!r}' if where else ''}."
        )
    return Pool(vectors, positions, images.filter(has_vector))


class ChosenRows:
    """Rows of a pool as a vector source (see `goldpan.formats`).

    Args:
        pool: where the rows come from.
        rows: ``(n,)`` int64 numbers of rows of the pool, in the order wanted.
        normalize: bring every row to unit L2 length (a row of zeros becomes the constant 1/sqrt(d)).
    """

    def __init__(self, pool: Pool, rows: NDArray[np.int64], *, normalize: bool) -> None:
        self._pool = pool
        self._rows = rows
        self._normalize = normalize
        kind = pool.vectors.schema.field("vector").type
        self.n = len(rows)
        self.dim = int(kind.list_size)
        stored = np.dtype(kind.value_type.to_pandas_dtype())
        # Packed bits stay bytes; everything else is published as float32, which every reader takes.
        self.dtype = stored if stored == np.uint8 else np.dtype(np.float32)
        self.zero_rows = 0

    def blocks(self, rows: int | None = None) -> Iterator[NDArray[Any]]:
        """Pass over the rows in order."""
        dataset = self._pool.vectors.dataset()
        self.zero_rows = 0
        step = rows or _BLOCK_ROWS
        for start in range(0, self.n if dataset is not None else 0, step):
            wanted = self._pool.positions[self._rows[start : start + step]]
            with speaking(self._pool.vectors.uri):
                block = vector_array(dataset.take(wanted, columns=["vector"])["vector"])  # type: ignore[union-attr]
            yield self._finish(block)

    def _finish(self, block: NDArray[Any]) -> NDArray[Any]:
        if not self._normalize:
            return block.astype(self.dtype, copy=False)
        self.zero_rows += int((~block.any(axis=1)).sum())
        return unit_rows(block)

    def labels(self) -> list[str | None]:
        """Return the label of each row."""
        found: list[str | None] = self._pool.images["label"].take(pa.array(self._rows)).to_pylist()
        return found

    def metadata(self) -> pa.Table:
        """Return what `images` says of the rows, aligned with them: JSON extras as columns, no local addresses."""
        chosen = self._pool.images.take(pa.array(self._rows))
        table = chosen.drop_columns(list(_NOT_PUBLISHED))
        extras = [json.loads(text) if text else {} for text in chosen["extra"].to_pylist()]
        for name in sorted({key for extra in extras for key in extra}):
            values = [extra.get(name) for extra in extras]
            table = table.append_column(name if name not in table.column_names else f"extra_{name}", _column(values))
        empty = [name for name in table.column_names if name != "id" and table[name].null_count == self.n]
        return table.drop_columns(empty).add_column(0, "row", pa.array(np.arange(self.n)))


def _column(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # mixed types: kept as text
        return pa.array([None if value is None else json.dumps(value, default=str) for value in values])
