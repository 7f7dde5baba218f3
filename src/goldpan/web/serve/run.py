"""Serving: sockets, keys, and the words on the terminal."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from goldpan.core.errors import InputError
from goldpan.web.serve.app import make_app
from goldpan.web.serve.config import ServeConfig
from goldpan.web.serve.keys import Keys
from goldpan.web.serve.service import Service

_CONNECTIONS = 1024
_LOOPBACK = ("127.0.0.1", "::1")


def serve(config: ServeConfig) -> None:
    """Serve until interrupted.

    Raises:
        InputError: what is to be served cannot be opened, or the port not listened at.
        FormatError: index and metadata of a pool do not belong together.
    """
    import uvicorn

    sockets = listen(config)
    service = Service(config)
    try:
        port = sockets[0].getsockname()[1]
        keys = None if config.public else Keys()
        app = make_app(service, keys, port)
        options = uvicorn.Config(
            app, lifespan="off", ws="none", access_log=False, log_level="warning", server_header=False,
            proxy_headers=False, limit_concurrency=_CONNECTIONS, timeout_graceful_shutdown=5,
        )  # fmt: skip
        with _token_file(config.token_file, keys):
            sys.stderr.writelines(f"{line}\n" for line in greeting(config, service, keys, sockets))
            with suppress(KeyboardInterrupt):
                uvicorn.Server(options).run(sockets=sockets)
    finally:
        service.close()
        for each in sockets:
            each.close()


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
            if found:
                continue  # a machine without IPv6
            raise InputError(
                f"Cannot listen at {host}:{port} ({error.strerror}); choose another --port or --host."
            ) from error
    return found


def greeting(config: ServeConfig, service: Service, keys: Keys | None, sockets: list[socket.socket]) -> list[str]:
    """Return what a person is told at the start."""
    host, port = sockets[0].getsockname()[:2]
    at = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
    lines = [
        f"serving {name}: {pool.pool.n:,} rows, {' and '.join(pool.pool.modalities)}"
        for name, pool in service.pools.items()
    ]
    lines += [f"  takes vectors only: {pool.problem}" for pool in service.pools.values() if pool.problem]
    if keys is None:
        return [*lines, f"open    {at}", "Anyone who reaches this port may search, and see the pictures of these rows."]
    if host not in _LOOPBACK:
        lines.append("Other machines reach this port; the token travels unencrypted. A tunnel (ssh -L) is safer.")
    return [*lines, f"open    {at}?token={keys.ticket()}    (good once)", f"scripts Authorization: Bearer {keys.token}"]


@contextmanager
def _token_file(path: Path | None, keys: Keys | None) -> Iterator[None]:
    """Keep the token in a file that none but its owner reads, while the server runs."""
    if path is None or keys is None:
        yield
        return
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "w") as file:  # noqa: PTH123
            file.write(keys.token + "\n")
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}; name a file that is not there yet.") from error
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
