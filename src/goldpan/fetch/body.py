"""A body in memory: no more of it than is allowed, and none where the headers say no."""

from __future__ import annotations

from collections.abc import Collection

from goldpan.core.errors import Reason
from goldpan.fetch.consent import refused
from goldpan.fetch.verdict import Problem

_DRAINED = 64 << 10
"""Bytes of an error page that are read, and dropped, to keep the connection for the next request."""


class Body:
    """Takes the body of an answer, decoded.

    Args:
        max_bytes: the most that is taken.
        whole: where more comes it is a problem; otherwise the beginning is enough.
        words: by which the headers may refuse their use; see `consent.refused`.
        agent: the name of our robot, which those words may be for.
    """

    def __init__(self, max_bytes: int, *, whole: bool = True, words: Collection[str] = (), agent: str = "") -> None:
        self.problem: Problem | None = None
        self._max_bytes, self._whole = max_bytes, whole
        self._words, self._agent = words, agent
        self._pieces: list[bytes] = []
        self._room = 0
        self._kept = False

    def begin(self, status: int, headers: dict[str, str]) -> bool:
        """Take the headers; return whether the body is wanted."""
        self._kept = 200 <= status < 300
        self._room = self._max_bytes if self._kept else _DRAINED
        if not self._kept:
            return True
        notice = refused(headers, self._words, self._agent) if self._words else None
        length = headers.get("content-length", "")
        if notice:
            self.problem = Reason.OPTED_OUT, f"The answer refuses its use by {notice}."
        elif self._whole and length.isdecimal() and int(length[:18]) > self._room and "content-encoding" not in headers:
            self.problem = Reason.TOO_MANY_BYTES, f"{int(length[:18]):,} bytes; allowed are {self._max_bytes:,}."
        return self.problem is None

    def write(self, data: bytes) -> bool:
        """Take some of the body; return whether more is wanted."""
        self._room -= len(data)
        if self._kept and self._room < 0 and self._whole:
            self.problem = Reason.TOO_MANY_BYTES, f"More than the {self._max_bytes:,} bytes that are allowed."
        elif self._kept:
            self._pieces.append(data)
        return self._room >= 0

    def data(self) -> bytes:
        """Return what came."""
        return b"".join(self._pieces)
