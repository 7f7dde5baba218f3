"""One HTTP request and its answer at a time, on a handle of libcurl that is used again and again."""

from __future__ import annotations

import socket
from typing import Any, Protocol

import pycurl

from goldpan.core.errors import Reason
from goldpan.fetch.addresses import may_reach
from goldpan.fetch.headers import are_whole, read_headers
from goldpan.fetch.options import FetchOptions
from goldpan.fetch.verdict import Problem

RATE_SECONDS = 10.0
"""Over how long the rate of a transfer is measured."""
_PROTOCOLS = pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS
_PAUSE: int = pycurl.WRITEFUNC_PAUSE
_HEADER_BYTES = 512 << 10
"""Bytes of headers that are read, those of answers that are not final among them; libcurl's bound varies."""


class Receiver(Protocol):
    """Takes an answer.

    Attributes:
        problem: why it took no more, None where it simply had enough.
        held: bytes that it holds in memory.
    """

    problem: Problem | None
    held: int

    def begin(self, status: int, headers: dict[str, str]) -> bool:
        """Take the headers (names in lower case); return whether the body is wanted."""

    def write(self, data: bytes) -> bool:
        """Take some of the body, as it was sent; return whether more is wanted."""

    def end(self) -> None:
        """Take note that all of the body came."""

    def data(self) -> bytes:
        """Return what came, where it is held."""


class Keeper(Protocol):
    """Sees to it that the exchanges together do not hold too much."""

    def has_room(self, exchange: Exchange) -> bool:
        """Return whether an exchange may take more, or has to wait."""

    def hold(self, held: int) -> None:
        """Count bytes that are held from now on."""


class Exchange:
    """A handle and the exchange it is at.

    The settings that keep a list of URLs from doing harm are made here, once a handle: only http and https; nothing
    from the environment, no cookies, no .netrc; redirects are not followed; certificates are verified; and no socket
    is opened to an address or a port that is not allowed, whatever the URL, the name server or a redirect said.

    Args:
        options: of fetching.
        keeper: says whether more can be held.

    Attributes:
        handle: of libcurl.
        owner: whatever the one who began it wants back.
        receiver: takes the answer.
        status: of the answer, None before it came.
        headers: of the answer; those that came several times have their values on lines of their own.
        began: time of the start.
        problem: why it failed, None where it did not.
    """

    def __init__(self, options: FetchOptions, keeper: Keeper) -> None:
        self.handle = pycurl.Curl()
        self._options = options
        self._keeper = keeper
        self._lines: list[bytes] = []
        self._configure()

    def begin(self, url: str, pinned: str | None, headers: dict[str, str], receiver: Receiver, owner: Any) -> None:
        """Set up the next request.

        Args:
            url: to fetch, as `parse_url` wrote it.
            pinned: ``host:port:address,address``: the addresses to connect to; None where the host is one, and where a
                proxy looks it up.
            headers: besides the usual ones.
            receiver: takes the answer.
            owner: comes back with the exchange.
        """
        self.receiver = receiver
        self.owner = owner
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.problem: Problem | None = None
        self._enough = False
        self._forbidden: str | None = None
        self._header_bytes = 0
        self._lines.clear()
        self.handle.setopt(pycurl.URL, url)
        self.handle.setopt(pycurl.RESOLVE, [f"+{pinned}"] if pinned else [])
        # Images gain nothing from being packed; what a server packs unasked is unpacked by the receiver.
        sent = {"accept-encoding": "identity"} | headers
        self.handle.setopt(pycurl.HTTPHEADER, [f"{name}: {value}" for name, value in sent.items()])

    def time(self, now: float, seconds: float) -> None:
        """Set the clock going: it is `now`, and the end has to come within `seconds`."""
        self.began = self._rated_at = now
        self._deadline = now + seconds
        self._rated_bytes = 0.0

    def delay(self, seconds: float) -> None:
        """Leave out time in which it was held up by us."""
        self._rated_at += seconds
        self._deadline += seconds

    def overdue(self, now: float) -> Problem | None:
        """Return what is to be said of it where it takes too long."""
        if now >= self._deadline:
            return Reason.TIMED_OUT, f"Not done after {now - self.began:.1f} s."
        if now - self._rated_at < RATE_SECONDS:
            return None
        first_byte = self.handle.getinfo(pycurl.STARTTRANSFER_TIME)
        if not first_byte:  # the server may think, but not longer than a usual answer takes
            late = now - self.began >= self._options.timeout
            return (Reason.TIMED_OUT, f"No answer after {now - self.began:.1f} s.") if late else None
        self._rated_at = max(self._rated_at, self.began + first_byte)
        if now - self._rated_at < RATE_SECONDS:
            return None
        brought = self.handle.getinfo(pycurl.SIZE_DOWNLOAD)  # of the body: headers that drip bring nothing
        rate = (brought - self._rated_bytes) / (now - self._rated_at)
        self._rated_at, self._rated_bytes = now, brought
        least = self._options.min_rate
        return (Reason.TOO_SLOW, f"Brought {rate:.0f} bytes a second, of {least} at least.") if rate < least else None

    def end(self, problem: Problem | None) -> None:
        """Take note of the end, and of headers that no body followed."""
        if self._header_bytes > _HEADER_BYTES:
            problem = Reason.BAD_RESPONSE, f"The answer has more than {_HEADER_BYTES:,} bytes of headers."
        elif self.status is None and are_whole(self._lines):
            self._take_headers()
        elif self.status is None and not problem:
            problem = Reason.CUT_OFF, "The answer ends within its headers."
        if problem and self._forbidden:
            problem = Reason.PRIVATE_ADDRESS, f"{self._forbidden} is no address that may be connected to."
        if not problem and not self._enough:
            self.receiver.end()
        self.problem = self.receiver.problem if self._enough or not problem else problem

    def release(self) -> None:
        """Let go of what came: it would be kept until the next exchange on this handle."""
        del self.receiver, self.owner

    def _configure(self) -> None:
        options = self._options
        version = pycurl.CURL_HTTP_VERSION_2TLS if options.http2 else pycurl.CURL_HTTP_VERSION_1_1
        for option, value in (
            (pycurl.PROTOCOLS, _PROTOCOLS),
            (pycurl.REDIR_PROTOCOLS, _PROTOCOLS),
            (pycurl.FOLLOWLOCATION, 0),
            (pycurl.NETRC, pycurl.NETRC_IGNORED),
            (pycurl.PROXY, options.proxy or ""),
            (pycurl.NOPROXY, ""),
            (pycurl.SSL_VERIFYPEER, 1),
            (pycurl.SSL_VERIFYHOST, 2),
            (pycurl.CAINFO, str(options.ca_file or _usual_authorities())),
            (pycurl.USERAGENT, options.agent),
            (pycurl.HTTP_VERSION, version),
            (pycurl.CONNECTTIMEOUT_MS, int(options.connect_timeout * 1000)),
            (pycurl.BUFFERSIZE, 128 << 10),  # fewer calls for large bodies: a sixth less work at 100 KB
            (pycurl.NOSIGNAL, 1),
            (pycurl.OPENSOCKETFUNCTION, self._open_socket),
            (pycurl.HEADERFUNCTION, self._take_line),
            (pycurl.WRITEFUNCTION, self._write),
        ):
            self.handle.setopt(option, value)

    def _open_socket(self, purpose: int, address: Any) -> Any:
        """Open a socket to an address that libcurl is about to connect to; the last and surest of the checks."""
        family, kind, protocol, (host, port, *_) = address
        if not self._may_connect(host, port):
            self._forbidden = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            return pycurl.SOCKET_BAD
        try:
            return _Lent(socket.socket(family, kind, protocol))
        except OSError:  # such as an IPv6 address on a machine without
            return pycurl.SOCKET_BAD

    def _may_connect(self, host: str, port: int) -> bool:
        if self._options.proxy:
            return True  # it is the proxy's
        return port in self._options.ports and may_reach(host, self._options.allow_private)

    def _take_line(self, line: bytes) -> int:
        self._header_bytes += len(line)
        if self._header_bytes > _HEADER_BYTES:
            return 0
        self._lines.append(line)
        return len(line)

    def _take_headers(self) -> None:
        self.status, self.headers = read_headers(self._lines)
        self._enough = not self.receiver.begin(self.status, self.headers)

    def _write(self, data: bytes) -> int:
        """Take a piece of the body; libcurl ends the exchange when the number returned is not that of the bytes."""
        if self.status is None:
            self._take_headers()
        if not self._enough:
            if not self._keeper.has_room(self):
                return _PAUSE
            before = self.receiver.held
            self._enough = not self.receiver.write(data)
            self._keeper.hold(self.receiver.held - before)
        return 0 if self._enough else len(data)


class _Lent:
    """A socket for pycurl, which takes a copy of its number at once and leaves this one to be closed."""

    def __init__(self, opened: socket.socket) -> None:
        self._opened = opened

    def fileno(self) -> int:
        return self._opened.fileno()

    def __del__(self) -> None:
        self._opened.close()


def _usual_authorities() -> str:
    import certifi

    return certifi.where()
