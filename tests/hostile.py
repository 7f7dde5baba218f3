"""A web server that does everything a web server should not: real sockets, in a thread of this process.

Each case of `tests.hostile_cases` is a host of its own, with an address of its own (127.1.0.1 and on), so that what one
does is not held against another. `HostileServer` counts what was connected to and keeps what was asked.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count

from goldpan.core.errors import Reason


class Hangup(Exception):
    """Raised by a case to close the connection at once."""


@dataclass
class Ask:
    """One request, and the means to answer it."""

    host: str
    path: str
    headers: dict[str, str]
    nth: int  # how many times this path of the host was asked for, this one included
    turn: int  # the same of the connection
    writer: asyncio.StreamWriter

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()

    async def reply(self, body: bytes = b"", status: str = "200 OK", **headers: str) -> None:
        """Answer as a good server would; `content_type="text/html"` is the header Content-Type."""
        named = {"content-type": "image/png", "content-length": str(len(body))}
        named |= {name.replace("_", "-"): value for name, value in headers.items()}
        head = "".join(f"{name}: {line}\r\n" for name, value in named.items() for line in value.split("\n"))
        await self.send(f"HTTP/1.1 {status}\r\n{head}\r\n".encode("latin-1") + body)


Answer = Callable[[Ask], Awaitable[None]]


@dataclass(frozen=True)
class Case:
    """What a host does.

    Attributes:
        name: of the case.
        answer: to every request but that for robots.txt.
        missed: the reason that fetching ends with, None where it brings a body.
        dropped: the reason that `goldpan acquire urls` ends with, None where it brings an image.
        path: to ask for.
        robots: answers the request for robots.txt.
    """

    name: str
    answer: Answer
    missed: Reason | None
    dropped: Reason | None
    path: str
    robots: Answer


async def no_robots(ask: Ask) -> None:
    await ask.reply(status="404 Not Found")


@dataclass
class HostileServer:
    """The cases, each at an address of its own; a context manager.

    Attributes:
        cases: served; the host of a request tells which.
        addresses: listened at; one a case, unless others are given.
        port: listened at; any free one unless it is given.
        tls: for https.
        connections: how many were accepted, by address.
        asked: host and path of every request.
    """

    cases: Sequence[Case]
    addresses: Sequence[str] = ()
    port: int = 0
    tls: ssl.SSLContext | None = None
    connections: Counter[str] = field(default_factory=Counter)
    asked: list[Ask] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._by_host = {case.name.replace("_", "-") + ".example": case for case in self.cases}
        self._home = {case.name: f"127.1.0.{number}" for number, case in enumerate(self.cases, 1)}
        self._by_host |= {self._home[case.name]: case for case in self.cases}
        self._counts: Counter[tuple[str, str]] = Counter()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="hostile")

    def home(self, name: str) -> str:
        """Return the address of a case."""
        return self._home[name]

    def url(self, name: str, path: str | None = None) -> str:
        """Return where to find a case."""
        case = next(case for case in self.cases if case.name == name)
        scheme = "https" if self.tls else "http"
        return f"{scheme}://{self._home[name]}:{self.port}{case.path if path is None else path}"

    def paths(self, name: str) -> list[str]:
        """Return what a case was asked for."""
        hosts = {host for host, case in self._by_host.items() if case.name == name}
        return [ask.path for ask in list(self.asked) if ask.host in hosts]

    def __enter__(self) -> HostileServer:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        self._open: set[asyncio.Task[None]] = set()
        servers = []
        for address in self.addresses or self._home.values():
            server = await asyncio.start_server(self._connected, address, self.port, ssl=self.tls, backlog=1024)
            self.port = server.sockets[0].getsockname()[1]  # the first takes any free port, the others the same
            servers.append(server)
        self._ready.set()
        await self._over.wait()
        for server in servers:
            server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        self.connections[writer.get_extra_info("sockname")[0]] += 1
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError, Hangup):
            for turn in count(1):
                await self._answer(turn, reader, writer)
        self._open.discard(task)
        writer.transport.abort()

    async def _answer(self, turn: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").splitlines()
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        host = headers["host"].partition(":")[0]
        path = first.split(" ")[1]
        self._counts[host, path] += 1
        ask = Ask(host, path, headers, self._counts[host, path], turn, writer)
        self.asked.append(ask)
        case = self._by_host.get(host, self.cases[0])
        await (case.robots if path == "/robots.txt" else case.answer)(ask)
