"""The search page in a browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
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


@pytest.fixture(scope="module")
def server(pools: list[Path], shared: Path) -> Iterator[Client]:
    """A server of the pools, which may fetch from this machine."""
    with running(ServeConfig(pools=pools, encoder=encoder_of(shared), port=0)) as client:
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
