"""A plan while it is written: operations in order, and how many points are live."""

from __future__ import annotations

from dataclasses import dataclass, field

from goldpan.core.records import Ids

Operation = tuple[str, int, int] | tuple[str, int, int, int, int] | tuple[str]


@dataclass(slots=True)
class Plan:
    """A stream as operations on contiguous ranges, which is all a runbook can say.

    Attributes:
        operations: ``("insert", start, end)``, ``("delete", start, end)``,
            ``("replace", tags_start, tags_end, ids_start, ids_end)`` and ``("search",)``, in order.
        max_pts: largest number of points live at a time.
        order: ``(n,)`` row of the base that is row i of the stream; None where the stream takes the base as it lies.
    """

    operations: list[Operation] = field(default_factory=list)
    max_pts: int = 0
    order: Ids | None = None
    _live: int = 0

    def insert(self, start: int, end: int) -> None:
        """Insert rows; nothing where the range is empty."""
        self._change("insert", start, end, end - start)

    def delete(self, start: int, end: int) -> None:
        """Delete tags; nothing where the range is empty."""
        self._change("delete", start, end, start - end)

    def replace(self, tags_start: int, ids_start: int, count: int) -> None:
        """Let `count` tags stand for other rows; nothing where it is 0."""
        if count > 0:
            self.operations.append(("replace", tags_start, tags_start + count, ids_start, ids_start + count))

    def search(self) -> None:
        """Search, unless nothing is live."""
        if self._live:
            self.operations.append(("search",))

    def _change(self, name: str, start: int, end: int, live: int) -> None:
        if end > start:
            self.operations.append((name, start, end))
            self._live += live
            self.max_pts = max(self.max_pts, self._live)
