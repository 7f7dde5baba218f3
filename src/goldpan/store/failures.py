"""Every item that did not make it: which stage, which item, why, and how often it was tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from goldpan.core.errors import Reason
from goldpan.core.text import printable
from goldpan.store.tables import Table


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
        rows = self.table.to_table(self._where, ["id", "reason"])
        return dict(zip(rows["id"].to_pylist(), rows["reason"].to_pylist(), strict=True))

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
                    "attempts": self._retried.get(failure.id, 0) + 1,
                    "at": now,
                }
                for failure in failures
            ]
        )


def quote(text: str) -> str:
    """Return `text` as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"
