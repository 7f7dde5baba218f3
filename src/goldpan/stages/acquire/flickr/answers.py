"""Pages that Flickr answered, kept as they came: a page that is kept is not asked for again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from goldpan.stages.acquire.flickr.api import Answer
from goldpan.store.tables import Table


class Kept(NamedTuple):
    """An answer, and when it came."""

    answer: Answer
    at: datetime


class Answers:
    """The `searches` table: one row an answered page, committed at once.

    Args:
        table: of the workspace.
        round_: which of several times of asking; each has answers of its own.
    """

    def __init__(self, table: Table, round_: str) -> None:
        self._table = table
        self._round = {"round": round_} if round_ else {}
        rows = table.to_table(columns=["query", "page"]).to_pylist()
        self._places = {(row["query"], row["page"]): place for place, row in enumerate(rows)}
        self._rows = len(rows)

    def get(self, query: Mapping[str, Any], page: int) -> Kept | None:
        """Return what was answered before, or None."""
        place = self._places.get((self._text(query), page))
        dataset = self._table.dataset()
        if place is None or dataset is None:
            return None
        row = dataset.take([place]).to_pylist()[0]
        return Kept(Answer(row["pages"], row["total"], json.loads(row["photos"])), row["at"])

    def add(self, query: Mapping[str, Any], page: int, answer: Answer) -> Kept:
        """Keep an answer."""
        now, text = datetime.now(UTC), self._text(query)
        about = {"query": text, "page": page, "pages": answer.pages, "total": answer.total, "at": now}
        self._table.append_rows([about | {"photos": json.dumps(answer.photos)}])
        self._places[text, page] = self._rows
        self._rows += 1
        self._table.compact()
        return Kept(answer, now)

    def _text(self, query: Mapping[str, Any]) -> str:
        return json.dumps({**query, **self._round}, sort_keys=True)
