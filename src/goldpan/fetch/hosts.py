"""The hosts: what waits for each, how many requests it may have at once, and whose turn it is."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field

from goldpan.fetch.breaker import Breaker
from goldpan.fetch.job import Job
from goldpan.fetch.options import FetchOptions
from goldpan.fetch.records import HostReport
from goldpan.fetch.timers import Timers
from goldpan.fetch.verdict import Problem

HOSTS_KEPT = 20_000
"""Hosts remembered while nothing waits for them; those seen last."""
_FREE_RETRIES = 10
_RETRY_SHARE = 0.2


@dataclass(slots=True, eq=False)
class Host:
    """One host, by its name.

    Attributes:
        name: of the host.
        breaker: whether it may be sent anything.
        queue: what waits for it.
        addresses: where it is, None where that is not known; nothing waits for that.
        known_until: when it has to be looked up again.
        lookups: under way or made in vain; 0 where none is.
        problem: why it cannot be looked up, until `known_until`.
        active: requests under way.
        gap: seconds to leave between two requests.
        rests_until: no request before that time.
        done: requests that went well.
        failed: requests that did not.
        answers: attempts that brought an answer.
        seconds: that they took.
        retried: attempts beyond the first.
    """

    name: str
    breaker: Breaker
    queue: deque[Job] = field(default_factory=deque)
    addresses: tuple[str, ...] | None = None
    known_until: float = 0.0
    lookups: int = 0
    problem: Problem | None = None
    active: int = 0
    gap: float = 0.0
    rests_until: float = 0.0
    done: int = 0
    failed: int = 0
    answers: int = 0
    seconds: float = 0.0
    retried: int = 0
    has_turn: bool = False
    has_alarm: bool = False

    @property
    def is_address(self) -> bool:
        """Whether its name is an address; `parse_url` lets no other name end in a number."""
        return ":" in self.name or self.name.rpartition(".")[2].isdecimal()

    def pinned(self, port: int) -> str | None:
        """Return ``host:port:address,address`` for libcurl, None where it needs none."""
        if not self.addresses:
            return None
        return f"{self.name}:{port}:" + ",".join(f"[{one}]" if ":" in one else one for one in self.addresses)

    @property
    def is_idle(self) -> bool:
        """Whether nothing hangs on it."""
        return not (self.queue or self.active or self.lookups or self.has_alarm)

    def count(self, well: bool) -> None:
        """Count a request that came to its end."""
        self.done += well
        self.failed += not well

    def may_retry(self) -> bool:
        """Take from the budget: a few attempts beyond the first, and a share of what is asked of the host."""
        if self.retried >= _FREE_RETRIES + _RETRY_SHARE * (self.done + self.failed):
            return False
        self.retried += 1
        return True

    def report(self) -> HostReport:
        """Return how it does."""
        mean = self.seconds / self.answers if self.answers else 0.0
        return HostReport(self.name, self.done, self.failed, len(self.queue), mean)


class Hosts:
    """All hosts, and the ring of those that could be sent a request now: each has its turn in order."""

    def __init__(self, options: FetchOptions, timers: Timers) -> None:
        self._options = options
        self._timers = timers
        self._kept: OrderedDict[str, Host] = OrderedDict()  # the one asked for last at the end
        self._room = HOSTS_KEPT
        self._ring: deque[Host] = deque()

    def of(self, name: str) -> Host:
        """Return the host of that name."""
        host = self._kept.get(name)
        if host is not None:
            self._kept.move_to_end(name)
            return host
        if len(self._kept) >= self._room:
            self._forget()
        host = self._kept[name] = Host(name, Breaker(self._options.cool_down))
        return host

    @property
    def ready(self) -> int:
        """Hosts that have their turn."""
        return len(self._ring)

    def wake(self, host: Host, now: float) -> None:
        """Give a host its turn if it can be sent a request, or see to it that it is woken when it has rested."""
        if host.has_turn or not host.queue:
            return
        if self._can_start(host, now):
            host.has_turn = True
            self._ring.append(host)
            return
        rested = max(host.rests_until, host.breaker.rests_until)
        if rested > now and not host.has_alarm:
            host.has_alarm = True
            self._timers.at(rested, lambda now: self._woken(host, now))

    def next(self, now: float) -> tuple[Host, Job] | None:
        """Return whose turn it is and what to send, None where every host is busy, rests or has nothing to do."""
        while self._ring:
            host = self._ring.popleft()
            host.has_turn = False
            job = host.queue.popleft() if self._can_start(host, now) else None
            if job is not None:
                host.active += 1
                host.rests_until = max(host.rests_until, now + host.gap)
            self.wake(host, now)
            if job is not None:
                return host, job
        return None

    def reports(self) -> list[HostReport]:
        """Return how each host does, the slowest first."""
        return sorted((host.report() for host in list(self._kept.values())), key=lambda report: -report.seconds)

    def _can_start(self, host: Host, now: float) -> bool:
        return (
            bool(host.queue)
            and host.addresses is not None
            and now >= host.rests_until
            and host.active < host.breaker.allowed(now, self._options.per_host)
        )

    def _woken(self, host: Host, now: float) -> None:
        host.has_alarm = False
        self.wake(host, now)

    def _forget(self) -> None:
        """Forget half of the hosts, those not asked for lately, unless they are at something."""
        for name, host in list(self._kept.items()):
            if len(self._kept) <= HOSTS_KEPT // 2:
                break
            if host.is_idle:
                del self._kept[name]
        self._room = max(HOSTS_KEPT, 2 * len(self._kept))
