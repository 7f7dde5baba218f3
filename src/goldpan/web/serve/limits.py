"""How much requests may take: bytes of a body, bytes of all bodies, requests at once, seconds."""

from __future__ import annotations

import asyncio
from collections import Counter

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from goldpan.web.serve.config import MIB, ServeConfig
from goldpan.web.serve.errors import problem

_ALL_BODIES = 256 * MIB
# Of JSON, each of which becomes an object, while no other request moves: values, keys, lists and objects.
_MOST = {b",": 1_000_000, b":": 100_000, b"[": 100_000, b"{": 100_000}
_LATER = {"Retry-After": "1"}


class Limits:
    """Reads the body of a request whole, within bounds, before anything else is done for it."""

    def __init__(self, app: ASGIApp, config: ServeConfig) -> None:
        self._app, self._config, self.max_body = app, config, config.max_body
        self._held = self._requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._requests >= self._config.max_requests:
            await _busy("requests")(scope, receive, send)
            return
        self._requests += 1
        body = _Body(self)
        started = _Started(send)
        try:
            async with asyncio.timeout(self._config.timeout):
                refused = await body.read(scope, receive)
                await (refused or self._app)(scope, body.replay(receive), started)
        except TimeoutError:
            if not started.yes:
                await _late(self._config.timeout, body)(scope, receive, send)
        except asyncio.CancelledError:  # the server ends, and has waited
            if not started.yes:
                await problem(503, "ending", "The server ends.", {"Connection": "close"})(scope, receive, send)
        finally:
            self._requests -= 1
            self._held -= body.size

    def hold(self, body: _Body, part: bytes) -> Response | None:
        """Hold one part more of a body; return why not, if not."""
        if body.size + len(part) > self.max_body:
            return problem(413, "too_large", f"A request may have {self.max_body:,} bytes.")
        if any(body.count(sign, part) > most for sign, most in _MOST.items()):
            return problem(
                413, "too_large", "The JSON of a request may have a million values, and 100,000 keys or lists."
            )
        if self._held + len(part) > _ALL_BODIES + self.max_body:
            return _busy("bodies of requests")
        self._held += len(part)
        return None


class _Body:
    """The body of one request."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._parts: list[bytes] = []
        self._counts: Counter[bytes] = Counter()
        self.size, self.is_whole = 0, False

    def count(self, sign: bytes, part: bytes) -> int:
        """Count a sign in one part more; return how often it came."""
        self._counts[sign] += part.count(sign)
        return self._counts[sign]

    async def read(self, scope: Scope, receive: Receive) -> Response | None:
        """Read the body; return why it is not taken, if it is not."""
        said = Headers(scope=scope).get("content-length", "")
        if said.isdecimal() and int(said[:18]) > self._limits.max_body:
            return problem(413, "too_large", f"A request may have {self._limits.max_body:,} bytes.")
        while not self.is_whole:
            message = await receive()
            if message["type"] == "http.disconnect":
                return Response(status_code=400)
            part = message.get("body", b"")
            if refused := self._limits.hold(self, part):
                return refused
            self.size += len(part)
            self._parts.append(part)
            self.is_whole = not message.get("more_body", False)
        return None

    def replay(self, receive: Receive) -> Receive:
        """Return what gives the body to the application, and then what else comes."""
        given = False

        async def give() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            whole = b"".join(self._parts)
            self._parts.clear()
            return {"type": "http.request", "body": whole, "more_body": False}

        return give


class _Started:
    """Passes an answer on, and knows whether it began."""

    def __init__(self, send: Send) -> None:
        self._send, self.yes = send, False

    async def __call__(self, message: Message) -> None:
        self.yes = True
        await self._send(message)


def _busy(what: str) -> Response:
    return problem(503, "busy", f"The server has as many {what} as it can hold; ask again.", _LATER)


def _late(seconds: float, body: _Body) -> Response:
    if body.is_whole:
        return problem(504, "too_late", f"The answer took longer than {seconds:g} s.", _LATER)
    return problem(408, "too_slow", f"The request did not come within {seconds:g} s.", {"Connection": "close"})
