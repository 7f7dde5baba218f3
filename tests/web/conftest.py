"""The search page in a browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from goldpan.web.serve.config import ServeConfig
from tests.web.browser import Window, chromium
from tests.web.pools import encoder_of, write_index, write_workspace
from tests.web.serve.conftest import Client, running

Open = Callable[..., Window]


@pytest.fixture(scope="session")
def pools(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> list[Path]:
    """A workspace of photos, and an index folder of the same with captions by strangers."""
    folder = tmp_path_factory.mktemp("pools")
    ws = write_workspace(folder, shared)
    return [folder / "photos-ws", write_index(folder / "strangers", ws)]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """The browser of this machine."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def photo_port(pools: list[Path]) -> Iterator[int]:
    """The port of a server on loopback that has the photos."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    host = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=pools[0].parent / "photos"))
    thread = Thread(target=host.serve_forever)
    thread.start()
    yield host.server_port
    host.shutdown()
    thread.join()
    host.server_close()


@pytest.fixture(scope="session")
def server(
    pools: list[Path], shared: Path, photo_port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    """A server of the pools, which fetches photos, with a workspace for what is chosen."""
    kept = tmp_path_factory.mktemp("kept") / "ws"
    fetches = {"allow_private": True, "ports": [photo_port]}
    with running(ServeConfig(pools=pools, encoder=encoder_of(shared), port=0, keep=kept, **fetches)) as client:
        yield client


@pytest.fixture
def open_window(browser: Any, server: Client) -> Iterator[Open]:
    """Open windows; nothing may go wrong in them."""
    opened: list[Window] = []

    def window(**options: Any) -> Window:
        opened.append(Window(browser, options.pop("client", server), **options))
        return opened[-1]

    yield window
    for one in opened:
        one.close()


@pytest.fixture
def window(open_window: Open) -> Window:
    """A window with the page open."""
    return open_window()
