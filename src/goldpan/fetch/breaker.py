"""A circuit breaker: a host that keeps failing is left alone, then tried with one request."""

from __future__ import annotations

FAILURES = 10
"""Attempts that fail in a row before a host is left alone."""
_LONGEST = 900.0


class Breaker:
    """Says how many requests a host may be sent.

    After `FAILURES` in a row it opens: nothing is sent for `cool_down` seconds, and what waits, waits. Then one request
    goes as a probe. Goes it well, all is as before. Goes it badly, the host has given up: what waits for it fails, and
    so does what comes in the next `cool_down` seconds, and twice as long after each further probe, up to 15 minutes.
    """

    def __init__(self, cool_down: float) -> None:
        self._cool_down = cool_down
        self._failures = 0
        self._probes = 0
        self.rests_until = 0.0

    def well(self) -> None:
        """Count an answer, of whatever kind."""
        self._failures = self._probes = 0
        self.rests_until = 0.0

    def badly(self, now: float) -> None:
        """Count a failed attempt."""
        self._failures += 1
        if self._failures < FAILURES or now < self.rests_until:  # what was under way when it opened is no probe
            return
        self._probes += self._failures > FAILURES
        self.rests_until = now + min(_LONGEST, self._cool_down * 2.0 ** max(0, self._probes - 1))

    def gave_up(self, now: float) -> bool:
        """Return whether requests are to fail at once."""
        return self._probes > 0 and now < self.rests_until

    def allowed(self, now: float, usual: int) -> int:
        """Return how many requests at once may be under way."""
        if self._failures < FAILURES:
            return usual
        return 1 if now >= self.rests_until else 0
