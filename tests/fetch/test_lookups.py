"""Names to addresses: once a host, many at a time, and what goes wrong."""

from __future__ import annotations

import asyncio
import os
import select
import socket
import threading
import time

import pytest

from goldpan.core.errors import Reason
from goldpan.fetch import resolver
from goldpan.fetch.client import Fetched, Fetcher, Missed, Request
from goldpan.fetch.resolver import Answer, Resolver, look_up
from tests.fetch.serving import options, serve
from tests.hostile import Ask


async def quick(ask: Ask) -> None:
    await ask.reply(b"x")


class Names:
    """Stands in for the system's name service: the one thing here that a test cannot have a real one of."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers: dict[str, list[object]] = {}
        self.asked: list[str] = []
        monkeypatch.setattr(resolver.socket, "getaddrinfo", self._getaddrinfo)

    def _getaddrinfo(self, host: str, *_: object, **__: object) -> list[tuple[object, ...]]:
        self.asked.append(host)
        answers = self.answers[host]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, float):
            time.sleep(answer)
            raise socket.gaierror(socket.EAI_AGAIN, "late")
        if isinstance(answer, Exception):
            raise answer
        return [(2, 1, 6, "", (address, 0)) for address in answer]  # type: ignore[attr-defined]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    return Names(monkeypatch)


def test_the_system_is_asked() -> None:
    answer = look_up("localhost")
    assert "127.0.0.1" in answer.addresses
    assert answer.problem is None
    assert look_up("a" * 300).problem


def test_many_at_once() -> None:
    found = Resolver(threads=4)
    for _ in range(50):
        found.ask("localhost")
    came: list[Answer] = []
    while len(came) < 50:
        assert select.select([found.bell], [], [], 5)[0]
        os.eventfd_read(found.bell)
        came += found.answers()
    assert found.pending == 0
    assert sum(thread.name == "goldpan-lookup" for thread in threading.enumerate()) <= 4
    found.close()


def test_a_host_is_looked_up_once(names: Names) -> None:
    names.answers["images.example"] = [["127.1.0.1"]]
    with serve(host=quick) as server:
        server._by_host["images.example"] = server.cases[0]
        with Fetcher(options(server)) as fetcher:
            urls = [f"http://images.example:{server.port}/{n}" for n in range(50)]
            results = list(fetcher.fetch_all(Request(url, url) for url in urls))
    assert all(isinstance(result, Fetched) for result in results)
    assert names.asked == ["images.example"]


@pytest.mark.parametrize(
    ("answers", "reason", "asked"),
    [
        ([socket.gaierror(socket.EAI_NONAME, "unknown")], Reason.DNS_FAILED, 1),
        ([socket.gaierror(socket.EAI_AGAIN, "busy")], Reason.DNS_FAILED, 3),
        ([socket.gaierror(socket.EAI_AGAIN, "busy"), ["127.1.0.1"]], None, 2),
        ([["8.8.8.8", "169.254.169.254"]], Reason.PRIVATE_ADDRESS, 1),
        ([["::ffff:169.254.169.254"]], Reason.PRIVATE_ADDRESS, 1),
    ],
)
def test_what_can_go_wrong(names: Names, answers: list[object], reason: Reason | None, asked: int) -> None:
    names.answers["images.example"] = answers
    with serve(host=quick) as server:
        server._by_host["images.example"] = server.cases[0]
        with Fetcher(options(server, retries=2)) as fetcher:
            urls = [f"http://images.example:{server.port}/{n}" for n in range(5)]
            results = list(fetcher.fetch_all(Request(url, url) for url in urls))
    assert [result.reason if isinstance(result, Missed) else None for result in results] == [reason] * 5
    assert len(names.asked) == asked


def test_a_lookup_that_takes_too_long_holds_nothing_up(names: Names) -> None:
    names.answers |= {"silent.example": [2.0]}
    with serve(host=quick) as server, Fetcher(options(server, connect_timeout=0.3)) as fetcher:
        urls = [f"http://silent.example:{server.port}/", server.url("host")]
        begun = time.monotonic()
        first, second = fetcher.fetch_all(Request(url, url) for url in urls)
        assert time.monotonic() - begun < 1.5
    assert isinstance(first, Fetched)
    assert isinstance(second, Missed)
    assert (second.reason, second.attempts) == (Reason.DNS_FAILED, 0)
    assert "0.3 s" in second.detail


def test_waiting_costs_nothing(names: Names) -> None:
    names.answers["images.example"] = [["127.1.0.1"]]

    async def slow(ask: Ask) -> None:
        await asyncio.sleep(1)
        await ask.reply(b"x")

    with serve(host=slow) as server:
        server._by_host["images.example"] = server.cases[0]
        with Fetcher(options(server)) as fetcher:
            begun = time.thread_time()
            fetcher.fetch(f"http://images.example:{server.port}/")
            assert time.thread_time() - begun < 0.1


def test_the_rest_of_the_addresses_is_tried(names: Names) -> None:
    names.answers["images.example"] = [["127.1.0.77", "127.1.0.1"]]
    with serve(host=quick) as server:
        server._by_host["images.example"] = server.cases[0]
        with Fetcher(options(server)) as fetcher:
            assert fetcher.fetch(f"http://images.example:{server.port}/").body == b"x"
