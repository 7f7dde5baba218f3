"""Names to addresses: once a host, many at a time, and what goes wrong."""

from __future__ import annotations

import asyncio
import os
import select
import time
from collections.abc import Iterator

import pytest

from goldpan.core.errors import Reason
from goldpan.fetch.client import Fetched, Fetcher, Missed, Request
from goldpan.fetch.resolver import Answer, Resolver
from tests.fetch.names import FAILED, SILENCE, UNKNOWN, NameServer, name_server
from tests.fetch.serving import options, serve
from tests.hostile import Ask


async def quick(ask: Ask) -> None:
    await ask.reply(b"x")


@pytest.fixture
def names() -> Iterator[NameServer]:
    with name_server() as server:
        yield server


def look_up(resolver: Resolver, *hosts: str) -> dict[str, Answer]:
    for host in hosts:
        resolver.ask(host)
    came: list[Answer] = []
    while len(came) < len(hosts):
        assert select.select([resolver.bell], [], [], 20)[0]
        os.eventfd_read(resolver.bell)
        came += resolver.answers()
    assert resolver.pending == 0
    return {answer.host: answer for answer in came}


def test_hosts_of_this_machine_need_no_name_server() -> None:
    resolver = Resolver()
    found = look_up(resolver, "localhost", "a" * 300, "bad..name")
    resolver.close()
    assert "127.0.0.1" in found["localhost"].addresses
    assert found["localhost"].problem is None
    assert [(answer.addresses, answer.may_pass) for answer in list(found.values())[1:]] == [((), False)] * 2


def test_a_thousand_at_once(names: NameServer) -> None:
    hosts = [f"h{number}.example" for number in range(1000)]
    names.answers |= {host: [["127.1.0.1"]] for host in hosts}
    resolver = Resolver((names.address,))
    begun = time.monotonic()
    found = look_up(resolver, *hosts)
    resolver.close()
    assert all(answer.addresses == ("127.1.0.1",) for answer in found.values())
    assert time.monotonic() - begun < 20


def test_answers_that_come_after_the_end_are_dropped(names: NameServer) -> None:
    names.answers["silent.example"] = [SILENCE]
    resolver = Resolver((names.address,))
    resolver.ask("silent.example")
    resolver.close()


def test_no_name_is_looked_for_below_the_machine_s_own_domains(names: NameServer) -> None:
    resolver = Resolver((names.address,))
    look_up(resolver, "images.example")
    resolver.close()
    assert set(names.asked) == {"images.example"}


def test_a_host_is_looked_up_once(names: NameServer) -> None:
    names.answers["images.example"] = [["127.1.0.1"]]
    with serve(host=quick) as server:
        server._by_host["images.example"] = server.cases[0]
        with Fetcher(options(server, name_servers=[names.address])) as fetcher:
            urls = [f"http://images.example:{server.port}/{n}" for n in range(50)]
            results = list(fetcher.fetch_all(Request(url, url) for url in urls))
    assert all(isinstance(result, Fetched) for result in results)
    assert names.asked == ["images.example"]


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ([UNKNOWN], Reason.DNS_FAILED),
        ([[]], Reason.DNS_FAILED),
        ([FAILED], Reason.DNS_FAILED),
        ([FAILED, FAILED, ["127.1.0.1"]], None),
        ([["8.8.8.8", "169.254.169.254"]], Reason.PRIVATE_ADDRESS),
        ([["::ffff:169.254.169.254"]], Reason.PRIVATE_ADDRESS),
    ],
)
def test_what_can_go_wrong(names: NameServer, answers: list[list[str] | str], reason: Reason | None) -> None:
    names.answers["images.example"] = answers
    with serve(host=quick) as server:
        server._by_host["images.example"] = server.cases[0]
        with Fetcher(options(server, retries=2, name_servers=[names.address])) as fetcher:
            urls = [f"http://images.example:{server.port}/{n}" for n in range(5)]
            results = list(fetcher.fetch_all(Request(url, url) for url in urls))
    assert [result.reason if isinstance(result, Missed) else None for result in results] == [reason] * 5
    assert answers == [FAILED] or len(names.asked) <= 3


def test_a_lookup_that_takes_too_long_holds_nothing_up(names: NameServer) -> None:
    names.answers |= {"silent.example": [SILENCE]}
    with serve(host=quick) as server:
        settings = options(server, connect_timeout=0.3, name_servers=[names.address])
        with Fetcher(settings) as fetcher:
            urls = [f"http://silent.example:{server.port}/", server.url("host")]
            begun = time.monotonic()
            first, second = fetcher.fetch_all(Request(url, url) for url in urls)
            assert time.monotonic() - begun < 10
    assert isinstance(first, Fetched)
    assert isinstance(second, Missed)
    assert (second.reason, second.attempts) == (Reason.DNS_FAILED, 0)
    assert "0.3 s" in second.detail


def test_waiting_costs_nothing(names: NameServer) -> None:
    names.answers["images.example"] = [["127.1.0.1"]]

    async def slow(ask: Ask) -> None:
        await asyncio.sleep(1)
        await ask.reply(b"x")

    with serve(host=slow) as server:
        server._by_host["images.example"] = server.cases[0]
        with Fetcher(options(server, name_servers=[names.address])) as fetcher:
            begun = time.thread_time()
            fetcher.fetch(f"http://images.example:{server.port}/")
            assert time.thread_time() - begun < 0.1


def test_the_rest_of_the_addresses_is_tried(names: NameServer) -> None:
    names.answers["images.example"] = [["127.1.0.77", "127.1.0.1"]]
    with serve(host=quick) as server:
        server._by_host["images.example"] = server.cases[0]
        with Fetcher(options(server, name_servers=[names.address])) as fetcher:
            assert fetcher.fetch(f"http://images.example:{server.port}/").body == b"x"
