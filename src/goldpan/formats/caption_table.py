"""A Lance table of rows with indexes on their captions: which rows hold these words, which these letters.

Beside the columns of the rows it has three of its own, whose names begin with `HIDDEN`: the tokens of a caption with
blanks between them, with an inverted index; its letters in lower case, with an index of trigrams; and from which file
the row is. That the tokens are stored, not left to a tokenizer of Lance, makes the index say just what a scan says.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from goldpan.core.errors import FormatError
from goldpan.core.records import Ids
from goldpan.formats.lance_table import open_lance

if TYPE_CHECKING:
    import lance
    from lance.query import FullTextQuery

HIDDEN = "__goldpan_"
TOKENS, LETTERS, FILE = (HIDDEN + name for name in ("tokens", "letters", "file"))
_ABOUT = b"goldpan_captions"
_TAKEN_ROWS = 1 << 16
_KEPT = timedelta(hours=1)  # searches that began with an older version end by then
_AS_IT_IS = {
    "base_tokenizer": "whitespace", "lower_case": False, "stem": False, "remove_stop_words": False,
    "ascii_folding": False, "max_token_length": None, "with_position": True, "memory_limit": 512,
}  # fmt: skip


def open_caption_table(path: Path) -> CaptionTable | None:
    """Open the table at a path; None where there is something else.

    Raises:
        FormatError: a table of Lance is there, but damaged.
    """
    if path.suffix.lower() != ".lance" or _ABOUT not in (open_lance(path).schema.metadata or {}):
        return None
    return CaptionTable(path)


class CaptionTable:
    """The table at a path.

    Attributes:
        n: how many rows it has.
        captions: which column holds the captions.
        columns: of the rows.

    Raises:
        FormatError: there is none.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._table: lance.LanceDataset = open_lance(path)
        about = (self._table.schema.metadata or {}).get(_ABOUT)
        if about is None:
            raise FormatError(path, "a Lance table without an index of captions; name another place for that")
        self.captions: str = json.loads(about)["captions"]
        self.columns = [name for name in self._table.schema.names if not name.startswith(HIDDEN)]
        self.n = int(self._table.count_rows())

    @property
    def schema(self) -> pa.Schema:
        """The columns of the rows and its own."""
        return self._table.schema

    def files(self) -> set[str]:
        """Return the values of `FILE`."""
        found = (pc.unique(batch.column(0)) for batch in self._table.to_batches(columns=[FILE], batch_readahead=2))
        return {name for names in found for name in names.to_pylist()}

    def append(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Add rows with all columns of `schema`, all of them or none."""
        _write(self._path, self.schema, batches, "append")
        self._table.checkout_latest()

    def make_indexes(self) -> None:
        """Make the indexes where there are none, and bring them up to date where rows are not in them."""
        there = {field for index in self._table.describe_indices() for field in index.field_names}
        if TOKENS not in there:
            self._table.create_scalar_index(TOKENS, "INVERTED", **_AS_IT_IS)
        if LETTERS not in there:
            self._table.create_scalar_index(LETTERS, "NGRAM")
        if there:
            self._table.optimize.optimize_indices()
        self._table.cleanup_old_versions(older_than=_KEPT)

    @property
    def is_indexed(self) -> bool:
        """Whether it has both indexes, and rows can be told by their place."""
        there = {field for index in self._table.describe_indices() for field in index.field_names}
        return {TOKENS, LETTERS} <= there and not self._table.stats.dataset_stats()["num_deleted_rows"]

    def with_words(self, query: FullTextQuery) -> Ids:
        """Return the numbers of the rows whose `TOKENS` satisfy a query, ascending."""
        return self._numbers(full_text_query=query, disable_scoring_autoprojection=True)

    def with_letters(self, letters: str) -> Ids:
        """Return the numbers of the rows whose `LETTERS` have these somewhere, ascending."""
        quoted = letters.replace("'", "''")
        return self._numbers(filter=f"contains({LETTERS}, '{quoted}')")

    def take(self, numbers: Ids) -> Iterator[pa.RecordBatch]:
        """Yield rows by ascending number."""
        for start in range(0, len(numbers), _TAKEN_ROWS):
            some = self._table.take(numbers[start : start + _TAKEN_ROWS].tolist(), columns=self.columns)
            yield from some.combine_chunks().to_batches()

    def _numbers(self, **asked: Any) -> Ids:
        found = self._table.scanner(columns=[], with_row_id=True, **asked).to_table()["_rowid"].to_numpy()
        fragments = sorted(self._table.get_fragments(), key=lambda fragment: fragment.fragment_id)
        ids = np.array([fragment.fragment_id for fragment in fragments], np.uint64)
        first = np.cumsum([0, *(fragment.count_rows() for fragment in fragments)])
        # An id is the number of the fragment, then that of the row in it.
        numbers = first[np.searchsorted(ids, found >> np.uint64(32))] + (found & np.uint64(0xFFFFFFFF)).astype(np.int64)
        return np.sort(numbers)


def create_caption_table(path: Path, columns: pa.Schema, captions: str) -> CaptionTable:
    """Make a table without rows.

    Args:
        path: where nothing is yet.
        columns: of the rows; those of which nothing but null is known become texts.
        captions: which of them holds the captions.
    """
    fields = [pa.field(field.name, _kind(field.type)) for field in columns]
    own = [pa.field(name, pa.string()) for name in (TOKENS, LETTERS, FILE)]
    schema = pa.schema([*fields, *own], {_ABOUT: json.dumps({"captions": captions}).encode()})
    _write(path, schema, [], "create")
    return CaptionTable(path)


def is_lance(path: Path) -> bool:
    """Whether a Lance table is at a path; what a kill left of one is none."""
    return any((path / "_versions").glob("*.manifest"))


def _kind(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_null(kind):
        return pa.string()
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _write(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch], mode: str) -> None:
    import lance

    problems: list[BaseException] = []

    def watched() -> Iterator[pa.RecordBatch]:
        """Keep what is raised here: on its way through Lance it becomes an OSError with all this in its text."""
        try:
            yield from batches
        except BaseException as error:
            problems.append(error)
            raise

    try:
        lance.write_dataset(pa.RecordBatchReader.from_batches(schema, watched()), str(path), mode=mode)
    except OSError:
        if problems:
            raise problems[0] from None
        raise
