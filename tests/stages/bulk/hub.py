"""A hub of data sets on loopback: what huggingface_hub asks of the real one, for files that a test gives."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "a" * 40


@contextmanager
def hub(repository: str, files: dict[str, bytes]) -> Iterator[tuple[str, list[str]]]:
    """Serve one data set; give the endpoint, and the paths that are asked for."""
    asked: list[str] = []

    class Hub(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            asked.append(path)
            if path == f"/api/datasets/{repository}/revision/main":
                self._json({"id": repository, "sha": COMMIT, "siblings": []})
            elif path.startswith(start := f"/api/datasets/{repository}/tree/{COMMIT}"):
                below = path.removeprefix(start).lstrip("/")
                self._json([_about(name, data) for name, data in files.items() if name.startswith(below)])
            elif (name := path.removeprefix(f"/datasets/{repository}/resolve/{COMMIT}/")) in files:
                self._file(files[name])
            else:
                self._send(404, b"", {"X-Error-Code": "EntryNotFound" if repository in path else "RepoNotFound"})

        do_HEAD = do_GET

        def _file(self, data: bytes) -> None:
            first, status = 0, 200
            if wanted := self.headers.get("range"):
                first, status = int(wanted.removeprefix("bytes=").split("-")[0]), 206
            head = {"ETag": f'"{hashlib.sha256(data).hexdigest()}"', "X-Repo-Commit": COMMIT}
            span = f"bytes {first}-{len(data) - 1}/{len(data)}"
            self._send(status, data[first:], head | ({"Content-Range": span} if status == 206 else {}))

        def _json(self, value: object) -> None:
            self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

        def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _about(name: str, data: bytes) -> dict[str, object]:
    about: dict[str, object] = {"type": "file", "path": name, "size": len(data), "oid": "b" * 40}
    if not name.endswith(".json"):
        about["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
    return about
