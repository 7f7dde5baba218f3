"""Lists of URLs: fetched in a thread, decoded in processes of their own, committed here."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

from goldpan.compute.ahead import Ahead
from goldpan.compute.executor import Executor
from goldpan.compute.sturdy import Lost, Sturdy
from goldpan.core.errors import InputError, Reason
from goldpan.core.progress import Progress
from goldpan.core.records import Report
from goldpan.fetch.client import Fetched, Fetcher, Missed, Request
from goldpan.fetch.errors import FetchError
from goldpan.fetch.retry import is_transient
from goldpan.stages.acquire.barn import Barn, Harvest
from goldpan.stages.acquire.config import TRANSIENT, UrlsConfig, WebConfig
from goldpan.stages.acquire.door import Door
from goldpan.stages.acquire.intake import absolute
from goldpan.stages.acquire.links import Link, check_columns, read_links
from goldpan.stages.acquire.mirror import Mirror
from goldpan.stages.acquire.provenance import joined, of_fetch
from goldpan.stages.acquire.register import Register, Ticket
from goldpan.stages.acquire.repeats import settled_repeats
from goldpan.stages.acquire.unpacking import Parcel, Unpacked, unpack
from goldpan.stages.stage import Stage
from goldpan.store.blobs import blob_uri
from goldpan.store.failures import Failure
from goldpan.store.workspace import Workspace

_MAX_WAITING_BYTES = 64 << 20
_DECODE_SECONDS = 60.0
_DECODE_BYTES = 2 << 30


def run(ws: Workspace, config: UrlsConfig, executor: Executor, progress: Progress) -> Report:
    """Fetch what lists of URLs name; each row becomes an image or a failure, and the same again fetches nothing.

    Raises:
        InputError: a list cannot be read, or no column of it is that of the URLs.
    """
    lists = {f"urls:{absolute(path)}": path for path in (_find(ws, path) for path in config.lists)}
    for path in lists.values():
        check_columns(path, config)
    links = (link for source, path in lists.items() for link in read_links(path, source, config))
    report = bring_in(ws, config, list(lists), links, executor.workers, progress)
    if report.rows_in == 0:
        raise InputError(f"No URLs in {', '.join(map(str, config.lists))}; name lists that hold some.")
    if any(is_transient(Reason(reason)) for reason in report.failures):
        report.next_steps.insert(0, _retry_command(ws, config))
    return report


def bring_in(
    ws: Workspace, config: WebConfig, sources: Sequence[str], links: Iterable[Link], workers: int, progress: Progress
) -> Report:
    """Fetch what links name; each becomes an image or a failure.

    Args:
        ws: the workspace.
        config: how to fetch, and what becomes of images.
        sources: the names of all sources that links may have.
        links: what to fetch; drawn in a thread.
        workers: processes that decode.
        progress: told of each link that is settled.
    """
    with ExitStack() as held:
        for source in sources:
            held.enter_context(ws.writing(source))
        door = Door(ws, sources, config.reasons_to_retry)
        barn = Barn(ws, door)
        register = held.enter_context(closing(Register(door, config.id_prefix, ws.path)))

        def settle(harvest: Harvest) -> None:
            barn.add(harvest)
            progress.advance(len(harvest.rows) + len(harvest.failures), len(harvest.failures))

        progress.start("acquire urls")
        try:
            _Pipeline(config, links, register, settle).run(workers)
            barn.flush()
            for harvest in settled_repeats(ws, register.repeats()):
                settle(harvest)
        finally:  # what is known when a run breaks off is kept
            barn.flush()
            progress.finish()
    ws.images.compact()
    return barn.report()


def _find(ws: Workspace, path: Path) -> Path:
    """Return a list as it is given, or the table of that name."""
    table = ws.path / f"{path}.lance"
    return table if table.is_dir() and not path.exists() else path


class _Pipeline:
    """Rows that are new are fetched, unpacked, and handed to `settle` one by one as they come."""

    def __init__(
        self, config: WebConfig, links: Iterable[Link], register: Register, settle: Callable[[Harvest], None]
    ) -> None:
        self._config = config
        self._links = links
        self._register = register
        self._settle = settle
        self._mirror = Mirror(config.mirror) if config.mirror else None
        self._open: dict[int, Fetched] = {}

    def run(self, workers: int) -> None:
        """Do it all; what the links raise is raised here."""
        work = partial(unpack, config=self._config)
        pool = Sturdy[Parcel, Unpacked](work, workers, memory_bytes=_DECODE_BYTES, seconds=_DECODE_SECONDS)
        with (
            Fetcher(self._options()) as fetcher,
            Ahead(fetcher.fetch_all(self._requests()), _weight, _MAX_WAITING_BYTES) as arrived,
        ):
            for parcel, result in pool.map_unordered(self._parcels(arrived)):
                self._settle(_harvest(self._open.pop(parcel.number), parcel.data, result))

    def _options(self) -> WebConfig:
        """Return how to fetch: a mirror is the user's own, so it may be private and is not asked for its rules."""
        if self._mirror is None:
            return self._config
        port = self._mirror.base.port
        own = {"allow_private": True, "robots": "ignore", "ports": [*self._config.ports, port]}
        return self._config.model_copy(update=own)

    def _requests(self) -> Iterator[Request]:
        """Yield what is to be fetched; runs in the thread of the fetcher."""
        for link in self._links:
            ticket = self._register.enter(link)
            if ticket is not None:
                yield from self._request(ticket)

    def _request(self, ticket: Ticket) -> Iterator[Request]:
        try:
            yield Request(ticket, self._mirror.address(ticket.link) if self._mirror else ticket.link.url)
        except FetchError as error:
            self._register.turn_away(ticket, error.reason, _told(ticket.link.url, error.detail))

    def _parcels(self, arrived: Iterable[Fetched | Missed]) -> Iterator[Parcel]:
        """Settle what was missed; yield what came."""
        for number, item in enumerate(arrived):
            ticket: Ticket = item.key
            link = ticket.link
            if isinstance(item, Missed):
                failure = Failure(ticket.id, item.reason, _told(link.url, item.detail))
                self._settle(Harvest(link.source, failures=[failure]))
            else:
                self._open[number] = item
                yield Parcel(number, item.body, link.sha256, link.md5, link.boxes)


def _weight(item: Fetched | Missed) -> int:
    return len(item.body) if isinstance(item, Fetched) else 0


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


def _retry_command(ws: Workspace, config: UrlsConfig) -> str:
    """Return the command that tries again what may pass."""
    given = config.model_dump(mode="json", exclude_unset=True, exclude={"lists", "retry", "retry_failures"})
    words = ["goldpan", "acquire", "urls", str(ws.path), *map(str, config.lists), "--retry", TRANSIENT]
    for name, value in given.items():
        for item in value if isinstance(value, list) else [value]:
            words += [f"--{name.replace('_', '-')}", *([] if item is True else [str(item)])]
    return shlex.join(words)


STAGE = Stage("acquire urls", UrlsConfig, reads=(), writes=("images", "blobs", "failures"), run=run)
