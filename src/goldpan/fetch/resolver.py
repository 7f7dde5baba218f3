"""Names to addresses: thousands of lookups at once, by c-ares, since those of the system wait for one another in line.

One lookup a host serves all of its URLs, and the transfers are pinned to its answer. /etc/hosts and /etc/resolv.conf
are read as the system reads them; a name with a dot is not looked for below the machine's own domains.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from functools import cached_property
from typing import Any, NamedTuple

MOST = 2048
"""Lookups at once. Most of the time of a list of web images goes into hosts that no longer answer."""
_PATIENCE_S, _TRIES = 2.0, 2  # of c-ares: how long a name server may take, and how often it is asked


class Answer(NamedTuple):
    """What a lookup brought: addresses, best first, or a problem."""

    host: str
    addresses: tuple[str, ...]
    problem: str | None
    may_pass: bool
    """Whether the problem may go away, as that of a name server that does not answer."""


class Resolver:
    """Looks hosts up; the eventfd `bell` is written to when answers came.

    Args:
        servers: name servers to ask, such as "127.0.0.1:5353"; those of the system where there are none.
    """

    def __init__(self, servers: tuple[str, ...] = ()) -> None:
        self.bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._servers = servers
        self._answers: deque[Answer] = deque()
        self._lock = threading.Lock()  # between an answer's ring and the end of the bell
        self.pending = 0

    def ask(self, host: str) -> None:
        """Begin to look `host` up."""
        self.pending += 1
        channel = self._as_it_is if "." in host else self._searched
        try:
            channel.getaddrinfo(host, None, callback=lambda found, error: self._answered(host, found, error))
        except (UnicodeError, ValueError):
            self._ring(Answer(host, (), "not a name that can be looked up", False))

    def answers(self) -> list[Answer]:
        """Return what came since the last call."""
        came = []
        while self._answers:
            came.append(self._answers.popleft())
        self.pending -= len(came)
        return came

    def close(self) -> None:
        """Give up what is being looked up."""
        with self._lock:
            os.close(self.bell)
            self.bell = -1
        for name in ("_as_it_is", "_searched"):
            if name in self.__dict__:
                self.__dict__.pop(name).close()

    @cached_property
    def _as_it_is(self) -> Any:
        import pycares

        return self._channel(pycares.ARES_FLAG_NOSEARCH)

    @cached_property
    def _searched(self) -> Any:
        return self._channel(None)

    def _channel(self, flags: int | None) -> Any:
        import pycares

        return pycares.Channel(flags=flags, timeout=_PATIENCE_S, tries=_TRIES, servers=self._servers or None)

    def _answered(self, host: str, found: Any, error: int | None) -> None:
        """Take in an answer, in the thread of c-ares."""
        from pycares import errno

        if error is None:
            nodes = (node.addr[0] for node in found.nodes)
            self._ring(Answer(host, tuple(dict.fromkeys(address.decode() for address in nodes)), None, False))
            return
        for_good = (errno.ARES_ENOTFOUND, errno.ARES_ENODATA, errno.ARES_EBADNAME, errno.ARES_EBADSTR)
        self._ring(Answer(host, (), str(errno.strerror(error)), error not in for_good))

    def _ring(self, answer: Answer) -> None:
        self._answers.append(answer)
        with self._lock:
            if self.bell >= 0:
                os.eventfd_write(self.bell, 1)
