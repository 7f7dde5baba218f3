"""A worker of a fleet: fetches and unpacks in a thread, and tells of what has ended in batches."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from goldpan.compute.lanes import Turn
from goldpan.core.progress import HostFacts
from goldpan.fetch.client import Request
from goldpan.stages.acquire.barn import Harvest
from goldpan.stages.acquire.config import WebConfig
from goldpan.stages.acquire.digests import DigestMap
from goldpan.stages.acquire.gathering import Gatherer
from goldpan.stages.acquire.register import Key, Ticket
from goldpan.store.pace import Pace
from goldpan.store.workspace import Workspace

_MOST_ENDED = 1000
_MOST_BYTES = 64 << 20


class Ended(NamedTuple):
    """What came of some requests at a worker.

    Attributes:
        harvests: of each of them.
        hosts: how the slowest hosts of the worker do.
        arrived_bytes: that the worker fetched until now.
    """

    harvests: list[tuple[Key, Harvest]]
    hosts: list[HostFacts]
    arrived_bytes: int


class FetchLane:
    """What a worker of the fleet does.

    Args:
        ws: the workspace.
        config: how to fetch, and what becomes of images.
        folder: to stage bytes in; where None they travel with their rows.
    """

    def __init__(self, ws: Workspace, config: WebConfig, folder: Path | None) -> None:
        self._ws, self._folder = ws, folder
        self._gatherer = Gatherer(config, workers=1)
        self._pace = Pace(_MOST_BYTES)
        self._given: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self._batch = _Batch()
        self._staged = DigestMap()
        self._under_way = 0
        self._thread = threading.Thread(target=self._work, name="fetch", daemon=True)

    def turn(self, requests: Sequence[Request]) -> Turn:
        """Take requests in; tell of those that have ended, once they are many, or large, or it is time."""
        for request in requests:
            self._given.put(request)
        self._under_way += len(requests)
        if not self._thread.ident:
            self._thread.start()
        harvests = self._batch.take(min(self._under_way, _MOST_ENDED), self._pace.seconds)
        self._under_way -= len(harvests)
        if self._folder is not None:
            self._stage([harvest for _, harvest in harvests], self._folder)
        ended = Ended(harvests, self._gatherer.hosts(), self._gatherer.arrived_bytes)
        return Turn([key for key, _ in harvests], ended)

    def stop(self) -> None:
        """Fetch no more; what came is unpacked still."""
        self._gatherer.stop()

    def _stage(self, harvests: list[Harvest], folder: Path) -> None:
        """Write all bytes that are new here as one piece, which goes with the first of the harvests."""
        fresh: dict[str, bytes] = {}
        for harvest in harvests:
            fresh |= {sha256: data for sha256, data in harvest.blobs.items() if not self._staged.put(sha256, 1)}
            harvest.blobs = {}
        for harvest in harvests[:1]:
            harvest.blobs = fresh
            harvest.stage(self._ws.blobs, folder)

    def _work(self) -> None:
        """Fetch in a thread of its own, turn after turn."""
        try:
            self._gatherer.run(self._requests(), self._batch.put)
            self._batch.end()
        except BaseException as error:  # noqa: BLE001  raised by the turn
            self._batch.end(error)

    def _requests(self) -> Iterator[Request | None]:
        while True:
            try:
                yield self._given.get_nowait()
            except queue.Empty:
                yield None


class _Batch:
    """What has ended and was not told yet. Who takes it is not woken for each: threads that do little else would."""

    def __init__(self) -> None:
        self._harvests: list[tuple[Key, Harvest]] = []
        self._bytes = 0
        self._wanted = 1
        self._is_over = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()

    def put(self, ticket: Ticket, harvest: Harvest) -> None:
        """Add a harvest, once there is room for it."""
        size = sum(map(len, harvest.blobs.values()))
        with self._changed:
            self._changed.wait_for(lambda: self._bytes < _MOST_BYTES)
            self._harvests.append((ticket.key, harvest))
            self._bytes += size
            if self._is_due():
                self._changed.notify()

    def end(self, error: BaseException | None = None) -> None:
        """Say that there will be no more, and why."""
        with self._changed:
            self._is_over, self._error = True, error
            self._changed.notify()

    def take(self, wanted: int, seconds: float) -> list[tuple[Key, Harvest]]:
        """Take all that there is, once it is `wanted` harvests, or large, or after so many seconds.

        Raises:
            BaseException: what ended it, once all before was taken.
        """
        with self._changed:
            self._wanted = wanted
            self._changed.wait_for(self._is_due, seconds)
            harvests, self._harvests, self._bytes = self._harvests, [], 0
            if self._error is not None and not harvests:
                raise self._error
            self._changed.notify()
        return harvests

    def _is_due(self) -> bool:
        return self._is_over or len(self._harvests) >= self._wanted or self._bytes >= _MOST_BYTES
