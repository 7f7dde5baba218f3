"""The search server under hostile requests: it does not fail, fetches only what it may, and its memory is bounded."""

import base64
import io
import os
import re
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from PIL import Image

from goldpan.web.serve.config import ServeConfig
from tests.web.serve.colors import write_encoder, write_index
from tests.web.serve.conftest import Client, raw, running

schemathesis = pytest.importorskip(
    "schemathesis", reason="schemathesis is not installed; type: pip install 'goldpan[test]'"
)


CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
)  # fmt: skip

KNOWN = {"pool": None, "indice_name": None, "num_images": 3, "num_result_ids": 5, "columns": None}
"""What cannot be guessed, so that some requests are answered."""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("colors")
    pool = write_index(folder / "colors", text=True)
    with running(ServeConfig(pools=[pool], encoder=write_encoder(folder), port=0, max_body=2 << 20)) as client:
        yield client


def test_every_route_answers_as_it_says(client: Client) -> None:
    schema = schemathesis.openapi.from_dict(client.get("/api/v1/openapi.json").json())
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) >= 13
    for operation in operations:
        answers_as_it_says(client, operation, schemathesis.GenerationMode.POSITIVE)
        with suppress(Unsatisfiable):  # nothing can be wrong with a request without parameters
            answers_as_it_says(client, operation, schemathesis.GenerationMode.NEGATIVE)


def answers_as_it_says(client: Client, operation: Any, mode: Any) -> None:
    schemathesis.checks.load_all_checks()
    checks = schemathesis.checks.CHECKS.get_by_names(CHECKS)

    @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(case=operation.as_strategy(generation_mode=mode))
    def answers(case: Any) -> None:
        if mode == schemathesis.GenerationMode.POSITIVE and isinstance(case.body, dict):
            case.body |= {name: known for name, known in KNOWN.items() if name in case.body}
        case.call_and_validate(base_url=client.server.address.rstrip("/"), headers=client.token, checks=checks)

    answers()


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[", b"null", b"1e999", b'"a"', b"\xff\xfe", b"{" * 50_000, b"[" * 50_000, b'{"a":' * 50_000,
        b'{"text": "\\ud800", "modality": "image", "num_images": 1}',
        b'{"\\ud800": 1}',
        b'{"queries": [{"\\ud800": 1}]}',
        b'{"queries": [{"text": "\\u0000\\u202e"}], "pool": "\\ud800"}',
        b'{"indice_name": "\\ud800", "text": "red", "modality": "image", "num_images": 1}',
        b'{"num_images": ' + b"9" * 5000 + b', "text": "red", "modality": "image"}',
        b'{"num_images": 1e300, "text": "red", "modality": "image"}',
        b'{"ids": [' + b"9" * 5000 + b"]}",
        b'{"ids": [NaN, -Infinity]}',
        b'{"embedding_input": [' + b"NaN," * 11 + b'NaN], "num_images": 1, "modality": "image"}',
        b'{"embedding_input": [' + b"1e39," * 11 + b'1e39], "num_images": 1, "modality": "image"}',
        b'{"queries": [{"vector": [' + b"1e308," * 11 + b"1e308]}]}",
    ],
    ids=lambda body: body[:40].decode("ascii", "replace"),
)  # fmt: skip
@pytest.mark.parametrize("path", ["/knn-service", "/metadata", "/api/v1/search", "/api/v1/rows", "/api/v1/export"])
def test_broken_json_is_the_clients_fault(client: Client, path: str, body: bytes) -> None:
    answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
    assert 400 <= answer.status_code < 500 or answer.json()
    assert answer.status_code < 500
    if answer.is_error:
        assert set(answer.json()) == {"error", "message"}


@pytest.mark.parametrize("path", ["/knn-service", "/metadata", "/api/v1/search", "/api/v1/rows", "/api/v1/export"])
@pytest.mark.parametrize(
    "part",
    [b'"queries":[' + b"[]," * 99_000 + b"[]]", b'"a":{' + b",".join(b'"%d":0' % n for n in range(99_000)) + b"}",
     b'"embedding_input":[' + b"1.5," * 400_000 + b"1]", b'"items":[' + b"{}," * 99_000 + b"{}]"],
    ids=["lists", "keys", "numbers", "objects"],
)  # fmt: skip
def test_many_small_values_take_little_time(client: Client, path: str, part: bytes) -> None:
    started = time.process_time()  # the server is in this process
    answer = client.post(path, content=b"{" + part + b"}", headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert time.process_time() - started < 2
    assert len(answer.content) < 2000


@pytest.mark.parametrize("sign", [b",", b"[", b"{", b":"])
def test_more_values_than_any_request_needs_are_not_read(client: Client, sign: bytes) -> None:
    assert client.refused("/api/v1/search", sign * 1_000_001, 413) == "too_large"


def test_vectors_that_overflow_are_refused(client: Client) -> None:
    asked = {"modality": "image", "num_images": 3}
    assert client.post("/knn-service", json=asked | {"embedding_input": [3e38] * 12}).status_code == 400
    assert all(abs(row["similarity"]) < 1e20 for row in client.knn(embedding_input=[1e18] * 12))


ADDRESSES = (
    "file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "data:image/png;base64,AAAA", "//127.0.0.1/",
    "http://127.0.0.1:{port}/", "http://localhost:{port}/", "http://[::1]:{port}/", "http://[::ffff:127.0.0.1]:{port}/",
    "http://0x7f.1:{port}/", "http://2130706433:{port}/", "http://0:{port}/", "http://127.1:{port}/",
    "http://user@127.0.0.1:{port}/", "http://169.254.169.254/latest/meta-data/", "http://10.0.0.1/",
    "http://[fe80::1]/", "http://127.0.0.1:{port}\\@good.example/", "http://good.example:{port}@127.0.0.1:{port}/",
    "http:///", "", " ", "\x00",
)  # fmt: skip


@pytest.fixture
def canary() -> Iterator[tuple[int, list[str]]]:
    """A server on loopback that nobody should come to; its port, and who came."""
    came: list[str] = []

    class Canary(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            came.append(self.path)
            self.send_error(500)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Canary)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port, came
    server.shutdown()
    thread.join()
    server.server_close()


def test_image_urls_reach_nothing_that_is_not_public(client: Client, canary: tuple[int, list[str]]) -> None:
    port, came = canary
    for address in ADDRESSES:
        asked = {"image_url": address.format(port=port), "modality": "image", "num_images": 1}
        answer = client.post("/knn-service", json=asked)
        assert answer.status_code == 400, (address, answer.text)
        assert set(answer.json()) == {"error", "message"}
        answer = client.post("/api/v1/search", json={"queries": [{"image_url": asked["image_url"]}]})
        assert answer.status_code == 400, (address, answer.text)
    assert not came


def test_images_are_bounded_before_they_are_decoded(client: Client) -> None:
    for image, word in (
        (_png(60_000, 60_000), "too_many_pixels"),
        (os.urandom(1_400_000), "not_an_image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "not_an_image"),
        (_png(100, 100)[:60], "truncated"),
        (b"", "empty_file"),
    ):
        asked = {"image": base64.b64encode(image).decode(), "modality": "image", "num_images": 1}
        assert client.refused("/knn-service", asked, 400) == word
    assert client.refused("/knn-service", {"image": "A" * (2 << 20)}, 413) == "too_large"


def _png(width: int, height: int) -> bytes:
    """Return a PNG whose header says these sides; its pixels are a few zeros."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "path",
    [
        "/static/../serve/config.py", "/static/%2e%2e/serve/config.py", "/static/..%2fserve/config.py",
        "/static//etc/passwd", "/static/%2fetc/passwd", "/static/\\..\\x", "/static/%00", "/../etc/passwd",
        "/etc/passwd", "/%2e%2e/etc/passwd", "/static/", "/static", "/static/..",
        "/api/v1/thumbnail?row=/etc/passwd", "/api/v1/thumbnail?path=/etc/passwd&row=x",
    ],
)  # fmt: skip
def test_no_address_is_a_path_of_this_machine(client: Client, path: str) -> None:
    said = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    answer = raw(client, f"{said}Authorization: {client.token['Authorization']}\r\n\r\n".encode())
    assert answer.split()[1] in (b"400", b"404"), answer
    assert b"root:" not in answer


def test_captions_are_never_markup(client: Client) -> None:
    answer = client.post("/metadata", json={"ids": [11]})
    assert "<script>" in answer.json()[0]["metadata"]["caption"]
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_many_slow_clients_hold_nobody_up_and_memory_is_bounded(tmp_path: Path) -> None:
    pool, spec = write_index(tmp_path / "colors"), write_encoder(tmp_path)
    token, log = tmp_path / "token", (tmp_path / "log").open("w")
    words = ["serve", pool, "--encoder", spec, "--port", "0", "--token-file", token, "--timeout", "8"]
    server = subprocess.Popen([sys.executable, "-m", "goldpan", *map(str, words)], stderr=log)
    try:
        address = _address(tmp_path / "log", server)
        before = _peak(server.pid)
        headers = {"Authorization": f"Bearer {token.read_text().strip()}"}
        with httpx.Client(base_url=address, headers=headers, timeout=30) as client, ExitStack() as stack:
            for _ in range(100):
                line = stack.enter_context(socket.create_connection(("127.0.0.1", httpx.URL(address).port)))
                line.sendall(b"POST /knn-service HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9000000\r\n")
                line.sendall(f"Authorization: {headers['Authorization']}\r\n\r\n".encode() + b'{"image":"')
            started = time.perf_counter()
            assert client.get("/indices-list").json() == ["colors"]
            assert time.perf_counter() - started < 7
            noise = io.BytesIO()
            Image.effect_noise((2000, 2000), 90).save(noise, "JPEG", quality=95)
            asked = {"image": base64.b64encode(noise.getvalue()).decode(), "modality": "image", "num_images": 1}
            with ThreadPoolExecutor(16) as threads:
                answers = list(threads.map(lambda _: client.post("/knn-service", json=asked).status_code, range(32)))
        assert set(answers) <= {200, 408, 503, 504}
        assert 200 in answers
        assert _peak(server.pid) - before < 400 << 20  # bodies of 4 MB, and two pictures decoded at once
    finally:
        server.terminate()
        assert server.wait(60) == 0
        log.close()
    assert "Traceback" not in (tmp_path / "log").read_text()
    assert not token.exists()


def _address(log: Path, server: subprocess.Popen[bytes]) -> str:
    for _ in range(300):
        if found := re.search(r"^open +(http://\S+/)\?", log.read_text(), re.MULTILINE):
            return found[1]
        assert server.poll() is None, log.read_text()
        time.sleep(0.1)
    raise AssertionError(log.read_text())


def _peak(pid: int) -> int:
    """Return the most memory that a process had, in bytes."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) << 10
