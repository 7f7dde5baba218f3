"""Where the hosts are: each is looked up once for all of its URLs, and its address checked."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from goldpan.core.errors import Reason
from goldpan.fetch.addresses import may_reach
from goldpan.fetch.hosts import Host
from goldpan.fetch.options import FetchOptions
from goldpan.fetch.resolver import Resolver
from goldpan.fetch.retry import delay
from goldpan.fetch.timers import Timers

_KNOWN_SECONDS = 300.0
_UNKNOWN_SECONDS = 60.0


class Lookups:
    """Finds the addresses of hosts, and remembers them for five minutes, a failure for one.

    Args:
        options: of fetching.
        resolver: does the work.
        timers: for deadlines and second attempts.
        done: told of each host that was found or, where its `problem` says so, was not.
    """

    def __init__(
        self, options: FetchOptions, resolver: Resolver, timers: Timers, done: Callable[[Host, float], None]
    ) -> None:
        self._options = options
        self._resolver = resolver
        self._timers = timers
        self._done = done
        self._asked: dict[str, Host] = {}

    def need(self, host: Host, now: float) -> None:
        """See to it that the host's addresses, or its problem, are known sooner or later."""
        if host.lookups:
            return
        if self._options.proxy or host.is_address:
            host.addresses, host.known_until = (), inf
        if now >= host.known_until:
            host.addresses = host.problem = None
            self._ask(host, now)
        else:
            self._done(host, now)

    def collect(self, now: float) -> None:
        """Take in the answers that came."""
        for answer in self._resolver.answers():
            host = self._asked.pop(answer.host, None)
            if host is None:
                continue
            if answer.problem:
                self._in_vain(host, answer.problem, answer.may_pass, now)
            else:
                self._found(host, answer.addresses, now)

    def _ask(self, host: Host, now: float) -> None:
        host.lookups += 1
        number = host.lookups
        self._asked[host.name] = host
        self._resolver.ask(host.name)
        self._timers.at(now + self._options.connect_timeout, lambda now: self._give_up(host, number, now))

    def _give_up(self, host: Host, number: int, now: float) -> None:
        if host.lookups == number and host.name in self._asked:
            del self._asked[host.name]
            self._in_vain(host, f"no answer within {self._options.connect_timeout:g} s", True, now)

    def _in_vain(self, host: Host, why: str, may_pass: bool, now: float) -> None:
        if may_pass and host.lookups <= self._options.retries:
            self._timers.at(now + delay(host.lookups), lambda now: self._ask(host, now))
            return
        host.problem = Reason.DNS_FAILED, f"{host.name} could not be looked up: {why}."
        self._settle(host, _UNKNOWN_SECONDS, now)

    def _found(self, host: Host, addresses: tuple[str, ...], now: float) -> None:
        closed = [address for address in addresses if not may_reach(address, self._options.allow_private)]
        if closed:
            host.problem = Reason.PRIVATE_ADDRESS, f"{host.name} is at {closed[0]}, which may not be connected to."
            self._settle(host, _UNKNOWN_SECONDS, now)
        else:
            host.addresses = addresses
            self._settle(host, _KNOWN_SECONDS, now)

    def _settle(self, host: Host, seconds: float, now: float) -> None:
        host.lookups = 0
        host.known_until = now + seconds
        self._done(host, now)
