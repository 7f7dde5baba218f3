"""The way of links: fetched in a thread, unpacked in processes of their own, stored and counted here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from goldpan.compute.ahead import Ahead
from goldpan.compute.sturdy import Lost, Sturdy
from goldpan.core.interrupts import gently
from goldpan.core.progress import Facts, HostFacts, Progress, Watcher
from goldpan.fetch.client import Fetched, Fetcher, Missed, Request
from goldpan.fetch.errors import FetchError
from goldpan.stages.acquire.barn import Harvest
from goldpan.stages.acquire.config import WebConfig
from goldpan.stages.acquire.links import Link
from goldpan.stages.acquire.mirror import Mirror
from goldpan.stages.acquire.output import Output
from goldpan.stages.acquire.provenance import joined, of_fetch
from goldpan.stages.acquire.register import Register, Ticket
from goldpan.stages.acquire.unpacking import Parcel, Unpacked, unpack
from goldpan.store.blobs import blob_uri
from goldpan.store.failures import Failure

_MAX_WAITING_BYTES = 64 << 20
_ITEM_BYTES = 2 << 10  # a row and what the server said, beside the body
_DECODE_SECONDS = 60.0
_DECODE_BYTES = 2 << 30
_HOSTS_SHOWN = 20
_NEWS_EVERY = 256  # rows
_Arrival = Fetched | Missed | None  # None: there are news of rows that were not fetched


class Pipeline:
    """Rows that are new are fetched, unpacked, and put where `output` says, one by one as they come.

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
        self._config, self._links = config, links
        self._register, self._output, self._progress = register, output, progress
        self._mirror = Mirror(config.mirror) if config.mirror else None
        self._fetcher = Fetcher(self._options())
        self._open: dict[int, Fetched] = {}
        self._failures: Counter[str] = Counter()
        self._requested = self._arrived = self._passed = self._bytes = 0

    def run(self, tell: Callable[[Harvest], None], workers: int) -> None:
        """Do it all; what the links raise is raised here.

        Args:
            tell: called with what the workspace is to be told.
            workers: processes that unpack.
        """
        self._tell = tell
        work = partial(unpack, config=self._config)
        pool = Sturdy[Parcel, Unpacked](work, workers, memory_bytes=_DECODE_BYTES, seconds=_DECODE_SECONDS)
        if isinstance(self._progress, Watcher):
            self._progress.watch(self.facts)
        fetched_ones = self._fetcher.fetch_all(self._requests())
        self._ahead = Ahead[_Arrival](fetched_ones, _weight, _MAX_WAITING_BYTES, self._fetcher.stop)
        with (
            self._fetcher,
            self._ahead as arrived,
            gently(self._fetcher.stop),  # what came is unpacked still
        ):
            for parcel, result in pool.map_unordered(self._parcels(arrived)):
                fetched = self._open.pop(parcel.number)
                self._settle(fetched.key, _harvest(fetched, parcel.data, result))
        self._hear(last=True)
        self._count()

    def facts(self) -> Facts:
        """Return what there is to say of the fetching at this moment."""
        hosts = self._fetcher.hosts()[:_HOSTS_SHOWN]
        shown = [HostFacts(host.name, host.done, host.failed, host.waiting, host.seconds) for host in hosts]
        return Facts(self._failures.copy(), shown, self._bytes)

    def _options(self) -> WebConfig:
        """Return how to fetch: a mirror is the user's own, so it may be private and is not asked for its rules."""
        if self._mirror is None:
            return self._config
        port = self._mirror.base.port
        own = {"allow_private": True, "robots": "ignore", "ports": [*self._config.ports, port]}
        return self._config.model_copy(update=own)

    def _requests(self) -> Iterator[Request]:
        """Yield what is to be fetched; runs in the thread of the fetcher."""
        for number, link in enumerate(self._links, 1):
            ticket = self._register.enter(link, self._output.next(link))
            if ticket is not None and self._output.is_wanted(ticket):
                yield from self._request(ticket)
            if number % _NEWS_EVERY == 0:  # also where nothing is fetched for long
                self._ahead.interject(None)
        self._output.end()

    def _request(self, ticket: Ticket) -> Iterator[Request]:
        try:
            request = Request(ticket, self._mirror.address(ticket.link) if self._mirror else ticket.link.url)
        except FetchError as error:
            failure = Failure(ticket.id, error.reason, _told(ticket.link.url, error.detail))
            self._register.turn_away(ticket, failure)
            self._output.turn_away(ticket, failure)
        else:
            self._requested += 1
            yield request

    def _parcels(self, arrived: Iterable[_Arrival]) -> Iterator[Parcel]:
        """Settle what was missed; yield what came."""
        for number, item in enumerate(arrived):
            if item is None:
                self._hear()
                self._count()
                continue
            ticket: Ticket = item.key
            link = ticket.link
            if isinstance(item, Missed):
                failure = Failure(ticket.id, item.reason, _told(link.url, item.detail))
                self._settle(ticket, Harvest(link.source, failures=[failure]))
            else:
                self._bytes += len(item.body)
                self._open[number] = item
                yield Parcel(number, item.body, link.sha256, link.md5, link.boxes)

    def _settle(self, ticket: Ticket, harvest: Harvest) -> None:
        """Store what came of a row, and count it."""
        self._hear()
        for out in self._output.store(ticket, harvest):
            self._tell(out)
        self._failures.update(failure.reason.value for failure in harvest.failures)
        self._arrived += 1
        self._count(len(harvest.failures))

    def _count(self, failed: int = 0) -> None:
        """Tell of all rows that were entered and are not on their way."""
        passed = self._register.entered - self._requested + self._arrived
        self._progress.advance(passed - self._passed, failed)
        self._passed = passed

    def _hear(self, *, last: bool = False) -> None:
        for harvest in self._output.news(last=last):
            self._tell(harvest)


def _weight(item: _Arrival) -> int:
    return _ITEM_BYTES + (len(item.body) if isinstance(item, Fetched) else 0)


def _told(url: str, problem: str) -> str:
    """Return a failure for a person to read; a URL may hold anything."""
    return f"{url if url.isprintable() else ascii(url)}: {problem}"


def _harvest(fetched: Fetched, data: bytes, result: Unpacked | Lost) -> Harvest:
    """Return the row of `images` that came of a URL, or the failure."""
    ticket: Ticket = fetched.key
    link = ticket.link
    if isinstance(result, Lost):
        kind = fetched.headers.get("content-type", "no type")
        detail = _told(link.url, f"{result.detail} (sent as {kind})")
        return Harvest(link.source, failures=[Failure(ticket.id, result.reason, detail)])
    sha256 = result.columns["sha256"]
    row = {
        "id": ticket.id,
        "uri": blob_uri(sha256),
        "source": link.source,
        **result.columns,
        **link.fields,
        "extra": joined(link.extra, of_fetch(fetched, link.url) | result.extra),
    }
    return Harvest(link.source, [row], blobs={sha256: data if result.data is None else result.data})
