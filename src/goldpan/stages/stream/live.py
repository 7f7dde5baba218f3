"""Which tags are live, and for which rows they stand."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from goldpan.core.records import Ids
from goldpan.formats.runbook import Delete, Insert, Replace, Runbook, Step


class Change(NamedTuple):
    """What a step does to an index: first `removed` go, then `added` come.

    Attributes:
        removed: tags that go.
        gone: the rows they stood for.
        added: tags that come.
        rows: the rows they stand for.
    """

    removed: Ids
    gone: Ids
    added: Ids
    rows: Ids


class Live:
    """The state of a stream.

    Attributes:
        row_of: ``(n,)`` row of the base that a tag stands for, -1 where the tag is not live.
    """

    def __init__(self, runbook: Runbook) -> None:
        self.row_of: Ids = np.full(runbook.rows, -1, np.int64)

    @property
    def tags(self) -> Ids:
        """The live tags, ascending."""
        return np.flatnonzero(self.row_of >= 0)

    def apply(self, step: Step) -> Change:
        """Take a step; a search changes nothing. That it is possible is the reader's care (`read_runbook`)."""
        none = np.empty(0, np.int64)
        removed, added, rows = none, none, none
        match step:
            case Insert(start, end):
                added = rows = np.arange(start, end)
            case Delete(start, end):
                removed = np.arange(start, end)
            case Replace(tags_start, tags_end, ids_start, ids_end):
                removed = added = np.arange(tags_start, tags_end)
                rows = np.arange(ids_start, ids_end)
        change = Change(removed, self.row_of[removed], added, rows)
        self.row_of[removed] = -1
        self.row_of[added] = rows
        return change
