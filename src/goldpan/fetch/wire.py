"""Many exchanges at once in one thread: libcurl's multi interface, told by epoll which sockets are ready."""

from __future__ import annotations

import os
import select
import time
from contextlib import suppress
from typing import Any

import pycurl

from goldpan.core.interrupts import uninterrupted
from goldpan.core.machine import give_back_large_blocks
from goldpan.fetch.exchange import Exchange, Receiver
from goldpan.fetch.options import FetchOptions
from goldpan.fetch.sockets import make_room
from goldpan.fetch.verdict import Problem, problem_of

MOST_BYTES = 128 << 20
"""Bytes of unfinished bodies held at once; beyond, all transfers but the eldest are paused."""
_SWEEP_SECONDS = 0.25
_EVENTS_AT_ONCE = 1024
_WATCH = {
    pycurl.POLL_IN: select.EPOLLIN,
    pycurl.POLL_OUT: select.EPOLLOUT,
    pycurl.POLL_INOUT: select.EPOLLIN | select.EPOLLOUT,
}
_READY = {select.EPOLLIN: pycurl.CSELECT_IN, select.EPOLLOUT: pycurl.CSELECT_OUT}


class Wire:
    """The exchanges in progress.

    Its clock stands still while the caller is elsewhere (`away`), so that one who is long busy with what came lets no
    deadline pass.
    """

    def __init__(self, options: FetchOptions) -> None:
        give_back_large_blocks()
        self._options = options
        self._multi = pycurl.CurlMulti()
        self._epoll = select.epoll()
        self._idle: list[Exchange] = []
        self._active: dict[Any, Exchange] = {}  # the eldest first
        self._paused: dict[Any, float] = {}
        self._bytes = 0
        self._watched: set[int] = set()
        self._bell = -1
        self._due: float | None = None
        self._away = 0.0
        self._next_sweep = 0.0
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)
        self._multi.setopt(pycurl.M_MAXCONNECTS, make_room(options.connections))

    def __len__(self) -> int:
        return len(self._active)

    def now(self) -> float:
        """Return the seconds of its clock."""
        return time.monotonic() - self._away

    def away(self, seconds: float) -> None:
        """Leave out time that the caller spent elsewhere."""
        self._away += seconds

    def listen(self, bell: int) -> None:
        """Let `turn` return when this eventfd was written to."""
        self._bell = bell
        self._epoll.register(bell, select.EPOLLIN)

    def start(
        self, url: str, pinned: str | None, headers: dict[str, str], receiver: Receiver, owner: Any, seconds: float
    ) -> None:
        """Begin an exchange that may take `seconds`, in a block that is `uninterrupted`; see `Exchange.begin`."""
        exchange = self._idle.pop() if self._idle else Exchange(self._options, self)
        exchange.begin(url, pinned, headers, receiver, owner)
        exchange.time(self.now(), seconds)
        self._active[exchange.handle] = exchange
        self._multi.add_handle(exchange.handle)

    def turn(self, seconds: float) -> list[Exchange]:
        """Wait up to `seconds` until something can be moved on, and move it; return the exchanges that ended.

        They are to be handed back with `recycle` when their results are taken.
        """
        events = self._epoll.poll(max(0.0, self._patience(seconds)), _EVENTS_AT_ONCE)
        ended: list[Exchange] = []
        with uninterrupted():  # an interrupt in a callback would be lost in libcurl
            for descriptor, mask in events:
                if descriptor in self._watched:
                    self._multi.socket_action(descriptor, _READY.get(mask) or _unusual(mask))
                elif descriptor == self._bell:
                    os.eventfd_read(descriptor)
            if self._due is not None and self._due <= time.monotonic():
                self._due = None
                self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
            waiting = 1
            while waiting:
                waiting, well, badly = self._multi.info_read()
                ended += [self._end(handle, None) for handle in well]
                ended += [self._end(handle, problem_of(code, message)) for handle, code, message in badly]
            if self.now() >= self._next_sweep:
                ended += self._sweep()
            if self._paused and ended:
                ended += self._go_on()
        return ended

    def has_room(self, exchange: Exchange) -> bool:
        """Return whether an exchange may take more now; the eldest always may, so that there is an end."""
        if self._bytes > MOST_BYTES and exchange is not next(iter(self._active.values())):
            self._paused[exchange.handle] = self.now()
            return False
        return True

    def hold(self, held: int) -> None:
        """Count bytes that an exchange holds from now on."""
        self._bytes += held

    def recycle(self, exchange: Exchange) -> None:
        """Take back an exchange that ended."""
        exchange.release()
        self._idle.append(exchange)

    def close(self) -> None:
        """Break off what is in progress, and free everything."""
        with uninterrupted():
            for handle in self._active:
                self._multi.remove_handle(handle)
            for exchange in (*self._active.values(), *self._idle):
                exchange.handle.close()
            self._active.clear()
            self._idle.clear()
            self._multi.close()
            self._epoll.close()

    def _sweep(self) -> list[Exchange]:
        now = self.now()
        self._next_sweep = now + _SWEEP_SECONDS
        late = [
            (handle, problem)
            for handle, exchange in self._active.items()
            if handle not in self._paused and (problem := exchange.overdue(now))
        ]
        return [self._end(handle, problem) for handle, problem in late]

    def _end(self, handle: Any, problem: Problem | None) -> Exchange:
        exchange = self._active.pop(handle)
        self._paused.pop(handle, None)
        self._multi.remove_handle(handle)
        self._bytes -= exchange.receiver.held
        exchange.end(problem)
        return exchange

    def _go_on(self) -> list[Exchange]:
        """Let the eldest go on, and the others as far as there is room; return those that end by it."""
        ended = []
        for handle, exchange in list(self._active.items()):
            if handle in self._paused:
                exchange.delay(self.now() - self._paused.pop(handle))
                try:
                    handle.pause(pycurl.PAUSE_CONT)
                except pycurl.error as error:
                    ended.append(self._end(handle, problem_of(*error.args)))
            if self._bytes > MOST_BYTES:
                break
        return ended

    def _patience(self, seconds: float) -> float:
        seconds = min(seconds, self._next_sweep - self.now())
        return seconds if self._due is None else min(seconds, self._due - time.monotonic())

    def _watch(self, what: int, descriptor: int, multi: Any, data: object) -> None:
        if what == pycurl.POLL_REMOVE:
            self._watched.discard(descriptor)
            with suppress(OSError):  # one that is closed is forgotten already
                self._epoll.unregister(descriptor)
        elif descriptor in self._watched:
            self._epoll.modify(descriptor, _WATCH[what])
        else:
            self._watched.add(descriptor)
            self._epoll.register(descriptor, _WATCH[what])

    def _set_timer(self, milliseconds: int) -> None:
        self._due = None if milliseconds < 0 else time.monotonic() + milliseconds / 1000


def _unusual(mask: int) -> int:
    """Return the action for an unusual event: an error and a hang-up are found out by reading and writing."""
    ready = pycurl.CSELECT_IN if mask & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR) else 0
    return ready | (pycurl.CSELECT_OUT if mask & (select.EPOLLOUT | select.EPOLLHUP | select.EPOLLERR) else 0)
