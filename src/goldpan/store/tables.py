"""One table of a workspace: a Lance dataset that may not exist yet, read and appended to in whole batches."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from goldpan.core.errors import InputError, WorkspaceError
from goldpan.core.locks import hold
from goldpan.core.place import is_url, place
from goldpan.core.refusals import explain, is_of_store, speaking
from goldpan.core.remote import lance_options
from goldpan.store.staging import Staged, stage

if TYPE_CHECKING:
    import lance
    import pandas as pd

_AHEAD_BYTES = 64 << 20  # of Lance's 2 GiB, which a slow reader would find filled
_COMPACT_ABOVE_FRAGMENTS = 32
_LOG = logging.getLogger(__name__)


class Table:
    """A Lance dataset at `uri`, created by its first append.

    Appends are atomic commits: a process that dies leaves the last committed version. Several processes may append.

    Args:
        uri: a folder, or an address in a bucket.
        schema: of a table that may not be there yet.
        name: the word for messages.
        may_write: asked before every write; raises where the right to it was lost.
    """

    def __init__(
        self,
        uri: str,
        schema: pa.Schema | None = None,
        name: str = "",
        may_write: Callable[[], None] | None = None,
    ) -> None:
        self.uri = uri
        self.name = name or uri
        self._schema = schema
        self._may_write = may_write

    def dataset(self) -> lance.LanceDataset | None:
        """Open the newest version, or None where nothing was written yet.

        Raises:
            WorkspaceError: what is there is no table.
            RemoteError: its bucket cannot be read.
        """
        import lance

        with speaking(self.uri):
            try:
                return lance.dataset(self.uri, **lance_options(self.uri))
            except (ValueError, FileNotFoundError) as error:
                if re.match("Dataset at path .* not found", str(error)):
                    return None
                if is_url(self.uri):
                    raise
                raise WorkspaceError(f"The table {self.name} cannot be read: {error}") from error

    @property
    def exists(self) -> bool:
        """True once something was appended."""
        return self.dataset() is not None

    @property
    def version(self) -> int:
        """The number of the newest version; 0 before the first append."""
        dataset = self.dataset()
        return int(dataset.version) if dataset is not None else 0

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema.

        Raises:
            WorkspaceError: nothing was written and none is known beforehand.
        """
        dataset = self.dataset()
        schema = dataset.schema if dataset is not None else self._schema
        if schema is None:
            raise WorkspaceError(f"The table {self.name} does not exist yet.")
        return schema

    @property
    def metadata(self) -> dict[str, Any]:
        """What the table says of itself (the `goldpan` key of its schema); empty before the first append."""
        dataset = self.dataset()
        raw = (dataset.schema.metadata or {}).get(b"goldpan") if dataset is not None else None
        found: dict[str, Any] = json.loads(raw) if raw else {}
        return found

    def count(self, where: str | None = None) -> int:
        """Count the rows, or those for which the SQL predicate `where` holds."""
        dataset = self.dataset()
        return 0 if dataset is None else int(self._guard(where, lambda: dataset.count_rows(where)))

    def append(self, rows: pa.Table) -> None:
        """Append `rows` in one commit; the first append creates the table."""
        import lance

        if rows.num_rows == 0:
            return
        dataset = self._to_write()
        if dataset is None and not self._create(rows):
            dataset = self._to_write()
        if dataset is not None:
            with speaking(self.uri):
                lance.write_dataset(rows, dataset, mode="append")

    def stage(self, rows: pa.Table, folder: Path) -> Staged:
        """Write `rows` beside the table, for whoever commits to `adopt`; see `staging`."""
        dataset = self.dataset()
        return stage(rows, folder, None if dataset is None else dataset.data_storage_version)

    def adopt(self, pieces: Sequence[Staged], schema: pa.Schema) -> None:
        """Append what was staged, in order; `schema` is that of the table, which is created where it is not there."""
        import lance

        first, rest = pieces[:1], pieces[1:]
        if self.exists:
            rest = pieces
        elif first:
            self.append(first[0].read(schema))
        dataset = self._to_write() if rest else None
        if dataset is not None:
            with speaking(self.uri):
                append = lance.LanceOperation.Append([piece.move(self.uri) for piece in rest])
                lance.LanceDataset.commit(dataset, append, read_version=dataset.version)

    def append_rows(self, rows: Sequence[dict[str, Any]]) -> None:
        """Append dictionaries, with the table's own schema."""
        self.append(pa.Table.from_pylist(list(rows), schema=self.schema))

    def delete(self, where: str) -> None:
        """Delete the rows for which the SQL predicate `where` holds."""
        dataset = self._to_write()
        if dataset is not None:
            with speaking(self.uri):
                dataset.delete(where)

    def to_table(
        self, where: str | None = None, columns: Sequence[str] | None = None, limit: int | None = None
    ) -> pa.Table:
        """Read rows as an Arrow table, in the order in which they were appended.

        Args:
            where: an SQL predicate over the columns, such as ``label = 'cat' AND width > 200``.
            columns: the columns to read, all where None.
            limit: at most so many rows.

        Raises:
            InputError: the predicate or a column is not understood.
        """
        dataset = self.dataset()
        if dataset is None:
            schema = self.schema
            return schema.empty_table().select(list(columns) if columns is not None else schema.names)
        wanted = list(columns) if columns is not None else None
        return self._guard(where, lambda: dataset.to_table(columns=wanted, filter=where, limit=limit))

    def to_pandas(self, where: str | None = None, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Read rows as a pandas frame; see `to_table`."""
        frame: pd.DataFrame = self.to_table(where, columns).to_pandas()
        return frame

    def scan(
        self, columns: Sequence[str] | None = None, where: str | None = None, batch_rows: int = 1024
    ) -> Iterator[pa.RecordBatch]:
        """Yield record batches of exactly `batch_rows` rows (the last may be shorter), in order, in bounded memory."""
        dataset = self.dataset()
        if dataset is None:
            return
        wanted = list(columns) if columns is not None else None
        batches = self._guard(
            where,
            lambda: dataset.scanner(
                columns=wanted,
                filter=where,
                batch_size=batch_rows,
                scan_in_order=True,
                strict_batch_size=True,
                batch_readahead=4,
                io_buffer_size=_AHEAD_BYTES,
            ).to_batches(),
        )
        while (batch := self._guard(where, lambda: next(batches, None))) is not None:
            yield batch

    def compact(self) -> None:
        """Merge many small fragments into few, keeping the order of the rows."""
        dataset = self._to_write()
        if dataset is None or len(dataset.get_fragments()) <= _COMPACT_ABOVE_FRAGMENTS:
            return
        try:
            dataset.optimize.compact_files()
        except OSError as error:  # another shard compacts at the same time: one of them wins, no row changes
            _LOG.info("%s was not compacted: %s", self.name, error)

    def _to_write(self) -> lance.LanceDataset | None:
        """Open the newest version, once it is sure that it may be added to."""
        if self._may_write is not None:
            self._may_write()
        return self.dataset()

    def _create(self, rows: pa.Table) -> bool:
        """Create the table with its first rows; return False where somebody else was faster."""
        import lance

        with speaking(self.uri), _creating(self.uri):
            if self.exists:
                return False
            lance.write_dataset(rows, self.uri, mode="create", **lance_options(self.uri))
            return True

    def _guard(self, where: str | None, read: Any) -> Any:
        """Run a read; a predicate or column that Lance rejects becomes one sentence."""
        try:
            return read()
        except (ValueError, OSError, KeyError) as error:
            if is_of_store(error, self.uri):
                raise explain(error, self.uri) from error
            reason = str(error).splitlines()[0].split(", /")[0][:300]
            asked = f" with the predicate {where!r}" if where else ""
            raise InputError(
                f"Cannot read {self.name}{asked}: {reason} Columns: {', '.join(self.schema.names)}."
            ) from error


@contextmanager
def _creating(uri: str) -> Iterator[None]:
    """Let one process at a time create tables in a folder: of two that Lance creates at once, the first is lost."""
    folder = place(uri).parent
    folder.mkdir(parents=True, exist_ok=True)
    with hold(folder / ".creating"):
        yield
