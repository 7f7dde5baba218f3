"""What goes into fetching, and what comes out: one result for every request."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from goldpan.core.errors import InputError, Reason


@dataclass(frozen=True, slots=True)
class Request:
    """A URL to fetch.

    Attributes:
        key: whatever tells the result apart; it comes back as it is.
        url: as it was found, unchecked.
        headers: sent besides the usual ones, such as ``{"if-none-match": etag}``; names in lower case.

    Raises:
        InputError: a header holds control characters or is not ASCII, or its name is not in lower case.
    """

    key: Any
    url: str
    headers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in self.headers.items():
            if not (name + value).isascii() or not (name + value).isprintable():
                raise InputError(f"Header {name!r}: {value!r} cannot be sent; it may hold printable ASCII only.")
            if not name or name != name.lower():
                raise InputError(f"Header {name!r} cannot be sent; its name has to be in lower case.")


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came of a request that went well.

    Attributes:
        key: the request's.
        url: the request's.
        final_url: where the body came from, after redirects.
        status: of HTTP; 200 unless the request's headers asked for something else.
        headers: lower-case name -> value, of those that say what the body is and how it may be used.
        body: all of it, decoded.
        seconds: the last attempt took, from connecting to the last byte, redirects included.
        attempts: made, from 1.
    """

    key: Any
    url: str
    final_url: str
    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float
    attempts: int


@dataclass(frozen=True, slots=True)
class Missed:
    """Why nothing came of a request.

    Attributes:
        key: the request's.
        url: the request's.
        reason: the value for the `failures` table.
        detail: one sentence for a person.
        status: of HTTP, where an answer came.
        attempts: made; 0 where the request was refused before any.
    """

    key: Any
    url: str
    reason: Reason
    detail: str
    status: int | None = None
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class HostReport:
    """How one host does.

    Attributes:
        name: of the host.
        done: requests that went well.
        failed: requests that did not.
        waiting: requests taken in and not begun.
        seconds: mean time of its answers; 0 where none came.
    """

    name: str
    done: int
    failed: int
    waiting: int
    seconds: float
