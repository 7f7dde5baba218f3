"""When a failure is worth another try, and how long to wait before it."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime

from goldpan.core.errors import Reason
from goldpan.fetch.dates import parse_date

FIRST_WAIT = 1.0
"""Seconds: the most that is waited before the second attempt; each attempt more doubles it."""
LONGEST_WAIT = 60.0
"""Seconds: the most that is waited, even where a server asks for more: a run has to end, and the next asks again."""

_TRANSIENT = frozenset({
    Reason.DNS_FAILED, Reason.CONNECT_FAILED, Reason.TIMED_OUT, Reason.TOO_SLOW, Reason.CUT_OFF,
    Reason.RATE_LIMITED, Reason.SERVER_ERROR, Reason.HOST_GAVE_UP,
})  # fmt: skip
_TRANSIENT_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
_ABOUT_STATUS = frozenset({Reason.HTTP_ERROR, Reason.RATE_LIMITED, Reason.SERVER_ERROR})


def is_transient(reason: Reason, status: int | None = None) -> bool:
    """Return whether the same request may succeed later.

    Args:
        reason: why it failed.
        status: of the answer, if one came; it decides where the reason is about the status.
    """
    if status is not None and reason in _ABOUT_STATUS:
        return status in _TRANSIENT_STATUSES
    return reason in _TRANSIENT


def delay(attempt: int, retry_after: str | None = None) -> float:
    """Return the seconds to wait before trying again: full jitter under a doubling cap.

    Drawn evenly from nothing to the cap, so that clients that failed together do not come back together (Brooker,
    "Exponential Backoff And Jitter", 2015).

    Args:
        attempt: how many attempts were made, from 1.
        retry_after: the header of that name, if the answer had one: never less than it asks, up to
            `LONGEST_WAIT`.
    """
    jitter = random.uniform(0, min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(attempt - 1, 30)))
    asked = parse_retry_after(retry_after) if retry_after else None
    return jitter if asked is None else max(jitter, min(asked, LONGEST_WAIT))


def parse_retry_after(value: str, now: datetime | None = None) -> float | None:
    """Return the seconds that a Retry-After header asks for (RFC 9110, 10.2.3), or None where it says neither form.

    Args:
        value: seconds, or a date.
        now: the time to count from; the present one by default.
    """
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value) if len(value) < 16 else math.inf
    date = parse_date(value)
    return None if date is None else max(0.0, (date - (now or datetime.now(UTC))).total_seconds())
