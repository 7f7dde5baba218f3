"""The door of a workspace: which rows of a source are new, and how many of the others there are."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from enum import Enum, auto

from goldpan.core.errors import Reason
from goldpan.store.failures import Failure
from goldpan.store.workspace import Workspace


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
        self._failed = {source: failures.reasons() for source, failures in self.failures.items()}
        rows = ws.images.to_table(columns=["id", "source"])
        self._owner = dict(zip(rows["id"].to_pylist(), rows["source"].dictionary_encode().to_pylist(), strict=True))
        self._retry = retry
        self._met: set[str] = set()
        self._repeats: Counter[str] = Counter()
        self.seen = 0
        self.known = 0
        self.admitted = 0
        self.failed_before: Counter[str] = Counter()
        self.turned_away: deque[tuple[str, Failure]] = deque()

    def meet(self, source: str, key: str) -> Fate:
        """Count one row of a source by its id; tell what is to be done with it."""
        self.seen += 1
        if key in self._met:
            self._repeats[key] += 1
            again = f"{key}#{self._repeats[key] + 1}"
            return self._collide(source, again, f"the source holds the id {key} more than once")
        self._met.add(key)
        if self._has_failed(source, key):
            return Fate.FAILED_BEFORE
        owner = self._owner.get(key)
        if owner is not None and owner != source:
            return self._collide(source, key, f"the id exists already, from {owner}; give this source an --id-prefix")
        self.known += owner is not None
        self.admitted += owner is None
        return Fate.FRESH if owner is None else Fate.KNOWN

    def is_taken(self, source: str, key: str) -> bool:
        """Tell whether an id was met before, or belongs to a row of another source."""
        return key in self._met or self._owner.get(key, source) != source

    def turn_away(self, source: str, failure: Failure) -> None:
        """Keep the failure of a row that was met until it is written."""
        self.turned_away.append((source, failure))

    def reason_of(self, source: str, key: str) -> Reason | None:
        """Return why an id of a source failed before; None where it did not."""
        reason = self._failed[source].get(key)
        return None if reason is None else Reason(reason)

    def tried_again(self, source: str, keys: Sequence[str]) -> list[str]:
        """Return those of some ids of a source that failed before."""
        failed = self._failed[source]
        return [key for key in keys if key in failed]

    def _has_failed(self, source: str, key: str) -> bool:
        """Count an id that failed before and is left alone."""
        reason = self._failed[source].get(key)
        if reason is None or reason in self._retry:
            return False
        self.failed_before[reason] += 1
        return True

    def _collide(self, source: str, key: str, detail: str) -> Fate:
        if self._has_failed(source, key):
            return Fate.FAILED_BEFORE
        self.admitted += 1
        self.turn_away(source, Failure(key, Reason.DUPLICATE_ID, detail))
        return Fate.ID_IS_TAKEN
