"""`goldpan serve` as it is typed."""

import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from goldpan.core.errors import InputError
from goldpan.web.serve.config import ServeConfig
from goldpan.web.serve.run import listen
from tests.ports import free_port

SERVE = [sys.executable, "-W", "error::ResourceWarning", "-m", "goldpan", "serve"]


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_interrupted(colors: tuple[Path, str], tmp_path: Path, signum: int) -> None:
    token = tmp_path / "token"
    token.write_text("of a server that was killed\n")
    words = [*SERVE, colors[0], "--encoder", colors[1], "--port", "0", "--token-file", token]
    server = subprocess.Popen([*map(str, words)], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    told = ""
    while "open " not in told:
        told += server.stderr.readline()
        assert server.poll() is None, told
    assert "serving colors: 13 rows, image and text" in told
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert f"Bearer {token.read_text().strip()}" in told
    address, ticket = re.search(r"(http://127\.0\.0\.1:\d+/)\?token=(\S+)", told).groups()
    for host in ("127.0.0.1", "[::1]"):
        at = address.replace("127.0.0.1", host)
        assert httpx.get(at, headers={"Authorization": f"Bearer {token.read_text().strip()}"}).status_code == 200
    with httpx.Client(base_url=address, follow_redirects=True) as browser:
        assert browser.get("/", params={"token": ticket}).url.query == b""
    server.send_signal(signum)
    out, err = server.communicate(timeout=60)
    assert (server.returncode, out, err) == (0, "", "")
    assert not token.exists()


def test_requests_that_are_under_way_do_not_keep_it(colors: tuple[Path, str]) -> None:
    words = [*SERVE, colors[0], "--public", "--host", "127.0.0.1", "--port", "0"]
    server = subprocess.Popen([*map(str, words)], stderr=subprocess.PIPE, text=True)
    told = ""
    while "open " not in told:
        told += server.stderr.readline()
    port = int(re.search(r"open +http://127\.0\.0\.1:(\d+)/", told)[1])
    with socket.create_connection(("127.0.0.1", port)) as half, socket.create_connection(("127.0.0.1", port)):
        half.sendall(b"POST /knn-service HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{")
        assert httpx.get(f"http://127.0.0.1:{port}/health").is_success  # it has seen the half request by now
        server.send_signal(signal.SIGINT)
        _, err = server.communicate(timeout=30)
        assert b"The server ends." in half.recv(2000)
    assert server.returncode == 0
    assert err.splitlines() == ["ERROR:    Cancel 1 running task(s), timeout graceful shutdown exceeded"]


def test_it_may_be_ended_as_soon_as_it_greets(colors: tuple[Path, str]) -> None:
    server = subprocess.Popen([*map(str, [*SERVE, colors[0], "--port", "0"])], stderr=subprocess.PIPE, text=True)
    while "open " not in server.stderr.readline():
        assert server.poll() is None
    server.terminate()
    assert (server.communicate(timeout=20)[1], server.returncode) == ("", 0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Name what is to be served"),
        (["none"], "none"),
        (["--indices", "none.json"], "none.json"),
        (["--public", "--keep", "ws"], "choose one of them"),
        (["--port", "99999"], "port"),
        (["--ports", "0"], "greater than 0"),
        (["--violence", "words.npy"], "no NumPy array of numbers"),
    ],
)
def test_mistakes_are_one_sentence(tmp_path: Path, words: list[str], said: str) -> None:
    (tmp_path / "words.npy").write_text("words")
    done = subprocess.run([*SERVE, *words], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_it_listens_on_this_machine_alone_unless_told() -> None:
    for fields, hosts in (
        ({}, {"127.0.0.1", "::1"}),
        ({"public": True}, {"0.0.0.0"}),
        ({"public": True, "host": "127.0.0.1"}, {"127.0.0.1"}),
        ({"host": "localhost"}, {"127.0.0.1", "::1"}),
    ):
        sockets = listen(ServeConfig(port=0, **fields))
        assert {each.getsockname()[0] for each in sockets} <= hosts
        assert len({each.getsockname()[1] for each in sockets}) == 1
        for each in sockets:
            each.close()


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"127.0.0.1:{port}"):
            listen(ServeConfig(port=port))
    by_one_who_would_be_sent_tokens = socket.create_server(("::1", 0), family=socket.AF_INET6)
    with by_one_who_would_be_sent_tokens as taken, pytest.raises(InputError, match="::1:"):
        listen(ServeConfig(port=taken.getsockname()[1]))
    with pytest.raises(InputError, match=r"192\.0\.2\.1"):
        listen(ServeConfig(port=0, host="192.0.2.1"))


def test_it_answers_at_once_after_a_kill(colors: tuple[Path, str], tmp_path: Path) -> None:
    port = free_port()
    words = [*map(str, [*SERVE, colors[0], "--public", "--host", "127.0.0.1", "--port", port])]
    for _ in range(2):
        with (tmp_path / "log").open("w") as log:
            server = subprocess.Popen(words, stderr=log)
            for _ in range(200):
                if "open " in (tmp_path / "log").read_text():
                    break
                assert server.poll() is None, (tmp_path / "log").read_text()
                time.sleep(0.1)
            assert httpx.get(f"http://127.0.0.1:{port}/health").json() == {"status": "ok"}
            os.kill(server.pid, signal.SIGKILL)
            server.wait()
