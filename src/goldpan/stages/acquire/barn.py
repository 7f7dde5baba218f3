"""Where the harvest goes: rows, failures and bytes wait here for their commit, and are counted."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from goldpan.core.errors import StageError
from goldpan.core.interrupts import uninterrupted
from goldpan.core.records import Report
from goldpan.stages.acquire.door import Door
from goldpan.store.blobs import Blobs, StagedBlobs
from goldpan.store.failures import Failure
from goldpan.store.pace import FIRST_SECONDS, Pace
from goldpan.store.workspace import Workspace

_MAX_WAITING_BYTES = 64 << 20
_ROW_BYTES = 1 << 10
Commit = Callable[[], AbstractContextManager[None]]


@dataclass(slots=True)
class Harvest:
    """What came of some rows of one source.

    Attributes:
        source: its name.
        rows: of `images`.
        failures: of the other rows.
        blobs: the bytes to store, by SHA-256.
        staged: more of them, as another machine wrote them; also those of later harvests.
    """

    source: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    blobs: dict[str, bytes] = field(default_factory=dict)
    staged: list[StagedBlobs] = field(default_factory=list)

    def stage(self, blobs: Blobs, folder: Path) -> None:
        """Write the bytes beside the store, so that they do not travel."""
        if self.blobs:
            self.staged.append(blobs.stage(self.blobs, folder))
            self.blobs = {}


class Barn:
    """Commits harvests now and then; see `Pace` for what a kill can lose.

    Args:
        ws: the workspace.
        door: through which the rows came.
        during: surrounds every commit.
        seconds: between commits, at first.

    Attributes:
        settled: rows of the sources that ended as a row of `images` or as a failure.
        failed: the failures among them, by reason.
    """

    def __init__(self, ws: Workspace, door: Door, during: Commit = nullcontext, seconds: float = FIRST_SECONDS) -> None:
        self._ws = ws
        self._door = door
        self._during = during
        self._pace = Pace(_MAX_WAITING_BYTES, seconds)
        self.settled = 0
        self.failed: Counter[str] = Counter()
        self._empty()

    def add(self, harvest: Harvest) -> None:
        """Take a harvest in, and commit where it is time."""
        self._rows += harvest.rows
        self._failures[harvest.source] += harvest.failures
        self._blobs |= harvest.blobs
        self._staged += harvest.staged
        self._bytes += sum(map(len, harvest.blobs.values())) + _ROW_BYTES * (len(harvest.rows) + len(harvest.failures))
        if self._pace.is_due(self._bytes):
            self.flush()

    def flush(self) -> None:
        """Commit all that waits: bytes before the rows that need them, failures last.

        Raises:
            StageError: there are more rows and failures than rows were let through the door.
        """
        with uninterrupted(), self._during():
            rows, failures, blobs, staged = self._rows, self._failures, self._blobs, self._staged
            self._empty()
            while self._door.turned_away:  # another thread may be at the door
                source, failure = self._door.turned_away.popleft()
                failures[source].append(failure)
            new = len(rows) + sum(map(len, failures.values()))
            if self.settled + new > self._door.admitted:
                raise StageError(f"{self.settled + new:,} rows came of {self._door.admitted:,}; this is our mistake.")
            self._forget_failures(rows, failures)
            self._ws.blobs.adopt(staged)
            self._ws.blobs.put(blobs)
            self._ws.images.append_rows(rows)
            for source, items in failures.items():
                self._door.failures[source].add(items)
                self.failed.update(failure.reason.value for failure in items)
            self.settled += new

    def report(self) -> Report:
        """Return the account of a run that came to its end.

        Raises:
            StageError: not every row that was let in ended as a row or as a failure.
        """
        door = self._door
        if self.settled != door.admitted:
            raise StageError(f"{self.settled:,} rows came of {door.admitted:,}; run the same command again.")
        counts = door.failed_before + self.failed
        images = self._ws.images.count()
        return Report(
            "acquire",
            rows_in=door.seen,
            rows_out=door.seen - sum(counts.values()),
            already_done=door.known,
            failures=dict(counts),
            outputs={"images": f"{images} rows"},
            next_steps=[f"goldpan embed {self._ws.path} --encoder ..."] if images else [],
        )

    def _empty(self) -> None:
        self._rows: list[dict[str, Any]] = []
        self._failures: defaultdict[str, list[Failure]] = defaultdict(list)
        self._blobs: dict[str, bytes] = {}
        self._staged: list[StagedBlobs] = []
        self._bytes = 0

    def _forget_failures(self, rows: list[dict[str, Any]], failures: dict[str, list[Failure]]) -> None:
        """Take what was tried again off the failures, before its row appears: no row is ever in both tables."""
        settled = defaultdict(list)
        for row in rows:
            settled[row["source"]].append(row["id"])
        for source, items in failures.items():
            settled[source] += [failure.id for failure in items]
        for source, keys in settled.items():
            self._door.failures[source].forget(self._door.tried_again(source, keys))
