"""What links name, fetched and unpacked by the workers of a cluster.

All links of a host go to one worker, which keeps the manners of `goldpan.fetch` towards it: its rate, its robots.txt,
its failures. Bytes go from the worker to the store, and only what is said of them to the one who commits.
"""

from __future__ import annotations

import zlib
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from goldpan.compute.lanes import Lanes
from goldpan.compute.ray import RayExecutor
from goldpan.core.progress import HostFacts
from goldpan.fetch.client import Request
from goldpan.fetch.errors import FetchError
from goldpan.fetch.urls import parse_url
from goldpan.stages.acquire.config import WebConfig
from goldpan.stages.acquire.fetch_lane import Ended, FetchLane
from goldpan.stages.acquire.gathering import HOSTS_SHOWN, Settle
from goldpan.stages.acquire.register import Key, Ticket
from goldpan.store.workspace import Workspace

_DEALT_AT_ONCE = 4096


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
