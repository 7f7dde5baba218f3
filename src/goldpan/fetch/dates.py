"""Dates in headers."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def parse_date(text: str) -> datetime | None:
    """Return a date of any form that HTTP has or had (RFC 9110, 5.6.7), or of ISO 8601; None for what is none.

    One without a time zone is taken for UTC.
    """
    for parse in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            date = parse(text)
        except (ValueError, OverflowError):  # years of thirty digits
            continue
        return date if date.tzinfo else date.replace(tzinfo=UTC)
    return None
