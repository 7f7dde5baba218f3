"""The way of links: each gets its id and a place, is gathered where it is new, and its harvest stored and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from goldpan.core.interrupts import gently
from goldpan.core.progress import Facts, HostFacts, Progress, Watcher
from goldpan.fetch.client import Request
from goldpan.fetch.errors import FetchError
from goldpan.stages.acquire.barn import Harvest
from goldpan.stages.acquire.config import WebConfig
from goldpan.stages.acquire.gathering import Settle, told
from goldpan.stages.acquire.links import Link
from goldpan.stages.acquire.mirror import Mirror
from goldpan.stages.acquire.output import Output
from goldpan.stages.acquire.register import Register, Ticket
from goldpan.store.failures import Failure

_NEWS_EVERY = 256  # rows


class Gathering(Protocol):
    """Who fetches and unpacks; see `Gatherer`, which does so here."""

    @property
    def arrived_bytes(self) -> int:
        """That were fetched."""
        ...

    def run(self, requests: Iterator[Request], settle: Settle, hear: Callable[[], None]) -> None:
        """Tell what came of each request, and hear what else there is."""

    def interject(self) -> None:
        """Have it heard what else there is; called where the requests are drawn, and may wait there."""

    def stop(self) -> None:
        """Fetch no more."""

    def hosts(self) -> list[HostFacts]:
        """Return how the slowest hosts do."""
        ...


class Pipeline:
    """Rows that are new are gathered, and put where `output` says, one by one as they come.

    Args:
        config: how to fetch, and what becomes of images.
        links: the rows; drawn in a thread.
        register: gives them their ids.
        output: where images go.
        progress: counts the rows that are done with; where it watches, it is told more.
    """

    def __init__(
        self, config: WebConfig, links: Iterable[Link], register: Register, output: Output, progress: Progress
    ) -> None:
        self._links, self._register, self._output, self._progress = links, register, output, progress
        self._mirror = Mirror(config.mirror) if config.mirror else None
        self._failures: Counter[str] = Counter()
        self._requested = self._arrived = self._passed = 0

    def run(self, gathering: Gathering, tell: Callable[[Harvest], None]) -> None:
        """Do it all; what the links raise is raised here.

        Args:
            gathering: fetches and unpacks.
            tell: called with what the workspace is to be told.
        """
        self._tell = tell
        if isinstance(self._progress, Watcher):
            self._progress.watch(lambda: Facts(self._failures.copy(), gathering.hosts(), gathering.arrived_bytes))
        with gently(gathering.stop):  # what came is unpacked still
            gathering.run(self._requests(gathering), self._settle, self._pass)
        self._hear(last=True)
        self._count()

    def refetch(self, gathering: Gathering, tickets: Iterable[Ticket], tell: Callable[[Harvest], None]) -> None:
        """Gather rows that were counted before; they are told of as by `run`, once it is done."""
        self._tell = tell

        def settle(ticket: Ticket, harvest: Harvest) -> None:
            self._store(ticket, harvest)
            self._progress.advance(0, len(harvest.failures))

        with gently(gathering.stop):
            gathering.run((request for ticket in tickets for request in self._request(ticket)), settle, self._hear)

    def _requests(self, gathering: Gathering) -> Iterator[Request]:
        """Yield what is to be fetched; may run in another thread."""
        for number, link in enumerate(self._links, 1):
            ticket = self._register.enter(link, self._output.next(link))
            if ticket is not None and self._output.is_wanted(ticket):
                for request in self._request(ticket):
                    self._requested += 1
                    yield request
            if number % _NEWS_EVERY == 0:  # also where nothing is fetched for long
                gathering.interject()
        self._output.end()

    def _request(self, ticket: Ticket) -> Iterator[Request]:
        try:
            request = Request(ticket, self._mirror.address(ticket.link) if self._mirror else ticket.link.url)
        except FetchError as error:
            failure = Failure(ticket.id, error.reason, told(ticket.link.url, error.detail))
            self._register.turn_away(ticket, failure)
            self._output.turn_away(ticket, failure)
        else:
            yield request

    def _settle(self, ticket: Ticket, harvest: Harvest) -> None:
        """Store what came of a row, and count it."""
        self._store(ticket, harvest)
        self._arrived += 1
        self._count(len(harvest.failures))

    def _store(self, ticket: Ticket, harvest: Harvest) -> None:
        self._hear()
        for out in self._output.store(ticket, harvest):
            self._tell(out)
        self._failures.update(failure.reason.value for failure in harvest.failures)

    def _pass(self) -> None:
        """Store and count rows that were not fetched."""
        self._hear()
        self._count()

    def _count(self, failed: int = 0) -> None:
        """Tell of all rows that were entered and are not on their way."""
        passed = self._register.entered - self._requested + self._arrived
        self._progress.advance(passed - self._passed, failed)
        self._passed = passed

    def _hear(self, *, last: bool = False) -> None:
        for harvest in self._output.news(last=last):
            self._tell(harvest)
