"""What one request may take, and all together."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from goldpan.web.serve import heads
from tests.web.serve.conftest import Client, Start, raw


def head(client: Client, *lines: str) -> bytes:
    token = f"Authorization: {client.token['Authorization']}"
    said = ["POST /knn-service HTTP/1.1", "Host: 127.0.0.1", token, "Connection: close", *lines]
    return "\r\n".join(said).encode() + b"\r\n\r\n"


def test_large_bodies_are_refused_before_they_come(start: Start) -> None:
    client = start(max_body=2000)
    assert client.refused("/knn-service", b" " * 2001, 413) == "too_large"
    assert b" 413 " in raw(client, head(client, "Content-Length: 99999999999"))


def test_large_bodies_of_unknown_length_are_refused_as_they_come(start: Start) -> None:
    client = start(max_body=2000)
    chunk = b"400\r\n" + b" " * 1024 + b"\r\n"
    assert b" 413 " in raw(client, head(client, "Transfer-Encoding: chunked"), chunk * 3)


def test_slow_bodies_are_given_up(start: Start) -> None:
    client = start(timeout=0.5)
    started = time.perf_counter()
    answer = raw(client, head(client, "Content-Length: 100"), b"{", b'"', pause=0.1)
    assert b" 408 " in answer
    assert b'"error":"too_slow"' in answer
    assert time.perf_counter() - started < 5


def test_bodies_of_all_requests_are_bounded(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("goldpan.web.serve.limits._ALL_BODIES", 3000)
    client = start(max_body=4000, timeout=3)
    part = head(client, "Content-Length: 3000") + b" " * 2900
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda _: raw(client, part), range(6)))
    statuses = sorted(answer.split()[1] for answer in answers)
    assert statuses.count(b"503") == 4  # 7,000 bytes are held of two
    assert statuses.count(b"408") == 2
    assert client.post("/metadata", json={"ids": []}).json() == []  # and let go


def test_requests_at_once_are_bounded(start: Start) -> None:
    client = start(max_requests=2, timeout=2)
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: raw(client, head(client, "Content-Length: 9") + b"{"), range(4)))
    assert sorted(answer.split()[1] for answer in answers) == [b"408", b"408", b"503", b"503"]
    assert client.get("/indices-list").json() == ["colors"]


def test_answers_that_take_too_long_are_given_up(start: Start, colors: tuple[Path, str]) -> None:
    slow = colors[0].parent / "slow.py"
    sleep = "        import time; time.sleep(3 if 'red' in texts else 0)\n"
    text = (colors[0].parent / "colors.py").read_text()
    slow.write_text(text.replace("        known = [", f"{sleep}        known = ["))
    client = start(encoder=f"{slow}:encoder", timeout=1.5)
    assert client.refused("/knn-service", {"text": "red", "modality": "image", "num_images": 1}, 504) == "too_late"
    time.sleep(2)
    assert client.knn(text="blue")[0]["caption"] == "blue"


def test_heads_end_in_time_and_size(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "HEAD_SECONDS", 1.0)
    client = start()
    assert raw(client) == b""
    assert raw(client, b"GET / HTTP/1.1\r\nX: a", pause=0.1) == b""
    flood = b"GET / HTTP/1.1\r\nX: " + b"a" * heads.MAX_HEAD
    assert b" 400 " in raw(client, flood[:40_000], flood[40_000:])
    for _ in range(3):  # each head on one line has its own time
        assert client.get("/health").status_code == 200
        time.sleep(0.5)


def test_large_bodies_are_no_heads(client: Client) -> None:
    assert client.refused("/knn-service", b" " * (3 * heads.MAX_HEAD), 400) == "bad_request"


@pytest.mark.parametrize("depth", [500, 100_000])
def test_deep_json_is_refused(client: Client, depth: int) -> None:
    deep = b'{"queries":' + b"[" * depth + b"]" * depth + b"}"
    client.refused("/knn-service", deep, 400)
    answer = client.post("/api/v1/search", content=deep, headers={"content-type": "application/json"})
    assert answer.status_code == 400
