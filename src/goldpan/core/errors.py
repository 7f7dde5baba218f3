"""One tree of errors; each message says what, which value, what is allowed and what to type next.

::

    GoldpanError              exit code 1: the work could not go on
    ├── StageError            a stage stopped; what it committed is kept
    └── InputError            exit code 2: another input or option is needed
        ├── UnknownName       no such encoder, format, table ...: "did you mean"
        ├── MissingExtra      an optional dependency is not installed
        ├── ArrayError        an array has the wrong shape, dtype or values
        ├── FormatError       the bytes of a file are not what its format says
        ├── ImageError        an image cannot be used; carries a `Reason`
        ├── RemoteError       a bucket, or what is in it, cannot be reached, read or written; carries a `Reason`
        └── WorkspaceError    the folder is no workspace, or cannot be one
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Any


class GoldpanError(Exception):
    """Base of every error goldpan raises on purpose."""

    exit_code = 1

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel between processes as made, whatever arguments the class takes."""
        return _remade, (type(self), self.args), self.__dict__


def _remade(kind: type[GoldpanError], args: tuple[Any, ...]) -> GoldpanError:
    return kind.__new__(kind, *args)


class StageError(GoldpanError):
    """A stage cannot go on; everything it committed stays."""


class InputError(GoldpanError):
    """What was asked for cannot be done as asked."""

    exit_code = 2


class UnknownName(InputError):
    """A name that no catalog holds.

    Attributes:
        kind: of what it is a name.
        name: what was typed.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        names = sorted(str(name) for name in known)
        close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        suggestion = f" Did you mean {close[0]!r}?" if close else ""
        listed = ", ".join(names) if names else "none"
        super().__init__(f"Unknown {kind} {name!r}.{suggestion} Known: {listed}.{' ' + hint if hint else ''}")
        self.kind, self.name = kind, name


class MissingExtra(InputError):
    """An optional dependency is needed and not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed; type: pip install 'goldpan[{extra}]'")


class ArrayError(InputError):
    """An array has the wrong shape, dtype or values."""


class FormatError(InputError):
    """A file does not hold what its format says.

    Attributes:
        path: the file.
        row: the first bad row, if one can be named.
        offset: the byte at which it starts.
    """

    def __init__(self, path: str | Path, problem: str, *, row: int | None = None, offset: int | None = None) -> None:
        where = "" if row is None else f" at row {row}"
        where += "" if offset is None else f" (byte {offset})"
        super().__init__(f"{path}{where}: {problem}")
        self.path = Path(path)
        self.row = row
        self.offset = offset


class WorkspaceError(InputError):
    """The folder is not a workspace, or cannot be written."""


class Reason(StrEnum):
    """Why an item did not make it: the values of `failures.reason`."""

    MISSING_FILE = "missing_file"
    UNREADABLE_FILE = "unreadable_file"
    EMPTY_FILE = "empty_file"
    TOO_MANY_BYTES = "too_many_bytes"
    NOT_AN_IMAGE = "not_an_image"
    TOO_MANY_PIXELS = "too_many_pixels"
    TRUNCATED = "truncated"
    CORRUPT = "corrupt"
    DUPLICATE_ID = "duplicate_id"
    BAD_ROW = "bad_row"
    BAD_BOX = "bad_box"
    BOX_TOO_SMALL = "box_too_small"
    FILTERED = "filtered"
    IMAGE_NOT_FOUND = "image_not_found"
    NO_TEXT = "no_text"
    NOT_FINITE = "not_finite"
    ENCODER_FAILED = "encoder_failed"
    ENGINE_FAILED = "engine_failed"
    # Of fetching a URL.
    BAD_URL = "bad_url"
    SCHEME_NOT_ALLOWED = "scheme_not_allowed"
    PORT_NOT_ALLOWED = "port_not_allowed"
    PRIVATE_ADDRESS = "private_address"
    DNS_FAILED = "dns_failed"
    CONNECT_FAILED = "connect_failed"
    TLS_FAILED = "tls_failed"
    TIMED_OUT = "timed_out"
    TOO_SLOW = "too_slow"
    CUT_OFF = "cut_off"
    BAD_RESPONSE = "bad_response"
    TOO_MANY_REDIRECTS = "too_many_redirects"
    BAD_REDIRECT = "bad_redirect"
    NOT_FOUND = "not_found"
    FORBIDDEN = "forbidden"
    RATE_LIMITED = "rate_limited"
    HTTP_ERROR = "http_error"
    SERVER_ERROR = "server_error"
    HOST_GAVE_UP = "host_gave_up"
    ROBOTS = "robots"
    OPTED_OUT = "opted_out"
    # Of what came.
    WRONG_HASH = "wrong_hash"
    DECODER_DIED = "decoder_died"
    DECODE_TIMED_OUT = "decode_timed_out"
    IMAGE_TOO_SMALL = "image_too_small"

    @property
    def by_rule(self) -> bool:
        """True where a rule that was asked for left the item out: counted, but nobody's mistake."""
        return self in _BY_RULE


_BY_RULE = (Reason.BOX_TOO_SMALL, Reason.FILTERED, Reason.IMAGE_TOO_SMALL, Reason.ROBOTS, Reason.OPTED_OUT)


class ItemError(InputError):
    """One item of many that cannot be used.

    Attributes:
        reason: the value for the `failures` table.
        detail: one sentence for a person.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class ImageError(ItemError):
    """An image that cannot be used."""


class RemoteError(InputError):
    """A bucket, or what is in it, cannot be reached, read or written.

    Attributes:
        reason: the value for the `failures` table, where an item is concerned.
    """

    def __init__(self, reason: Reason, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason
