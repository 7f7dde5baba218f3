"""One exchange: what is sent, where it may connect to, and how the answer's headers are read."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from goldpan.core.errors import InputError, Reason
from goldpan.fetch.body import Body
from goldpan.fetch.client import Fetched, Fetcher, FetchOptions, Missed, Request
from goldpan.fetch.exchange import Exchange
from goldpan.fetch.headers import are_whole, read_headers
from goldpan.fetch.wire import Wire
from tests.fetch.serving import options, serve
from tests.hostile import Ask, Hangup


async def quick(ask: Ask) -> None:
    await ask.reply(
        b"x", set_cookie="a=b; Path=/", etag='"1"', link="<l>", tdm_policy="p", server="s", x_robots_tag="all"
    )


def alone(wire: Wire, url: str, pinned: str | None) -> tuple[int | None, object]:
    """Run one exchange with nothing before it; return status and problem."""
    wire.start(url, pinned, {}, Body(1000), None, 5.0)
    while not (ended := wire.turn(1.0)):
        pass
    return ended[0].status, ended[0].problem


@pytest.mark.parametrize(("private", "others"), [(False, {}), (True, {"ports": [80]})])
def test_the_socket_is_checked_whatever_was_before(private: bool, others: dict[str, object]) -> None:
    """A name pinned to a private address, as if it had been looked up so, comes to nothing when it connects."""
    with serve(host=quick) as server:
        wire = Wire(options(server, allow_private=private, **others))
        pinned = f"good.example:{server.port}:{server.home('host')}"
        status, problem = alone(wire, f"http://good.example:{server.port}/", pinned)
        wire.close()
        assert server.connections.total() == 0
    assert status is None
    assert problem is not None
    assert problem[0] == Reason.PRIVATE_ADDRESS  # type: ignore[index]


def test_a_pinned_address_is_connected_to() -> None:
    with serve(host=quick) as server:
        wire = Wire(options(server))
        pinned = f"host.example:{server.port}:{server.home('host')}"
        assert alone(wire, f"http://host.example:{server.port}/", pinned) == (200, None)
        wire.close()
        assert server.asked[0].headers["host"] == f"host.example:{server.port}"


def test_nothing_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("HOME", str(tmp_path))
    with serve(host=quick) as server, Fetcher(options(server)) as fetcher:
        (tmp_path / ".netrc").write_text(f"machine {server.home('host')} login me password secret")
        for _ in range(2):
            fetcher.fetch(server.url("host"))
        for ask in server.asked:
            assert set(ask.headers) == {"host", "user-agent", "accept", "accept-encoding"}


def test_a_proxy_is_used_where_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    with serve(proxy=quick) as server:
        proxy = f"http://{server.home('proxy')}:{server.port}"
        settings = FetchOptions(proxy=proxy, robots="ignore", retries=0, http2=False)
        server._by_host["images.example"] = server.cases[0]
        with Fetcher(settings) as fetcher:
            assert fetcher.fetch("http://images.example/a.png").body == b"x"
            (refused,) = fetcher.fetch_all([Request(0, "http://10.0.0.1/a.png")])
    assert isinstance(refused, Missed)
    assert refused.reason == Reason.PRIVATE_ADDRESS


def test_headers_that_are_kept() -> None:
    with serve(host=quick) as server, Fetcher(options(server)) as fetcher:
        headers = fetcher.fetch(server.url("host")).headers
    assert headers == {
        "content-type": "image/png", "content-length": "1", "etag": '"1"', "link": "<l>", "tdm-policy": "p",
        "x-robots-tag": "all",
    }  # fmt: skip


def test_own_headers_go_to_their_own_origin_only() -> None:
    async def moved(ask: Ask) -> None:
        await ask.reply(status="302 Found", location=f"http://{server.home('other')}:{server.port}/")

    own = {"authorization": "Bearer secret", "cookie": "a=b", "if-none-match": '"1"'}
    with serve(first=moved, other=quick) as server, Fetcher(options(server)) as fetcher:
        (result,) = fetcher.fetch_all([Request(0, server.url("first"), own)])
        first, other = server.asked
    assert isinstance(result, Fetched)
    assert own.items() <= first.headers.items()
    assert other.headers["if-none-match"] == '"1"'
    assert not {"authorization", "cookie"} & set(other.headers)


@pytest.mark.parametrize("headers", [{"x": "a\r\nb: c"}, {"x\n": "a"}, {"x": "\u00e9"}, {"X-Upper": "a"}, {"": "a"}])
def test_headers_that_cannot_be_sent(headers: dict[str, str]) -> None:
    with pytest.raises(InputError, match="cannot be sent"):
        Request(0, "http://a.example/", headers)


def test_not_modified_is_an_answer_to_those_who_asked() -> None:
    async def same(ask: Ask) -> None:
        await ask.reply(status="304 Not Modified")

    with serve(host=same) as server, Fetcher(options(server)) as fetcher:
        requests = [Request(0, server.url("host"), {"if-none-match": '"1"'}), Request(1, server.url("host"))]
        asked, unasked = sorted(fetcher.fetch_all(requests), key=lambda result: result.key)
    assert isinstance(asked, Fetched)
    assert (asked.status, asked.body) == (304, b"")
    assert isinstance(unasked, Missed)
    assert (unasked.reason, unasked.status) == (Reason.HTTP_ERROR, 304)


def test_headers_are_read() -> None:
    lines = [b"HTTP/1.1 103 Early\r\n", b"Link: a\r\n", b"\r\n", b"HTTP/2 200 \r\n", b"A: 1\r\n", b"a:2 : 3\r\n",
             b" folded\r\n", b"Caf\xe9: \x85\r\n", b"Empty:\n", b"\r\n"]  # fmt: skip
    assert read_headers(lines) == (200, {"a": "1\n2 : 3 folded", "caf\u00e9": "\x85", "empty": ""})
    assert read_headers([b"HTTP/1.1 abc\r\n"]) == (0, {})
    assert are_whole(lines)
    assert not any(are_whole(lines[:count]) for count in range(len(lines)))


def test_memory_for_bodies_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound, all transfers but the eldest are paused; they all come to their end."""
    monkeypatch.setattr("goldpan.fetch.wire.MOST_BYTES", 200_000)
    body = bytes(300_000)
    held: list[int] = []
    answers: set[bool] = set()
    has_room = Wire.has_room

    def watched(wire: Wire, exchange: Exchange) -> bool:
        held.append(wire._bytes)
        answers.add(has_room(wire, exchange))
        return has_room(wire, exchange)

    monkeypatch.setattr(Wire, "has_room", watched)

    async def large(ask: Ask) -> None:
        await ask.send(b"HTTP/1.1 200 OK\r\n\r\n")
        for start in range(0, len(body), 20_000):
            await ask.send(body[start : start + 20_000])
            await asyncio.sleep(0.001)
        raise Hangup

    with serve(host=large) as server:
        for max_bytes, reason in ((300_000, None), (250_000, Reason.TOO_MANY_BYTES)):
            answers.clear()
            with Fetcher(options(server, per_host=20, max_bytes=max_bytes)) as fetcher:
                results = list(fetcher.fetch_all(Request(n, server.url("host", f"/{n}")) for n in range(40)))
            assert [getattr(result, "reason", None) for result in results] == [reason] * 40
            assert {result.body for result in results if isinstance(result, Fetched)} <= {body}
            assert answers == {True, False}
    assert max(held) <= 200_000 + len(body)
