"""Names to addresses: many lookups at once, in threads of their own, since those of libcurl are 20 and wait in line.

One lookup a host serves all of its URLs, and the transfers are pinned to its answer.
"""

from __future__ import annotations

import os
import queue
import socket
import threading
from collections import deque
from typing import NamedTuple

THREADS = 256
"""Lookups at once. Most of the time of a list of web images goes into hosts that no longer answer."""


class Answer(NamedTuple):
    """What a lookup brought: addresses, best first, or a problem."""

    host: str
    addresses: tuple[str, ...]
    problem: str | None
    may_pass: bool
    """Whether the problem may go away, as that of a name server that does not answer."""


class Resolver:
    """Looks hosts up as the system does (`getaddrinfo`); the eventfd `bell` is written to when answers came.

    A lookup cannot be stopped, so its thread is left behind when it takes too long, and ends with the process.
    """

    def __init__(self, threads: int = THREADS) -> None:
        self.bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._most = threads
        self._threads = 0
        self._asked: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._answers: deque[Answer] = deque()
        self._lock = threading.Lock()  # between an answer's ring and the end of the bell
        self.pending = 0

    def ask(self, host: str) -> None:
        """Begin to look `host` up."""
        self.pending += 1
        self._asked.put(host)
        if self._threads < min(self.pending, self._most):
            self._threads += 1
            threading.Thread(target=self._work, name="goldpan-lookup", daemon=True).start()

    def answers(self) -> list[Answer]:
        """Return what came since the last call."""
        came = []
        while self._answers:
            came.append(self._answers.popleft())
        self.pending -= len(came)
        return came

    def close(self) -> None:
        """Send the threads home; those still at a lookup go when it ends."""
        for _ in range(self._threads):
            self._asked.put(None)
        with self._lock:
            os.close(self.bell)
            self.bell = -1

    def _work(self) -> None:
        while (host := self._asked.get()) is not None:
            self._answers.append(look_up(host))
            with self._lock:
                if self.bell >= 0:
                    os.eventfd_write(self.bell, 1)


def look_up(host: str) -> Answer:
    """Return the addresses of a host, in the order to try them."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:  # gaierror is one
        passing = error.errno in (socket.EAI_AGAIN, socket.EAI_SYSTEM)
        return Answer(host, (), str(error.strerror or error), passing)
    except UnicodeError:
        return Answer(host, (), "not a name that can be looked up", False)
    return Answer(host, tuple(dict.fromkeys(str(address[0]) for *_, address in found)), None, False)
