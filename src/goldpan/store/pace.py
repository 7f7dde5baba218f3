"""When to commit: often enough that a kill loses little, seldom enough that a table keeps few versions."""

from __future__ import annotations

import time

FIRST_SECONDS = 2.0
_SHARE = 0.02


class Pace:
    """Tells when waiting rows are due: after 2 s at first, later after 2% of the time since the start.

    A kill so loses at most 2% of a long run, and ten hours of work make some hundred commits, not thousands.

    Args:
        max_waiting: commit at the latest when so much (rows, bytes) waits.
        first_seconds: more than 2 where a kill loses nothing anyway.
    """

    def __init__(self, max_waiting: int, first_seconds: float = FIRST_SECONDS) -> None:
        self._max_waiting, self._first_seconds = max_waiting, first_seconds
        self._begun = self._last = time.monotonic()

    def is_due(self, waiting: int) -> bool:
        """True where it is time to commit; the clock starts anew then."""
        now = time.monotonic()
        due = waiting >= self._max_waiting or now - self._last > self.seconds
        if due:
            self._last = now
        return due

    @property
    def seconds(self) -> float:
        """The time between commits at this moment."""
        return max(self._first_seconds, _SHARE * (time.monotonic() - self._begun))
