"""Large files: into a `.part` beside their place, on from where it broke off, and there only when whole."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

from goldpan.core.errors import InputError, Reason
from goldpan.fetch.errors import FetchError
from goldpan.fetch.exchange import Receiver
from goldpan.fetch.part import Checks, Part
from goldpan.fetch.records import Fetched, Missed, Request
from goldpan.fetch.retry import delay, is_transient
from goldpan.fetch.verdict import Problem

Ask = Callable[[Request, Receiver], Fetched | Missed]
_NOT_SATISFIABLE = 416
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")


class Download:
    """One file and how to get it.

    Args:
        ask: makes one attempt, with the receiver that it is given.
        url: where it is.
        path: where it goes.
        checks: what it is known to be.
        retries: attempts after one that brought nothing new.
        on_bytes: told how many bytes are there to begin with, and then how many came.
    """

    def __init__(
        self, ask: Ask, url: str, path: Path, checks: Checks, retries: int, on_bytes: Callable[[int], None] | None
    ) -> None:
        self._ask, self._url, self._path, self._checks, self._retries = ask, url, path, checks, retries
        self._on_bytes = on_bytes or (lambda _: None)

    def run(self, *, resume: bool) -> Path:
        """Return the path with the file at it; see `Fetcher.download`."""
        if self._path.exists() and self._is_right():
            return self._path
        try:
            with Part(self._path) as part:
                if not resume:
                    part.restart()
                self._on_bytes(part.size)
                self._fill(part)
                part.finish()
        except OSError as error:
            raise InputError(f"{self._path} cannot be written: {error.strerror}.") from error
        return self._path

    def _is_right(self) -> bool:
        try:
            self._checks.check(self._path)
        except FetchError:
            return False
        return True

    def _fill(self, part: Part) -> None:
        """Get what is missing, and all of it once more where what was there proves to be of another file."""
        was_begun = part.size > 0
        self._get(part)
        try:
            self._checks.check(part.path)
        except FetchError:
            self._begin_anew(part)
            if not was_begun:
                raise
            self._get(part)
            self._checks.check(part.path)

    def _get(self, part: Part) -> None:
        failures, most = 0, part.size
        while part.size == 0 or part.size != self._checks.size:
            headers = self._headers(part)
            tail = _Tail(part, self._checks.size, self._on_bytes)
            result = self._ask(Request(None, self._url, headers), tail)
            if tail.error:
                raise tail.error
            if isinstance(result, Fetched) or tail.total == part.size > 0:
                return
            # Who has to begin anew each time, and gets now more and now less, is not to try for ever.
            failures, most = 1 if part.size > most else failures + 1, max(most, part.size)
            if result.status == _NOT_SATISFIABLE and headers:
                self._begin_anew(part)
            elif not is_transient(result.reason, result.status) or failures > self._retries:
                raise FetchError(result.reason, result.detail)
            time.sleep(delay(failures))

    def _headers(self, part: Part) -> dict[str, str]:
        """Ask for the rest, where it can be told whether it is the rest of the same file."""
        validator = part.validator
        if part.size and validator:
            return {"range": f"bytes={part.size}-", "if-range": validator}
        if part.size and (self._checks.sha256 or self._checks.md5):
            return {"range": f"bytes={part.size}-"}
        self._begin_anew(part)
        return {}

    def _begin_anew(self, part: Part) -> None:
        self._on_bytes(-part.size)
        part.restart()


class _Tail:
    """Takes an answer into a part: all of the file, or the rest of it."""

    def __init__(self, part: Part, size: int | None, on_bytes: Callable[[int], None]) -> None:
        self.problem: Problem | None = None
        self.held = 0
        self.error: Exception | None = None
        self.total: int | None = None
        self._part, self._size, self._on_bytes = part, size, on_bytes

    def begin(self, status: int, headers: dict[str, str]) -> bool:
        """Take the headers; return whether the body is wanted."""
        span = _CONTENT_RANGE.fullmatch(headers.get("content-range", ""))
        if status == _NOT_SATISFIABLE and span and span[2] != "*":
            self.total = int(span[2])
        if not 200 <= status < 300:
            return False
        if headers.get("content-encoding", "identity") != "identity":
            self.problem = Reason.BAD_RESPONSE, f"The file comes encoded as {headers['content-encoding'][:40]!r}."
        elif status != 206:
            self._restart(_validator(headers))
        elif not (span and span[1] and int(span[1]) == self._part.size):
            self.problem = Reason.BAD_RESPONSE, f"Another part came than that from byte {self._part.size:,}."
        elif self._is_of_another(headers):  # a server that does not know If-Range
            self._restart(None)
            self.problem = Reason.CUT_OFF, "The file has changed on the server."
        return not (self.problem or self.error)

    def write(self, data: bytes) -> bool:
        """Take some of the body; return whether more is wanted."""
        try:
            self._part.write(data)
            self._on_bytes(len(data))
        except Exception as error:  # noqa: BLE001  it would be lost on its way through libcurl
            self.error = error
            return False
        if self._size is not None and self._part.size > self._size:
            self.problem = Reason.WRONG_HASH, f"More than the {self._size:,} bytes that are expected."
        return self.problem is None

    def end(self) -> None:
        """Take note that all came."""

    def data(self) -> bytes:
        """Return nothing: it is in the file."""
        return b""

    def _is_of_another(self, headers: dict[str, str]) -> bool:
        ours, theirs = self._part.validator, _validator(headers)
        return bool(ours and theirs and ours.startswith('"') and ours != theirs)

    def _restart(self, validator: str | None) -> None:
        self._on_bytes(-self._part.size)
        try:
            self._part.restart(validator)
        except OSError as error:
            self.error = error


def _validator(headers: dict[str, str]) -> str | None:
    """Return what tells this version of a file from others: its ETag, unless that is a weak one, or its date."""
    etag = headers.get("etag", "")
    found = etag if etag.startswith('"') else headers.get("last-modified", "")
    return found if found.isascii() and found.isprintable() else None
