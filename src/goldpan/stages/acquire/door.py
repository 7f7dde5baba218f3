"""The door of a workspace: which rows of a source are new, and how many of the others there are."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from enum import Enum, auto

from goldpan.core.errors import Reason
from goldpan.stages.acquire.digests import DigestMap
from goldpan.store.failures import Failure
from goldpan.store.workspace import Workspace

_MET = 1 << 31
_READ_ROWS = 65_536
_REASONS = tuple(Reason)


class Fate(Enum):
    """What happens to a row at the door."""

    FRESH = auto()
    KNOWN = auto()
    FAILED_BEFORE = auto()
    BAD = auto()
    ID_IS_TAKEN = auto()


class Door:
    """Lets through what is new, and counts the rest.

    Args:
        ws: the workspace.
        sources: the names of all sources of this run.
        retry: reasons of failures that are tried again.

    Attributes:
        failures: of each source.
        seen: rows that came to the door.
        known: of them, rows that are in the workspace.
        failed_before: of them, by reason, those that failed before and are not tried again.
        admitted: of them, all others; each must end as a row or as a failure.
        turned_away: of the admitted, those that fail here, with their source; they wait to be written as failures.
    """

    def __init__(self, ws: Workspace, sources: Sequence[str], retry: frozenset[Reason]) -> None:
        self.failures = {source: ws.failures_of("acquire", source) for source in sources}
        self._retry = retry
        self._numbers = {source: number for number, source in enumerate(sources, start=1)}
        self._ids = DigestMap(ws.images.count())  # the number of the source that has it, and whether it was met
        for batch in ws.images.scan(["id", "source"], batch_rows=_READ_ROWS):
            for key, source in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                self._ids.put(key, self._numbers.setdefault(source, len(self._numbers) + 1))
        self._failed = DigestMap()  # the number of the reason
        for source, failures in self.failures.items():
            for key, reason in failures.scan():
                self._failed.put(self._of(source, key), 1 + _REASONS.index(reason))
        self._repeats: Counter[str] = Counter()
        self.seen = 0
        self.known = 0
        self.admitted = 0
        self.failed_before: Counter[str] = Counter()
        self.turned_away: deque[tuple[str, Failure]] = deque()

    def meet(self, source: str, key: str) -> Fate:
        """Count one row of a source by its id; tell what is to be done with it."""
        self.seen += 1
        state = self._ids.put(key, _MET)
        if state & _MET:
            self._repeats[key] += 1
            again = f"{key}#{self._repeats[key] + 1}"
            return self._collide(source, again, f"the source holds the id {key} more than once")
        if self._has_failed(source, key):
            return Fate.FAILED_BEFORE
        if state not in (0, self._numbers[source]):
            owner = next(name for name, number in self._numbers.items() if number == state)
            return self._collide(source, key, f"the id exists already, from {owner}; give this source an --id-prefix")
        self.known += state != 0
        self.admitted += state == 0
        return Fate.KNOWN if state else Fate.FRESH

    def has_met(self, key: str) -> bool:
        """Tell whether an id was met before, in whatever source."""
        return bool(self._ids[key] & _MET)

    def is_taken(self, source: str, key: str) -> bool:
        """Tell whether an id was met before, or belongs to a row of another source."""
        return self._ids[key] not in (0, self._numbers[source])

    def turn_away(self, source: str, failure: Failure) -> None:
        """Keep the failure of a row that was met until it is written."""
        self.turned_away.append((source, failure))

    def reason_of(self, source: str, key: str) -> Reason | None:
        """Return why an id of a source failed before; None where it did not."""
        number = self._failed[self._of(source, key)] if self._failed else 0
        return _REASONS[number - 1] if number else None

    def tried_again(self, source: str, keys: Sequence[str]) -> list[str]:
        """Return those of some ids of a source that failed before."""
        return [key for key in keys if self.reason_of(source, key)]

    def _has_failed(self, source: str, key: str) -> bool:
        """Count an id that failed before and is left alone."""
        reason = self.reason_of(source, key)
        if reason is None or reason in self._retry:
            return False
        self.failed_before[reason] += 1
        return True

    def _of(self, source: str, key: str) -> str:
        return f"{self._numbers[source]} {key}"

    def _collide(self, source: str, key: str, detail: str) -> Fate:
        if self._has_failed(source, key):
            return Fate.FAILED_BEFORE
        self.admitted += 1
        self.turn_away(source, Failure(key, Reason.DUPLICATE_ID, detail))
        return Fate.ID_IS_TAKEN
