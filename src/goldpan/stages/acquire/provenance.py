"""What a row of `images` says of the web it came from, in its column `extra`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from goldpan.fetch.records import Fetched
from goldpan.stages.acquire.intake import extra_text

OF_FETCH = frozenset({"url", "final_url", "status", "etag", "last_modified", "fetched_at"})
OF_BYTES = frozenset({
    "original_width", "original_height", "original_format", "original_sha256", "md5", "exif", "animated", "truncated",
})  # fmt: skip
DUPLICATE = "duplicate_of"
_OURS = OF_FETCH | OF_BYTES | {DUPLICATE}


def of_fetch(fetched: Fetched, url: str) -> dict[str, Any]:
    """Return where and when an image was fetched.

    Args:
        fetched: what came.
        url: that the list names; another one was asked for where there is a mirror.
    """
    record = {
        "url": url,
        "final_url": fetched.final_url,
        "status": fetched.status,
        "etag": fetched.headers.get("etag"),
        "last_modified": fetched.headers.get("last-modified"),
        "fetched_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return {name: value for name, value in record.items() if value is not None}


def of_first(extra: dict[str, Any], first: str) -> dict[str, Any]:
    """Return what a row has from an earlier one with the same URL.

    Args:
        extra: of the earlier row.
        first: its id.
    """
    return {name: value for name, value in extra.items() if name in OF_FETCH | OF_BYTES} | {DUPLICATE: first}


def joined(listed: dict[str, Any], ours: dict[str, Any]) -> str | None:
    """Return the column `extra`: the columns of a list, under other names where ours are the same, and ours."""
    return extra_text({f"listed_{name}" if name in _OURS else name: value for name, value in listed.items()} | ours)
