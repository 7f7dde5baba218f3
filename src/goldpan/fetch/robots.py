"""What robots.txt allows (RFC 9309), remembered per origin.

The file is fetched by whoever asks; here it is read and kept. No answer is given for rules that are not known: then
`RobotsCache.rules` is None, and `robots_url` is what to fetch first.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from protego import Protego

from goldpan.fetch.consent import AGENT
from goldpan.fetch.urls import Url

MAX_ROBOTS_BYTES = 500 * 1024
"""What is read of a robots.txt: the least that RFC 9309 asks for. The rest is not looked at."""
LONGEST_DELAY = 60.0
"""Seconds: the most that a robots.txt can ask to be left between requests."""

_MAX_LINES = 10_000  # a file of more is a refusal: matching thousands of patterns would hold up every other host
_LINES_KEPT = 100_000  # of all origins together, some 1.5 KB each at worst
_KEPT_SECONDS = 24 * 3600.0  # RFC 9309, 2.4
_REFUSAL_SECONDS = 600.0  # how long a server that cannot say what it allows is left alone
_TOO_MANY_REQUESTS = 429


@dataclass(frozen=True, slots=True)
class Rules:
    """What one origin's robots.txt says to one robot.

    Attributes:
        delay: seconds to leave between requests, if it asks for that; up to `LONGEST_DELAY`.
        refusal: why everything is refused, None where single paths may be.
    """

    agent: str
    delay: float | None = None
    refusal: str | None = None
    file: Protego | None = None

    def refused(self, url: Url) -> str | None:
        """Return why the URL may not be fetched, None where it may."""
        if self.refusal or self.file is None or self.file.can_fetch(url.text, self.agent):
            return self.refusal
        return f"{robots_url(url)} does not allow it to {self.agent}."


def robots_url(url: Url) -> str:
    """Return where the rules for a URL lie."""
    return f"{url.origin}/robots.txt"


def read_rules(status: int | None, body: bytes = b"", agent: str = AGENT) -> Rules:
    """Return what an answer to the request for robots.txt means.

    A file that is not there (4xx, or redirects without end) allows everything. A server that fails (5xx, no answer at
    all) or is overrun (429) refuses everything: so RFC 9309, 2.3.1, and for 429 the custom of search engines.

    Args:
        status: of the answer after redirects, None where none came.
        body: what came, decompressed; read up to `MAX_ROBOTS_BYTES`.
        agent: the name that groups of rules are matched with.
    """
    if status is None:
        return Rules(agent, refusal="robots.txt could not be fetched, so nothing is allowed.")
    if status >= 500 or status == _TOO_MANY_REQUESTS:
        return Rules(agent, refusal=f"robots.txt was answered with {status}, so nothing is allowed.")
    if status >= 300:
        return Rules(agent)
    text = body[:MAX_ROBOTS_BYTES].decode("utf-8-sig", errors="replace")
    if len(body) > MAX_ROBOTS_BYTES:
        text = text[: text.rfind("\n") + 1]  # half a line would be another rule
    if text.count("\n") + text.count("\r") > _MAX_LINES:
        return Rules(agent, refusal=f"robots.txt has more than {_MAX_LINES:,} lines, which is taken for a refusal.")
    file = Protego.parse(text)
    rate = file.request_rate(agent)
    asked = max(file.crawl_delay(agent) or 0.0, rate.seconds / rate.requests if rate else 0.0)
    return Rules(agent, min(asked, LONGEST_DELAY) or None, file=file)


class RobotsCache:
    """The rules of the origins seen last; for one thread.

    Args:
        agent: the name that groups of rules are matched with.
        clock: seconds, for what is out of date.
    """

    def __init__(self, agent: str = AGENT, clock: Callable[[], float] = time.monotonic) -> None:
        self.agent = agent
        self._clock = clock
        self._kept: OrderedDict[str, tuple[Rules, int, float]] = OrderedDict()  # with lines, and until when
        self._lines = 0

    def rules(self, url: Url) -> Rules | None:
        """Return the rules for a URL, None where its robots.txt must be fetched first."""
        kept = self._kept.get(url.origin)
        if kept is None:
            return None
        rules, _, until = kept
        if self._clock() >= until:
            self._forget(url.origin)
            return None
        self._kept.move_to_end(url.origin)
        return rules

    def learn(self, url: Url, status: int | None, body: bytes = b"") -> Rules:
        """Remember what the robots.txt for a URL was answered with, as `read_rules` reads it.

        A file is good for a day, a server's failure for ten minutes.
        """
        rules = read_rules(status, body, self.agent)
        lines = 1 + (body.count(b"\n") + body.count(b"\r") if rules.file else 0)
        until = self._clock() + (_REFUSAL_SECONDS if rules.refusal else _KEPT_SECONDS)
        self._forget(url.origin)
        self._kept[url.origin] = rules, lines, until
        self._lines += lines
        while self._lines > _LINES_KEPT:
            self._forget(next(iter(self._kept)))
        return rules

    def _forget(self, origin: str) -> None:
        _, lines, _ = self._kept.pop(origin, (None, 0, 0.0))
        self._lines -= lines
