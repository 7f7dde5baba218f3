"""A request on its way: where it is, after how many hops and attempts."""

from __future__ import annotations

from collections.abc import Callable

from goldpan.fetch.exchange import Receiver
from goldpan.fetch.records import Request
from goldpan.fetch.urls import Url


class Job:
    """A request and how far it is.

    Attributes:
        request: to be answered.
        start: its URL.
        url: of the present hop.
        receiver: makes one for each hop.
        is_robots: whether it fetches a robots.txt, which none has to allow.
        hops: redirects followed in this attempt.
        attempts: begun.
        seconds: spent in this attempt.
    """

    __slots__ = ("attempts", "hops", "is_robots", "receiver", "request", "seconds", "start", "url")

    def __init__(
        self, request: Request, url: Url, receiver: Callable[[], Receiver], *, is_robots: bool = False
    ) -> None:
        self.request, self.start, self.receiver, self.is_robots = request, url, receiver, is_robots
        self.attempts = 0
        self.restart()

    def restart(self) -> None:
        """Go back to the first URL."""
        self.url, self.hops, self.seconds = self.start, 0, 0.0

    def follow(self, url: Url) -> None:
        """Go to where a redirect leads."""
        self.url = url
        self.hops += 1
