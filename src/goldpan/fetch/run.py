"""A run over many requests: takes them in, sends them when their host may be asked, says what came of each."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from goldpan.core.errors import Reason
from goldpan.core.interrupts import uninterrupted
from goldpan.core.text import printable
from goldpan.fetch.addresses import may_reach
from goldpan.fetch.body import Body
from goldpan.fetch.errors import FetchError
from goldpan.fetch.exchange import Exchange, Receiver
from goldpan.fetch.hosts import Host, Hosts
from goldpan.fetch.job import Job
from goldpan.fetch.lookups import Lookups
from goldpan.fetch.options import FetchOptions
from goldpan.fetch.permits import Permits
from goldpan.fetch.records import Fetched, Missed, Request
from goldpan.fetch.resolver import MOST, Resolver
from goldpan.fetch.retry import delay, is_transient
from goldpan.fetch.robots import RobotsCache
from goldpan.fetch.timers import Timers
from goldpan.fetch.urls import Url, join, parse_url
from goldpan.fetch.verdict import REDIRECTS, problem_with
from goldpan.fetch.wire import Wire

_TAKEN_AT_ONCE = 256
_LONGEST_WAIT = 1.0
_END = object()
_KEPT = frozenset({
    "content-type", "content-length", "content-language", "etag", "last-modified", "date", "link", "license",
    "x-robots-tag", "content-range",
})  # fmt: skip
_NOT_SECRET = frozenset({"range", "if-range", "if-none-match", "if-modified-since", "accept", "accept-language"})
_LEFT_ALONE = "{} failed too often in a row, so it is left alone for now."


class Stopped(Exception):
    """Raised by `Run.results` where it was told to stop."""


class Run:
    """The state of one run; `results` does it all.

    Args:
        options: of fetching.
        wire: sends and receives.
        resolver: looks hosts up.
        robots: what is known of robots.txt.
        receiver: makes what takes an answer; a body in memory by default.
        seconds: that an attempt may take; `timeout` by default.
    """

    def __init__(
        self,
        options: FetchOptions,
        wire: Wire,
        resolver: Resolver,
        robots: RobotsCache,
        receiver: Callable[[], Receiver] | None = None,
        *,
        seconds: float | None = None,
    ) -> None:
        self._options, self._wire, self._resolver, self._robots = options, wire, resolver, robots
        self._receiver = receiver or self._body
        self._seconds = options.timeout if seconds is None else seconds
        self._timers = Timers()
        self.hosts = Hosts(options, self._timers)
        self._lookups = Lookups(options, resolver, self._timers, self._looked_up)
        self._permits = Permits(options, robots, self._route, self._miss)
        self._out: deque[Fetched | Missed] = deque()
        self._held = 0
        self._exhausted = False

    def results(
        self, requests: Iterable[Request | None], is_stopped: Callable[[], bool] = lambda: False
    ) -> Iterator[Fetched | Missed]:
        """Yield one result for every request, in the order they come.

        Args:
            requests: to be answered; None where there is none at the moment.
            is_stopped: asked every second at least.

        Raises:
            Stopped: `is_stopped` said so.
        """
        source = iter(requests)
        while True:
            if is_stopped():
                raise Stopped
            may_take_more = self._fill(source)
            while self._out:
                left = time.monotonic()
                yield self._out.popleft()
                self._held -= 1
                self._wire.away(time.monotonic() - left)
            if self._exhausted and not self._held:
                return
            self._turn(may_take_more)

    def _turn(self, at_once: bool) -> None:
        wait = 0.0 if at_once else min(_LONGEST_WAIT, self._timers.next() - self._wire.now())
        for exchange in self._wire.turn(wait):
            self._ended(exchange)
            self._wire.recycle(exchange)
        now = self._wire.now()
        self._lookups.collect(now)
        self._timers.run(now)

    def _fill(self, source: Iterator[Request | None]) -> bool:
        """Take in as much as is needed to keep all connections busy, and send it; return whether there is more."""
        free = self._options.connections - len(self._wire)
        is_dry = False
        for _ in range(_TAKEN_AT_ONCE):
            if self.hosts.ready >= free or not self._takes_in or is_dry:
                break
            is_dry = not self._take(source)
        with uninterrupted():
            while len(self._wire) < self._options.connections and (turn := self.hosts.next(self._wire.now())):
                self._send(*turn)
        return self._takes_in and not is_dry and len(self._wire) < self._options.connections

    @property
    def _takes_in(self) -> bool:
        """Whether more requests may be taken in: not where too many hosts wait to be looked up, or URLs for theirs."""
        return not (self._exhausted or self._held >= self._options.look_ahead or self._resolver.pending >= MOST)

    def _take(self, source: Iterator[Request | None]) -> bool:
        """Take a request in, if there is one; return whether there was."""
        left = time.monotonic()
        request = next(source, _END)
        self._wire.away(time.monotonic() - left)
        if not isinstance(request, Request):
            self._exhausted = request is _END
            return False
        self._held += 1
        try:
            url = parse_url(request.url)
            self._check(url)
        except FetchError as error:
            self._out.append(Missed(request.key, request.url, error.reason, error.detail))
        else:
            self._route(Job(request, url, self._receiver))
        return True

    def _check(self, url: Url) -> None:
        """Refuse what needs no connection to be refused; the rest is refused when it connects."""
        if url.port not in self._options.ports:
            allowed = ", ".join(map(str, self._options.ports))
            raise FetchError(Reason.PORT_NOT_ALLOWED, f"{url.text[:200]!r} is of port {url.port}; allowed: {allowed}.")
        if url.address and not may_reach(url.address, self._options.allow_private):
            raise FetchError(Reason.PRIVATE_ADDRESS, f"{url.host} is no address that may be connected to.")

    def _route(self, job: Job, *, first: bool = False) -> None:
        """Put a job where it has to wait: for its site's rules, or in its host's queue."""
        now = self._wire.now()
        host = self.hosts.of(job.url.host)
        if host.breaker.gave_up(now):
            self._miss(job, Reason.HOST_GAVE_UP, _LEFT_ALONE.format(host.name))
        elif job.is_robots or self._permits.allow(job, host):
            host.queue.insert(0 if first else len(host.queue), job)
            self._lookups.need(host, now)

    def _looked_up(self, host: Host, now: float) -> None:
        if host.problem:
            self._drop_queue(host, *host.problem)
        else:
            self.hosts.wake(host, now)

    def _drop_queue(self, host: Host, reason: Reason, detail: str) -> None:
        dropped, host.queue = host.queue, deque()
        for job in dropped:
            self._miss(job, reason, detail)

    def _send(self, host: Host, job: Job) -> None:
        job.attempts += job.hops == 0
        headers = job.request.headers
        if headers and job.url.origin != job.start.origin:
            headers = {name: value for name, value in headers.items() if name in _NOT_SECRET}
        left = self._seconds - job.seconds
        self._wire.start(job.url.text, host.pinned(job.url.port), headers, job.receiver(), (host, job), left)

    def _ended(self, exchange: Exchange) -> None:
        host, job = exchange.owner
        now = self._wire.now()
        host.active -= 1
        job.seconds += now - exchange.began
        if exchange.status:
            host.answers += 1
            host.seconds += now - exchange.began
        self._judge(job, host, exchange, now)
        self.hosts.wake(host, now)

    def _judge(self, job: Job, host: Host, exchange: Exchange, now: float) -> None:
        status, headers = exchange.status, exchange.headers
        if status in REDIRECTS and "location" in headers:
            host.breaker.well()
            self._redirect(job, headers["location"], status)
            return
        problem = problem_with(status, exchange.problem, job.request.headers.keys())
        if problem and is_transient(problem[0], status):
            host.breaker.badly(now)
            self._try_again(job, host, _missed(job, *problem, status), headers.get("retry-after"))
            if host.breaker.gave_up(now):
                self._drop_queue(host, Reason.HOST_GAVE_UP, _LEFT_ALONE.format(host.name))
            return
        host.breaker.well()
        self._end(job, _missed(job, *problem, status) if problem else _fetched(job, exchange))

    def _try_again(self, job: Job, host: Host, missed: Missed, retry_after: str | None) -> None:
        """Send a job once more later, if that is allowed; what a server asks to wait holds for all of its host."""
        then = self._wire.now() + delay(job.attempts, retry_after)
        if retry_after:
            host.rests_until = max(host.rests_until, then)
        if job.attempts > self._options.retries or not host.may_retry():
            self._end(job, missed)
            return
        job.restart()
        self._timers.at(then, lambda now: self._route(job, first=True))

    def _redirect(self, job: Job, location: str, status: int) -> None:
        try:
            if job.hops == self._options.max_redirects:
                said = f"More than {job.hops} redirects, the last to {location[:200]!r}."
                raise FetchError(Reason.TOO_MANY_REDIRECTS, said)
            url = join(job.url, location)
            self._check(url)
        except FetchError as error:
            self._miss(job, error.reason, error.detail, status)
        else:
            job.follow(url)
            self._route(job, first=True)

    def _miss(self, job: Job, reason: Reason, detail: str, status: int | None = None) -> None:
        self._end(job, _missed(job, reason, detail, status))

    def _end(self, job: Job, result: Fetched | Missed) -> None:
        if job.is_robots:
            self._permits.came(job, result)
            return
        self.hosts.of(job.url.host).count(isinstance(result, Fetched))
        self._out.append(result)

    def _body(self) -> Body:
        options = self._options
        return Body(options.max_bytes, words=options.opt_outs, agent=options.robot)


def _fetched(job: Job, exchange: Exchange) -> Fetched:
    headers = {name: value for name, value in exchange.headers.items() if name in _KEPT or name.startswith("tdm-")}
    request, body = job.request, exchange.receiver.data()
    return Fetched(
        request.key, request.url, job.url.text, exchange.status or 0, headers, body, job.seconds, job.attempts
    )


def _missed(job: Job, reason: Reason, detail: str, status: int | None) -> Missed:
    return Missed(job.request.key, job.request.url, reason, printable(detail), status, job.attempts)
