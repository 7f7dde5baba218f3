"""Serving: sockets, keys, and the words on the terminal."""

from __future__ import annotations

import errno
import os
import signal
import socket
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from goldpan.core.errors import InputError
from goldpan.formats.atomic import replace_file
from goldpan.web.serve.app import make_app
from goldpan.web.serve.config import ServeConfig
from goldpan.web.serve.keys import Keys
from goldpan.web.serve.service import Service

_CONNECTIONS = 1024
_LAST_SECONDS = 5  # for requests under way at the end
_LOOPBACK = ("127.0.0.1", "::1")


def serve(config: ServeConfig) -> None:
    """Serve until interrupted.

    Raises:
        InputError: what is to be served cannot be opened, or the port not listened at.
        FormatError: index and metadata of a pool do not belong together.
    """
    # Threads of faiss that wait for work by spinning take the processors from those that have some.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    with (
        suppress(KeyboardInterrupt),
        _ended_like_interrupted(),
        Server(config) as server,
        _token_file(config.token_file, server.keys),
    ):
        server.heed_signals()
        sys.stderr.writelines(f"{line}\n" for line in server.greeting())
        server.run()


class Server:
    """The search server, listening from when it is made; in a ``with`` block, after which nothing of it is left.

    Raises:
        InputError: what is to be served cannot be opened, or the port not listened at.
        FormatError: index and metadata of a pool do not belong together.

    Attributes:
        service: what answers.
        keys: who may ask; None where anyone may.
        address: such as ``http://127.0.0.1:1234/``.
    """

    def __init__(self, config: ServeConfig) -> None:
        import uvicorn

        from goldpan.web.serve.heads import BoundedHeads

        self._config, self._sockets = config, listen(config)
        try:
            self.service = Service(config)
        except BaseException:
            _close(self._sockets)
            raise
        self.keys = None if config.public else Keys()
        host, port = self._sockets[0].getsockname()[:2]
        self._is_local = host in _LOOPBACK
        self.address = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
        options = uvicorn.Config(
            make_app(self.service, self.keys, port), http=BoundedHeads, ws="none", lifespan="off", access_log=False,
            log_level="error", server_header=False, proxy_headers=False, limit_concurrency=_CONNECTIONS,
            timeout_graceful_shutdown=_LAST_SECONDS,
        )  # fmt: skip
        self._server = uvicorn.Server(options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.service.close()
        _close(self._sockets)

    def heed_signals(self) -> None:
        """Have a request to end, from now on, bring `run` to its end, or keep it from beginning."""
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, self._server.handle_exit)

    def run(self) -> None:
        """Answer until `stop` is called, or the process is interrupted."""
        self._server.run(sockets=self._sockets)

    def stop(self) -> None:
        """Have `run` come to an end; from any thread."""
        self._server.should_exit = True

    def greeting(self) -> list[str]:
        """Return what a person is told at the start."""
        lines = []
        for name, pool in self.service.pools.items():
            lines.append(f"serving {name}: {pool.pool.n:,} rows, {' and '.join(pool.pool.modalities)}")
            lines += [f"  takes vectors only: {pool.problem}"] if pool.problem else []
        if self.keys is None:
            lines.append("Anyone who reaches this port may search, and see the pictures of these rows.")
            return [*lines, f"open    {self.address}"]
        if not self._is_local:
            lines.append("Other machines reach this port, and the token travels unencrypted: ssh -L is safer.")
        lines.append(f"scripts Authorization: Bearer {self.keys.token}")
        return [*lines, f"open    {self.address}?token={self.keys.ticket()}   (once; then a cookie holds)"]


def listen(config: ServeConfig) -> list[socket.socket]:
    """Return what listens: on this machine alone, unless another address is asked for.

    Raises:
        InputError: the port is taken, or the address is not of this machine.
    """
    hosts = [config.host] if config.host else ["0.0.0.0"] if config.public else list(_LOOPBACK)  # noqa: S104 asked for
    found: list[socket.socket] = []
    for host in hosts:
        port = found[0].getsockname()[1] if found else config.port
        try:
            family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
            found.append(socket.create_server((host, port), family=family, backlog=_CONNECTIONS))
        except OSError as error:
            if found and error.errno != errno.EADDRINUSE:
                continue  # a machine may lack IPv6; a port that another program has would be taken for ours
            _close(found)
            raise InputError(
                f"Cannot listen at {host}:{port} ({error.strerror}); choose another --port or --host."
            ) from error
    return found


def _close(sockets: Iterable[socket.socket]) -> None:
    for each in sockets:
        each.close()


@contextmanager
def _token_file(path: Path | None, keys: Keys | None) -> Iterator[None]:
    """Keep the token in a file that none but its owner reads, while the server runs."""
    if path is None or keys is None:
        yield
        return
    with replace_file(path) as temporary, open(temporary, "x", opener=_for_its_owner) as file:
        file.write(keys.token + "\n")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _for_its_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


@contextmanager
def _ended_like_interrupted() -> Iterator[None]:
    """Take a request to end (SIGTERM) for an interrupt, so that what is to be tidied up is."""
    usual = {signum: signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        for signum, handler in usual.items():
            signal.signal(signum, handler)
