"""The one way to fetch a URL.

What a fetch may take is bounded in every respect: see `FetchOptions`. What it may reach is the public internet over
http and https: see `urls`, `addresses` and `exchange`. How it treats a host: see `hosts`, `breaker` and `permits`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from math import inf
from pathlib import Path
from typing import NamedTuple, Self

from goldpan.fetch.download import Download
from goldpan.fetch.errors import FetchError
from goldpan.fetch.exchange import Receiver
from goldpan.fetch.options import FetchOptions
from goldpan.fetch.part import Checks
from goldpan.fetch.records import Fetched, HostReport, Missed, Request
from goldpan.fetch.resolver import Resolver
from goldpan.fetch.robots import RobotsCache
from goldpan.fetch.run import Run, Stopped
from goldpan.fetch.wire import Wire

__all__ = ["FetchError", "FetchOptions", "Fetched", "Fetcher", "HostReport", "Missed", "Request"]


class _Line(NamedTuple):
    """What one run at a time needs; it keeps connections and the rules of sites for the next run."""

    wire: Wire
    resolver: Resolver
    robots: RobotsCache

    def close(self) -> None:
        self.wire.close()
        self.resolver.close()


class Fetcher:
    """Fetches URLs, each for a result or a reason.

    It may be used from several threads; each run (`fetch_all`, `fetch`, `download`) does its work in the thread that
    asks for it.

    Example:
        >>> with Fetcher(FetchOptions(contact="me@example.org")) as fetcher:
        ...     for result in fetcher.fetch_all(Request(url, url) for url in []):
        ...         print(result)
    """

    def __init__(self, options: FetchOptions | None = None) -> None:
        self.options = options or FetchOptions()
        self._free: list[_Line] = []
        self._run: Run | None = None
        self._stopped = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that were kept."""
        while self._free:
            self._free.pop().close()

    def fetch_all(self, requests: Iterable[Request | None]) -> Iterator[Fetched | Missed]:
        """Yield one result for each request, as they come.

        Requests are taken in as there is something to do for them, up to `look_ahead` of them ahead of the results:
        beyond that, the hosts that are waited for hold the rest up. None among them says that there is none at the
        moment; within a second the next is asked for. While the caller is busy with a result no deadline runs.
        """
        with suppress(Stopped), self._line() as line:
            self._run = Run(self.options, *line)
            yield from self._run.results(requests, self._stopped.is_set)

    def stop(self) -> None:
        """Let every `fetch_all` end within a second, from whatever thread; what is under way comes to nothing."""
        self._stopped.set()

    def fetch(self, url: str) -> Fetched:
        """Return what one URL holds.

        Raises:
            FetchError: it cannot be fetched, or may not be.
        """
        with self._line() as line:
            (result,) = Run(self.options, *line).results([Request(None, url)])
        if isinstance(result, Missed):
            raise FetchError(result.reason, result.detail)
        return result

    def download(
        self,
        url: str,
        path: str | Path,
        *,
        sha256: str | None = None,
        md5: str | None = None,
        size: int | None = None,
        resume: bool = True,
        on_bytes: Callable[[int], None] | None = None,
    ) -> Path:
        """Bring one large file to `path`, where it appears whole or not at all.

        What comes is written to `path` with `.part` added. A download that broke off, in whatever way, goes on where
        that ends, as long as the server still has the same file (its ETag or date, kept in `.part.etag`) or the sum
        given here shows that it does. A file that is there already, and is what is said here, is left as it is. There
        is no limit to its size nor to its time, but `min_rate` holds; attempts that fail after some bytes came do not
        count towards `retries`. A file that a person names is not crawled: robots.txt and opt-outs are not asked for.

        Args:
            url: where it is.
            path: where it goes; folders above are made.
            sha256: of the file, hexadecimal.
            md5: of the file, hexadecimal.
            size: of the file, bytes.
            resume: whether to go on with what is there of it.
            on_bytes: told how many bytes are there already and then how many came; a negative number where it has to
                begin anew. What it raises ends the download.

        Raises:
            FetchError: it cannot be fetched, or is not what it is said to be (WRONG_HASH).
            InputError: it cannot be written, or another process downloads it.
        """
        options = self.options.model_copy(update={"retries": 0, "robots": "ignore"})

        def ask(request: Request, receiver: Receiver) -> Fetched | Missed:
            with self._line() as line:
                (result,) = Run(options, *line, lambda: receiver, seconds=inf).results([request])
            return result

        checks = Checks(sha256, md5, size)
        return Download(ask, url, Path(path), checks, self.options.retries, on_bytes).run(resume=resume)

    def hosts(self) -> list[HostReport]:
        """Return how each host of the last `fetch_all` does, the slowest first."""
        return self._run.hosts.reports() if self._run else []

    @contextmanager
    def _line(self) -> Iterator[_Line]:
        line = self._free.pop() if self._free else self._new_line()
        try:
            yield line
            self._free.append(line)
        except BaseException:
            line.close()
            raise

    def _new_line(self) -> _Line:
        wire, resolver = Wire(self.options), Resolver(tuple(self.options.name_servers))
        wire.listen(resolver.bell)
        return _Line(wire, resolver, RobotsCache(self.options.robot))
