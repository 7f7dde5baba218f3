"""What links name, fetched in a thread and unpacked in processes of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from goldpan.compute.ahead import Ahead
from goldpan.compute.sturdy import Lost, Sturdy
from goldpan.core.progress import HostFacts
from goldpan.fetch.client import Fetched, Fetcher, Missed, Request
from goldpan.stages.acquire.barn import Harvest
from goldpan.stages.acquire.config import WebConfig
from goldpan.stages.acquire.mirror import Mirror
from goldpan.stages.acquire.provenance import joined, of_fetch
from goldpan.stages.acquire.register import Ticket
from goldpan.stages.acquire.unpacking import Parcel, Unpacked, unpack
from goldpan.store.blobs import blob_uri
from goldpan.store.failures import Failure

_MAX_WAITING_BYTES = 64 << 20
_ITEM_BYTES = 2 << 10  # a row and what the server said, beside the body
_PATIENCE_S = 0.2
_DECODE_SECONDS = 60.0
_DECODE_BYTES = 2 << 30
HOSTS_SHOWN = 20
_Arrival = Fetched | Missed | None
Settle = Callable[[Ticket, Harvest], None]


def _nothing() -> None:
    """Have nothing to hear."""


class Gatherer:
    """Fetches and unpacks on this machine.

    Args:
        config: how to fetch, and what becomes of images.
        workers: processes that unpack.

    Attributes:
        arrived_bytes: that were fetched.
    """

    def __init__(self, config: WebConfig, workers: int) -> None:
        self._config, self._workers = config, workers
        self._fetcher = Fetcher(_options(config))
        self._open: dict[int, Fetched] = {}
        self.arrived_bytes = 0

    def run(self, requests: Iterable[Request | None], settle: Settle, hear: Callable[[], None] = _nothing) -> None:
        """Do it all; what the requests raise is raised here.

        Args:
            requests: whose keys are tickets; drawn in a thread. None says that there is none at the moment.
            settle: told what came of each ticket, as they come.
            hear: called now and then.
        """
        work = partial(unpack, config=self._config)
        pool = Sturdy[Parcel, Unpacked](work, self._workers, memory_bytes=_DECODE_BYTES, seconds=_DECODE_SECONDS)
        fetched_ones = self._fetcher.fetch_all(requests)
        self._ahead = Ahead[_Arrival](fetched_ones, _weight, _MAX_WAITING_BYTES, self._fetcher.stop)
        with self._fetcher, self._ahead as arrived:
            for parcel, result in pool.map_unordered(self._parcels(arrived.arriving(_PATIENCE_S), settle, hear)):
                fetched = self._open.pop(parcel.number)
                settle(fetched.key, _harvest(fetched, parcel.data, result))

    def interject(self) -> None:
        """Have `hear` called; to be called where the requests are drawn, which waits where the results do."""
        self._ahead.interject(None)

    def stop(self) -> None:
        """Fetch no more, from whatever thread; what came is unpacked still."""
        self._fetcher.stop()

    def hosts(self) -> list[HostFacts]:
        """Return how the slowest hosts do at this moment."""
        hosts = self._fetcher.hosts()[:HOSTS_SHOWN]
        return [HostFacts(host.name, host.done, host.failed, host.waiting, host.seconds) for host in hosts]

    def _parcels(
        self, arrived: Iterable[_Arrival], settle: Settle, hear: Callable[[], None]
    ) -> Iterator[Parcel | None]:
        """Settle what was missed; yield what came, and None where nothing did for a while."""
        for number, item in enumerate(arrived):
            if item is None:
                hear()
                yield None
                continue
            ticket: Ticket = item.key
            link = ticket.link
            if isinstance(item, Missed):
                failure = Failure(ticket.id, item.reason, told(link.url, item.detail))
                settle(ticket, Harvest(link.source, failures=[failure]))
            else:
                self.arrived_bytes += len(item.body)
                self._open[number] = item
                yield Parcel(number, item.body, link.sha256, link.md5, link.boxes)


def told(url: str, problem: str) -> str:
    """Return a failure for a person to read; a URL may hold anything."""
    return f"{url if url.isprintable() else ascii(url)}: {problem}"


def _options(config: WebConfig) -> WebConfig:
    """Return how to fetch: a mirror is the user's own, so it may be private and is not asked for its rules."""
    if not config.mirror:
        return config
    port = Mirror(config.mirror).base.port
    return config.model_copy(update={"allow_private": True, "robots": "ignore", "ports": [*config.ports, port]})


def _weight(item: _Arrival) -> int:
    return _ITEM_BYTES + (len(item.body) if isinstance(item, Fetched) else 0)


def _harvest(fetched: Fetched, data: bytes, result: Unpacked | Lost) -> Harvest:
    """Return the row of `images` that came of a URL, or the failure."""
    ticket: Ticket = fetched.key
    link = ticket.link
    if isinstance(result, Lost):
        kind = fetched.headers.get("content-type", "no type")
        detail = told(link.url, f"{result.detail} (sent as {kind})")
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
