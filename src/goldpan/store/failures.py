"""Every item that did not make it: which stage, which item, why, and how often it was tried."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from goldpan.core.errors import Reason
from goldpan.core.text import printable
from goldpan.store.tables import Table

_READ_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class Failure:
    """One item that failed."""

    id: str
    reason: Reason
    detail: str


class Failures:
    """The failures of one stage within one scope (a source, an encoder): read, written and retried together."""

    def __init__(self, table: Table, stage: str, scope: str) -> None:
        self.table = table
        self.stage = stage
        self.scope = scope
        self._where = f"stage = {quote(stage)} AND scope = {quote(scope)}"
        self._retried: dict[str, int] = {}

    def reasons(self) -> dict[str, str]:
        """Return the reason of every id that failed before."""
        return dict(self.scan())

    def scan(self) -> Iterator[tuple[str, str]]:
        """Yield every id that failed before, and why, in bounded memory."""
        for batch in self.table.scan(["id", "reason"], self._where, _READ_ROWS):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

    def forget(self, ids: Sequence[str]) -> None:
        """Take failures off the table because their items are tried again, remembering how often they were."""
        if not ids:
            return
        listed = f"{self._where} AND id IN ({', '.join(quote(key) for key in ids)})"
        rows = self.table.to_table(listed, ["id", "attempts"]).to_pylist()
        self._retried |= {row["id"]: row["attempts"] for row in rows}
        self.table.delete(listed)

    def add(self, failures: Sequence[Failure]) -> None:
        """Append failures in one commit."""
        now = datetime.now(UTC)
        self.table.append_rows(
            [
                {
                    "stage": self.stage,
                    "scope": self.scope,
                    "id": failure.id,
                    "reason": failure.reason.value,
                    "detail": printable(failure.detail[:1000]),
                    "attempts": self._retried.pop(failure.id, 0) + 1,
                    "at": now,
                }
                for failure in failures
            ]
        )


def quote(text: str) -> str:
    """Return `text` as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"
