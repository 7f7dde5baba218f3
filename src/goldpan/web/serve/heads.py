"""HTTP connections whose request heads end in time and size, which uvicorn leaves open."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD = 64 << 10
HEAD_SECONDS = 20.0


class BoundedHeads(HttpToolsProtocol):
    """Closes connections that send no whole head within 20 seconds or 64 KiB."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what comes of a head."""
        if self._in_head:
            self._head += len(data)
            if self._head > MAX_HEAD and not self._ends_head(data):
                self.send_400_response("The head of the request is too large.")
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        """Begin to wait for a head, where the last one came."""
        super().on_message_begin()
        if not self._in_head:
            self._await_head()

    def on_headers_complete(self) -> None:
        """Wait no more for this head."""
        self._in_head = False
        self._timer.cancel()
        super().on_headers_complete()

    def _await_head(self) -> None:
        self._in_head, self._head = True, 0
        self._timer: Any = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _ends_head(self, data: bytes) -> bool:
        """Whether the head ends in the first part of what came; the rest is body."""
        return b"\r\n\r\n" in data[:MAX_HEAD]

    def _give_up(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.close()
