"""Real servers on loopback."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from PIL import Image

from goldpan.web.serve.config import ServeConfig
from goldpan.web.serve.run import Server
from tests.web.serve.colors import write_encoder, write_index

Start = Callable[..., "Client"]


class Client(httpx.Client):
    """Speaks to one server, with its token where it has one.

    Attributes:
        server: that it speaks to.
        token: of it, as a header.
    """

    def __init__(self, server: Server, **options: Any) -> None:
        self.token = {"Authorization": f"Bearer {server.keys.token}"} if server.keys is not None else {}
        super().__init__(base_url=server.address, headers=self.token, timeout=30, **options)
        self.server = server

    def knn(self, **fields: Any) -> Any:
        answer = self.post("/knn-service", json={"modality": "image", "num_images": 3} | fields)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def find(self, *queries: dict[str, Any], **fields: Any) -> Any:
        answer = self.post("/api/v1/search", json={"queries": list(queries)} | fields)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refused(self, path: str, body: Any, status: int) -> str:
        """Send what is refused with this status; return the word for it."""
        answer = self.post(path, json=body) if not isinstance(body, bytes) else self.post(path, content=body)
        assert answer.status_code == status, answer.text
        assert set(answer.json()) == {"error", "message"}
        return str(answer.json()["error"])


def raw(client: Client, *parts: bytes, pause: float = 0.0) -> bytes:
    """Send bytes as they are; return all that comes until the server closes."""
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=20) as line:
        for part in parts:
            line.sendall(part)
            time.sleep(pause)
        answer = b""
        while part := line.recv(65536):
            answer += part
        return answer


@pytest.fixture(scope="session")
def colors(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """An index folder of pictures of one color each, and the spec of its encoder."""
    folder = tmp_path_factory.mktemp("colors")
    return write_index(folder / "colors", text=True), write_encoder(folder)


@pytest.fixture
def start(colors: tuple[Path, str]) -> Iterator[Start]:
    """Start servers of the colors, or of what is named; they end with the test."""
    with ExitStack() as stack:

        def started(**fields: Any) -> Client:
            named = {"pools": [colors[0]], "encoder": colors[1], "port": 0} | fields
            return stack.enter_context(running(ServeConfig(**named)))

        yield started


@pytest.fixture(scope="module")
def client(colors: tuple[Path, str]) -> Iterator[Client]:
    """A server of the colors for all tests of a file."""
    with running(ServeConfig(pools=[colors[0]], encoder=colors[1], port=0)) as client:
        yield client


class running:
    """Runs a server in a thread; gives a client of it."""

    def __init__(self, config: ServeConfig) -> None:
        self._server = Server(config)

    def __enter__(self) -> Client:
        self._thread = Thread(target=self._server.run)
        self._thread.start()
        self._client = Client(self._server)
        assert self._client.get("/health").json() == {"status": "ok"}
        return self._client

    def __exit__(self, *_: object) -> None:
        self._client.close()
        self._server.stop()
        self._thread.join(60)
        self._server.__exit__()
        assert not self._thread.is_alive()


@pytest.fixture
def photo_server(tmp_path: Path) -> Iterator[str]:
    """A server on loopback with one orange picture and one text."""
    folder = tmp_path / "served"
    folder.mkdir()
    Image.new("RGB", (50, 50), "orange").save(folder / "orange.png")
    (folder / "text").write_text("no image")
    with folder_server(folder) as address:
        yield address


@contextmanager
def folder_server(folder: Path) -> Iterator[str]:
    """Serve the files of a folder on loopback; gives the address, without a slash."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
