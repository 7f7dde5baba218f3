"""Which rows of an index of captions can hold any of the classes: all that do, and some that do not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from goldpan.core.records import Ids
from goldpan.formats.caption_table import TOKENS, CaptionTable, open_caption_table
from goldpan.formats.class_lists import ClassList
from goldpan.formats.metadata import Batch, read_batches
from goldpan.search.captions.language import Both, Phrase, Query, Without
from goldpan.search.captions.modes import Mode, class_queries
from goldpan.stages.retrieve.config import SubstringConfig

if TYPE_CHECKING:
    from lance.query import FullTextQuery

_MOST_CLASSES = 200
_MOST_ROWS = 0.1


class Source(NamedTuple):
    """What of a file is looked at.

    Attributes:
        path: of the file.
        column: of the captions; None for the usual one.
        batches: rows that may hold a class, in order.
        passed_over: how many rows are not among them.
        of_index: what came of the file's index; empty where it has none.
    """

    path: Path
    column: str | None
    batches: Iterator[Batch]
    passed_over: int = 0
    of_index: str = ""


class Candidates(NamedTuple):
    """What an index says.

    Attributes:
        rows: numbers of rows, ascending; None where all must be looked through.
        why: the words for a report.
    """

    rows: Ids | None
    why: str


def open_source(path: Path, classes: ClassList, config: SubstringConfig) -> Source:
    """Open a file: all its rows, or those that its index says may hold a class.

    Raises:
        InputError: the query of a class is none.
        FormatError: the file is not what its name says.
    """
    table = open_caption_table(path)
    if table is None:
        return Source(path, config.column, read_batches(path))
    column = config.column or table.captions
    if config.index == "never":
        found = Candidates(None, "looked through, as asked")
    elif column != table.captions:
        found = Candidates(None, f"looked through: the index is of the column {table.captions}")
    else:
        found = candidates(table, classes, config.mode, many=config.index == "always")
    if found.rows is None:
        return Source(path, column, read_batches(path), of_index=found.why)
    batches = (Batch(batch, []) for batch in table.take(found.rows))
    return Source(path, column, batches, table.n - len(found.rows), found.why)


def candidates(table: CaptionTable, classes: ClassList, mode: Mode, *, many: bool = False) -> Candidates:
    """Return the rows that can hold a class.

    Args:
        table: the index.
        classes: that are looked for.
        mode: how.
        many: ask the index however many classes and candidates there are.

    Raises:
        InputError: the query of a class is none.
    """
    if mode == "regex":
        return Candidates(None, "looked through: the index knows words and letters, not expressions")
    if not table.is_indexed:
        return Candidates(None, "looked through: the index is not finished; goldpan retrieve index goes on")
    if len(classes.names) > _MOST_CLASSES and not many:
        return Candidates(None, f"looked through: one pass is faster for more than {_MOST_CLASSES} classes")
    found: list[Ids] = [np.empty(0, np.int64)]
    if mode == "substring":
        letters = [classes.class_map.get(name, name) for name in classes.names]
        found += [table.with_letters(each) for each in pc.utf8_lower(pa.array(letters, pa.string())).to_pylist()]
    else:
        for name, query in zip(classes.names, class_queries(classes.names, mode, classes.class_map), strict=True):
            needed = _needed(query)
            if needed is True:
                return Candidates(None, f"looked through: {name!r} asks for beginnings of words, which are not indexed")
            found += [table.with_words(needed)] if needed else []
    rows = np.unique(np.concatenate(found))
    if len(rows) > _MOST_ROWS * table.n and not many:
        return Candidates(None, f"looked through: {len(rows):,} of {table.n:,} rows are candidates")
    return Candidates(rows, f"found by the index: {len(rows):,} of {table.n:,} rows are candidates")


def _needed(query: Query) -> FullTextQuery | bool:
    """Return what holds wherever a query does: words that must all be there; True for anything, False for nothing."""
    from lance.query import FullTextOperator, MatchQuery

    if isinstance(query, Phrase):
        words = [token for place, token in enumerate(query.tokens) if place not in query.beginnings]
        if not words:
            return bool(query.tokens)
        return MatchQuery(" ".join(words), TOKENS, operator=FullTextOperator.AND)
    left = _needed(query.left)
    if isinstance(query, Without):
        return left
    right = _needed(query.right)
    both = isinstance(query, Both)
    for one, other in ((left, right), (right, left)):
        if isinstance(one, bool):
            return other if one is both else one
    return left & right if both else left | right
