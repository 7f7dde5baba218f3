"""A body in memory: no more of it than is allowed, and none where the headers say no."""

from __future__ import annotations

import io
from collections.abc import Collection

from goldpan.core.errors import Reason
from goldpan.fetch.consent import refused
from goldpan.fetch.decoding import CodingError, Decoder, decoders
from goldpan.fetch.verdict import Problem

_DRAINED = 64 << 10
"""Bytes of an error page that are read, and dropped, to keep the connection for the next request."""


class Body:
    """Takes the body of an answer and decodes it.

    Args:
        max_bytes: the most that is taken, decoded.
        whole: where more comes it is a problem; otherwise the beginning is enough.
        words: by which the headers may refuse their use; see `consent.refused`.
        agent: the name of our robot, which those words may be for.
    """

    def __init__(self, max_bytes: int, *, whole: bool = True, words: Collection[str] = (), agent: str = "") -> None:
        self.problem: Problem | None = None
        self.held = 0
        self._room, self._whole = max_bytes, whole
        self._words, self._agent = words, agent
        self._too_many = Reason.TOO_MANY_BYTES, f"More than the {max_bytes:,} bytes that are allowed."
        self._taken = io.BytesIO()  # hands over what it holds without a copy, unlike a list of pieces
        self._decoders: list[Decoder] = []
        self._kept = False

    def begin(self, status: int, headers: dict[str, str]) -> bool:
        """Take the headers; return whether the body is wanted."""
        self._kept = 200 <= status < 300
        if not self._kept:
            self._room = _DRAINED
            return True
        try:
            self._decoders = decoders(headers.get("content-encoding", ""))
        except CodingError as error:
            self.problem = Reason.BAD_RESPONSE, f"The body cannot be read: {error}."
        length = headers.get("content-length", "")[:18]
        if length.isdecimal() and int(length) > self._room and self._whole:
            self.problem = self._too_many
        if self._words and (notice := refused(headers, self._words, self._agent)):
            self.problem = Reason.OPTED_OUT, f"The answer refuses its use by {notice}."
        return self.problem is None

    def write(self, data: bytes) -> bool:
        """Take some of the body; return whether more is wanted."""
        try:
            for decoder in self._decoders:
                data = decoder.decode(data, self._room)
                if len(data) > self._room:
                    break
        except CodingError as error:
            self.problem = Reason.BAD_RESPONSE, f"The body cannot be read: {error}."
            return False
        self._room -= len(data)
        if self._kept:
            self._taken.write(data)
            self.held += len(data)
            if self._room < 0 and self._whole:
                self.problem = self._too_many
        return self._room >= 0

    def end(self) -> None:
        """Take note that all came."""
        if not all(decoder.ended for decoder in self._decoders):
            self.problem = Reason.CUT_OFF, "The body ends before the end of what is packed in it."

    def data(self) -> bytes:
        """Return what came."""
        return self._taken.getvalue()
