"""A Lance table of vectors, as a goldpan workspace keeps them: columns `id` and `vector`; read, never written here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from goldpan.core.errors import FormatError
from goldpan.core.place import is_url
from goldpan.core.records import Metric
from goldpan.core.refusals import explain, speaking
from goldpan.core.remote import lance_options
from goldpan.formats.arrow_rows import list_rows, vector_column
from goldpan.formats.protocol import Address, VectorFormat, check_ids, check_span, metric_hint, rows_per_block

if TYPE_CHECKING:
    import lance
    import pyarrow as pa

DTYPES = ("float32", "float16", "float64", "uint8", "int8")


def open_lance(path: Path) -> lance.LanceDataset:
    """Open a Lance table, on disk or in a bucket.

    Raises:
        FormatError: there is none, or it is damaged.
        RemoteError: its bucket cannot be read.
    """
    import lance

    uri = str(path)
    try:
        return lance.dataset(uri, **lance_options(uri))
    except (ValueError, OSError) as error:
        problem = str(error).splitlines()[0]
        if is_url(uri) and not problem.startswith("Dataset at"):
            raise explain(error, uri) from error
        raise FormatError(path, f"not a Lance table ({problem}).") from None


class LanceReader:
    """A `VectorReader` over one column of fixed-size lists; rows in the order in which they were appended.

    Raises:
        FormatError: no Lance table, or the column's lists have no fixed size.
        UnknownName: no such column.
        InputError: several columns could be meant.
    """

    def __init__(self, address: Address) -> None:
        import pyarrow as pa

        self.path = address.path
        self._table = open_lance(address.path)
        schema = self._table.schema
        field = vector_column(schema, address.key, address.path)
        if not pa.types.is_fixed_size_list(field.type):
            raise FormatError(address.path, f"the lists of column {field.name} have no fixed size.")
        self._column = field.name
        self.columns: tuple[str, ...] = tuple(name for name in schema.names if name != field.name)
        self.n = int(self._table.count_rows())
        self.dim = int(field.type.list_size)
        self.dtype = np.dtype(field.type.value_type.to_pandas_dtype())
        about = json.loads((schema.metadata or {}).get(b"goldpan", b"{}"))
        self.metric: Metric | None = metric_hint(about.get("metric", ""))

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return rows start to stop."""
        check_span(self, start, stop)
        if start == stop:
            return np.empty((0, self.dim), self.dtype)
        with speaking(self.path):
            table = self._table.to_table(columns=[self._column], offset=start, limit=stop - start)
        return list_rows(table.column(0), self.dim, self.path, start)

    def take(self, ids: ArrayLike) -> NDArray[Any]:
        """Return the rows numbered `ids`."""
        wanted = check_ids(self, ids)
        if not wanted.size:
            return np.empty((0, self.dim), self.dtype)
        with speaking(self.path):
            table = self._table.take(wanted.tolist(), columns=[self._column])
        return list_rows(table.column(0), self.dim, self.path, 0)

    def blocks(self, rows: int | None = None) -> Iterator[NDArray[Any]]:
        """Pass over all rows."""
        first = 0
        for batch in self._batches([self._column], rows):
            yield list_rows(batch.column(0), self.dim, self.path, first)
            first += len(batch)

    def metadata(self, rows: int | None = None) -> Iterator[pa.Table]:
        """Pass over the other columns in the same steps as `blocks`."""
        import pyarrow as pa

        if self.columns:
            for batch in self._batches(list(self.columns), rows):
                yield pa.Table.from_batches([batch])

    def _batches(self, columns: list[str], rows: int | None) -> Iterator[pa.RecordBatch]:
        scanner = self._table.scanner(
            columns=columns, batch_size=rows_per_block(self, rows), scan_in_order=True, strict_batch_size=True
        )
        with speaking(self.path):
            batches = scanner.to_batches()
        while (batch := self._next(batches)) is not None:
            yield batch

    def _next(self, batches: Iterator[pa.RecordBatch]) -> pa.RecordBatch | None:
        with speaking(self.path):
            return next(batches, None)


LANCE = VectorFormat(".lance", DTYPES, LanceReader, None, has_keys=True, has_columns=True)
