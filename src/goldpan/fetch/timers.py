"""What is to be done later."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable


class Timers:
    """Calls, each at its time; each is told the time."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, Callable[[float], None]]] = []
        self._number = itertools.count()

    def at(self, when: float, call: Callable[[float], None]) -> None:
        """Call something when the clock says `when`."""
        heapq.heappush(self._waiting, (when, next(self._number), call))

    def run(self, now: float) -> None:
        """Make the calls whose time has come."""
        while self._waiting and self._waiting[0][0] <= now:
            heapq.heappop(self._waiting)[2](now)

    def next(self) -> float:
        """Return the time of the next call; infinity where there is none."""
        return self._waiting[0][0] if self._waiting else float("inf")
