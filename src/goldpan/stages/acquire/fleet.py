"""What links name, fetched and unpacked by the workers of a cluster.

All links of a host go to one worker, which keeps the manners of `goldpan.fetch` towards it: its rate, its robots.txt,
its failures. Bytes go from the worker to the store, and only what is said of them to the one who commits.
"""

from __future__ import annotations

import queue
import threading
import zlib
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from goldpan.compute.lanes import Lanes, Turn
from goldpan.compute.ray import RayExecutor
from goldpan.core.progress import HostFacts
from goldpan.fetch.client import Request
from goldpan.fetch.errors import FetchError
from goldpan.fetch.urls import parse_url
from goldpan.stages.acquire.barn import Harvest
from goldpan.stages.acquire.config import WebConfig
from goldpan.stages.acquire.gathering import HOSTS_SHOWN, Gatherer, Settle
from goldpan.stages.acquire.register import Key, Ticket
from goldpan.store.pace import Pace
from goldpan.store.workspace import Workspace

_DEALT_AT_ONCE = 4096
_ENDED_AT_ONCE = 1000
_MOST_BYTES = 64 << 20
_QUEUED = 256
_WAIT_S = 0.2


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


class Fleet:
    """Fetches and unpacks on a cluster; does for the one who commits what `Gatherer` does on one machine.

    Args:
        ws: the workspace.
        config: how to fetch, and what becomes of images; connections are those of each worker.
        executor: joins the cluster.
        folder: to stage bytes in; where None they travel with their rows.
    """

    def __init__(self, ws: Workspace, config: WebConfig, executor: RayExecutor, folder: Path | None) -> None:
        self._config, self._executor = config, executor
        self._lanes = Lanes(executor, partial(FetchLane, ws, config, folder), self._deal)
        self._requests: Iterator[Request] = iter(())
        self._hear: Callable[[], None] = lambda: None
        self._queues: defaultdict[int, deque[Request]] = defaultdict(deque)
        self._queued = 0
        self._tickets: dict[Key, Ticket] = {}
        self._last: dict[int, Ended] = {}

    @property
    def arrived_bytes(self) -> int:
        """That were fetched, as far as is known."""
        return sum(ended.arrived_bytes for ended in self._last.values())

    def run(self, requests: Iterator[Request], settle: Settle, hear: Callable[[], None]) -> None:
        """Tell what came of each request; see `Gatherer.run`."""
        self._requests, self._hear = requests, hear
        for lane, ended in self._lanes.results():
            self._last[lane] = ended
            for key, harvest in ended.harvests:
                settle(self._tickets.pop(key), harvest)
            hear()

    def interject(self) -> None:
        """Hear what else there is."""
        self._hear()

    def stop(self) -> None:
        """Fetch no more."""
        self._lanes.stop()

    def hosts(self) -> list[HostFacts]:
        """Return how the slowest hosts do, as far as is known."""
        hosts = [host for ended in list(self._last.values()) for host in ended.hosts]
        return sorted(hosts, key=lambda host: -host.seconds)[:HOSTS_SHOWN]

    def _deal(self, lane: int, under_way: int) -> dict[Key, Request]:
        """Draw requests, which are kept for the lanes of their hosts, until there are enough for this one."""
        look_ahead, workers = self._config.look_ahead, self._executor.workers
        most = min(_DEALT_AT_ONCE, max(1, look_ahead // workers) - under_way)
        waiting = self._queues[lane]
        while len(waiting) < most and self._queued < look_ahead and (request := next(self._requests, None)):
            self._queues[self._lane_of(request) % workers].append(request)
            self._queued += 1
        dealt = [waiting.popleft() for _ in range(min(most, len(waiting)))]
        self._queued -= len(dealt)
        self._tickets |= {request.key.key: request.key for request in dealt}
        return {request.key.key: request for request in dealt}

    def _lane_of(self, request: Request) -> int:
        """Return a number for the host; for the URL where all are fetched from a mirror, which serves all workers."""
        try:
            name = request.url if self._config.mirror else parse_url(request.url).host
        except FetchError:  # as whoever gets it will say
            name = ""
        return zlib.crc32(name.encode())


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
        self._ended: queue.Queue[Any] = queue.Queue(_QUEUED)
        self._under_way = 0
        self._thread = threading.Thread(target=self._work, name="fetch", daemon=True)

    def turn(self, requests: Sequence[Request]) -> Turn:
        """Take requests in; tell of those that have ended, once they are many, or large, or it is time."""
        for request in requests:
            self._given.put(request)
        self._under_way += len(requests)
        if not self._thread.ident:
            self._thread.start()
        harvests = list(self._harvests())
        self._under_way -= len(harvests)
        if self._folder is not None:
            self._stage([harvest for _, harvest in harvests], self._folder)
        ended = Ended(harvests, self._gatherer.hosts(), self._gatherer.arrived_bytes)
        return Turn([key for key, _ in harvests], ended)

    def stop(self) -> None:
        """Fetch no more; what came is unpacked still."""
        self._gatherer.stop()

    def _stage(self, harvests: list[Harvest], folder: Path) -> None:
        """Write all bytes as one piece, which goes with the first of the harvests."""
        for harvest in harvests[1:]:
            harvests[0].blobs |= harvest.blobs
            harvest.blobs = {}
        for harvest in harvests[:1]:
            harvest.stage(self._ws.blobs, folder)

    def _harvests(self) -> Iterator[tuple[Key, Harvest]]:
        number = size = 0
        while number < min(self._under_way, _ENDED_AT_ONCE) and not self._pace.is_due(size):
            try:
                item = self._ended.get(timeout=_WAIT_S)
            except queue.Empty:
                continue
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            number += 1
            size += sum(map(len, item[1].blobs.values()))
            yield item

    def _work(self) -> None:
        """Fetch in a thread of its own, turn after turn."""
        try:
            self._gatherer.run(self._requests(), lambda ticket, harvest: self._ended.put((ticket.key, harvest)))
            self._ended.put(None)
        except BaseException as error:  # noqa: BLE001  raised by the turn
            self._ended.put(error)

    def _requests(self) -> Iterator[Request | None]:
        while True:
            try:
                yield self._given.get_nowait()
            except queue.Empty:
                yield None
