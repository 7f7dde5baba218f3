"""Whether a site's robots.txt allows a request; the requests that have to wait for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from goldpan.core.errors import Reason
from goldpan.fetch.body import Body
from goldpan.fetch.hosts import Host
from goldpan.fetch.job import Job
from goldpan.fetch.options import FetchOptions
from goldpan.fetch.records import Fetched, Missed, Request
from goldpan.fetch.robots import MAX_ROBOTS_BYTES, RobotsCache

_NO_FILE = frozenset({
    Reason.NOT_FOUND, Reason.FORBIDDEN, Reason.HTTP_ERROR, Reason.TOO_MANY_REDIRECTS, Reason.BAD_REDIRECT,
})  # fmt: skip


class Permits:
    """Asks each origin once for its robots.txt, by the way that every request goes.

    A site that answers 4xx, or with redirects that lead nowhere, has no rules, and all is allowed. Where robots.txt
    cannot be had (no connection, 5xx, 429) nothing may be fetched (RFC 9309, 2.3.1.4): what waits for it is missed for
    the very reason that robots.txt was, so that a later run tries it again; what comes later asks anew, within the
    limits that `breaker` sets.

    Args:
        options: of fetching.
        cache: the rules that are known.
        send: takes a job in.
        miss: told of a job that is not to be sent: its reason, a sentence, and the HTTP status.
    """

    def __init__(self, options: FetchOptions, cache: RobotsCache, send: Send, miss: Miss) -> None:
        self._obey = options.robots == "obey"
        self._cache, self._send, self._miss = cache, send, miss
        self._waiting: dict[str, list[Job]] = {}

    def allow(self, job: Job, host: Host) -> bool:
        """Return whether to go on with a job; otherwise it is kept until the rules are there, or missed."""
        if not self._obey:
            return True
        rules = self._cache.rules(job.url)
        if rules is None:
            self._wait(job)
            return False
        host.gap = rules.delay or 0.0
        if refusal := rules.refused(job.url):
            self._miss(job, Reason.ROBOTS, refusal)
        return refusal is None

    def came(self, job: Job, result: Fetched | Missed) -> None:
        """Take in what came of the request for a robots.txt, and let go what waited for it."""
        waiting = self._waiting.pop(job.start.origin)
        if isinstance(result, Missed) and result.reason not in _NO_FILE:
            for other in waiting:
                self._miss(other, result.reason, f"Of its robots.txt: {result.detail}", result.status)
            return
        body = result.body if isinstance(result, Fetched) else b""
        self._cache.learn(job.start, result.status, body)
        for other in waiting:
            self._send(other)

    def _wait(self, job: Job) -> None:
        waiting = self._waiting.setdefault(job.url.origin, [])
        waiting.append(job)
        if len(waiting) == 1:
            url = replace(job.url, target="/robots.txt")
            request = Request(None, url.text)
            self._send(Job(request, url, lambda: Body(MAX_ROBOTS_BYTES, whole=False), is_robots=True), first=True)


class Send(Protocol):
    """Takes a job in."""

    def __call__(self, job: Job, *, first: bool = False) -> None:
        """Put it where it waits, before all others if `first`."""


Miss = Callable[..., None]
