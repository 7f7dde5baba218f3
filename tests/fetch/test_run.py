"""Many requests at once: whose turn it is, how far ahead they are taken in, a result for each, nothing left behind."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator

import pytest

from goldpan.core.errors import Reason
from goldpan.fetch.client import Fetched, Fetcher, FetchOptions, Missed, Request
from tests.fetch.serving import options, serve
from tests.hostile import Answer, Ask, Hangup


class Counted:
    """Answers after a while, and counts how many requests there are at once."""

    def __init__(self, seconds: float = 0.01) -> None:
        self._seconds = seconds
        self.now = self.most = self.all = 0

    async def __call__(self, ask: Ask) -> None:
        self.all += 1
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(self._seconds)
        self.now -= 1
        await ask.reply(ask.path.encode())


async def quick(ask: Ask) -> None:
    await ask.reply(ask.path.encode())


async def never(ask: Ask) -> None:
    await asyncio.sleep(2)
    raise Hangup


def hanging_then(answer: Answer) -> Answer:
    async def hangs_up(ask: Ask) -> None:
        await (ask.reply(status="503 Busy") if ask.nth == 1 else answer(ask))

    return hangs_up


@pytest.mark.parametrize("port", [0, -80, 65_536])
def test_ports_that_are_none(port: int) -> None:
    with pytest.raises(ValueError, match="ports are 1 to 65535"):
        FetchOptions(ports=[80, port])


@pytest.mark.parametrize("per_host", [1, 2, 5])
def test_no_more_at_once_than_allowed(per_host: int) -> None:
    counted = Counted()
    with serve(host=counted) as server, Fetcher(options(server, per_host=per_host)) as fetcher:
        results = list(fetcher.fetch_all(Request(n, server.url("host", f"/{n}")) for n in range(40)))
    assert counted.most == per_host
    assert sorted(result.key for result in results) == list(range(40))
    assert all(isinstance(result, Fetched) and result.body == b"/%d" % result.key for result in results)


def test_requests_may_come_later() -> None:
    def requests() -> Iterator[Request | None]:
        yield Request(0, server.url("host", "/0"))
        while not found:
            yield None
        yield Request(1, server.url("host", "/1"))

    found = []
    with serve(host=quick) as server, Fetcher(options(server)) as fetcher:
        for result in fetcher.fetch_all(requests()):
            found.append(result.key)
    assert found == [0, 1]


def test_connections_over_all_hosts_are_limited() -> None:
    counted = Counted()
    hosts = {f"host{n}": counted for n in range(20)}
    with serve(**hosts) as server, Fetcher(options(server, connections=7)) as fetcher:
        results = list(fetcher.fetch_all(Request(n, server.url(f"host{n % 20}", f"/{n}")) for n in range(200)))
    assert (len(results), counted.most) == (200, 7)


def test_a_slow_host_holds_no_other_up() -> None:
    """10,000 URLs of one host come first, and those of the others are there long before it is done."""
    with serve(slow=Counted(0.05), other=quick) as server:
        urls = [server.url("slow", f"/{n}") for n in range(10_000)] + [server.url("other", f"/{n}") for n in range(50)]
        with Fetcher(options(server)) as fetcher:
            results = fetcher.fetch_all(Request(url, url) for url in urls)
            came = set()
            for result in results:
                came.add(result.key)
                if came.issuperset(urls[-50:]):
                    break
            waiting = {host.name: host.waiting for host in fetcher.hosts()}
            results.close()
    assert waiting[server.home("slow")] > 9000
    assert len(server.paths("slow")) < 1000


def test_hosts_have_their_turn_in_order() -> None:
    with serve(many=Counted(), few=Counted()) as server, Fetcher(options(server, connections=3)) as fetcher:
        urls = [server.url("many", f"/{n}") for n in range(30)] + [server.url("few", f"/{n}") for n in range(5)]
        order = [result.url for result in fetcher.fetch_all(Request(None, url) for url in urls)]
    assert max(order.index(server.url("few", f"/{n}")) for n in range(5)) < 20


def test_requests_are_taken_in_as_needed() -> None:
    taken = 0

    def requests(url: str) -> Iterator[Request]:
        nonlocal taken
        for taken in range(1, 10_001):
            yield Request(taken, f"{url}{taken}")

    with serve(host=quick) as server, Fetcher(options(server, look_ahead=50)) as fetcher:
        results = fetcher.fetch_all(requests(server.url("host")))
        assert taken == 0
        for done in range(1, 200):
            next(results)
            assert taken <= done + 50
        results.close()
    assert taken < 300


def test_nothing_is_left_behind() -> None:
    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))

    with Fetcher() as fetcher:  # the first lookup of a process starts a thread of pycares, for good
        list(fetcher.fetch_all([Request(0, "http://localhost/")]))
    time.sleep(0.5)  # that thread closes what the lookup had open
    with serve(quick=quick, never=never) as server:
        files, threads = open_files(), threading.active_count()
        urls = [server.url(name, f"/{n}") for n in range(50) for name in ("quick", "never")]
        urls += [f"http://localhost:{server.port + 1}/"]
        with Fetcher(options(server, per_host=10, ports=[server.port, server.port + 1])) as fetcher:
            results = fetcher.fetch_all(Request(url, url) for url in urls)
            for _ in range(20):
                next(results)
            results.close()  # with ten transfers in progress
            assert isinstance(fetcher.fetch(server.url("quick", "/again")), Fetched)
        deadline = time.monotonic() + 5  # the server keeps its ends for two seconds
        while (threading.active_count(), open_files()) != (threads, files) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert (threading.active_count(), open_files()) == (threads, files)


def test_another_thread_may_stop_it() -> None:
    with serve(host=never) as server, Fetcher(options(server, timeout=300)) as fetcher:
        threading.Timer(0.3, fetcher.stop).start()
        began = time.monotonic()
        assert list(fetcher.fetch_all([Request(0, server.url("host"))])) == []
        assert time.monotonic() - began < 60
        assert list(fetcher.fetch_all([Request(1, server.url("host"))])) == []


def test_what_requests_raise_comes_out() -> None:
    def requests(url: str) -> Iterator[Request]:
        yield Request(1, url)
        raise OSError("the list ends here")

    with serve(host=quick) as server, Fetcher(options(server)) as fetcher, pytest.raises(OSError, match="ends here"):
        list(fetcher.fetch_all(requests(server.url("host"))))


def test_no_deadline_runs_while_the_caller_is_busy() -> None:
    settings = {"timeout": 2.0, "connect_timeout": 2.0}
    with serve(quick=quick, slow=Counted(0.5)) as server, Fetcher(options(server, **settings)) as fetcher:
        results = fetcher.fetch_all(Request(n, server.url(n)) for n in ("quick", "slow"))
        assert next(results).key == "quick"
        time.sleep(2.5)
        (slow,) = results
    assert isinstance(slow, Fetched)


def test_redirects_count_towards_the_time() -> None:
    async def slow_steps(ask: Ask) -> None:
        await asyncio.sleep(0.4)
        await ask.reply(status="302 Found", location=f"{ask.path}x")

    with serve(host=slow_steps) as server, Fetcher(options(server, timeout=1.0)) as fetcher:
        begun = time.monotonic()
        (result,) = fetcher.fetch_all([Request(0, server.url("host"))])
    assert isinstance(result, Missed)
    assert result.reason == Reason.TIMED_OUT
    assert time.monotonic() - begun > 0.9


def test_attempts_begin_at_the_first_url() -> None:
    async def moved(ask: Ask) -> None:
        await ask.reply(status="302 Found", location=f"http://{server.home('new')}:{server.port}/image")

    with serve(old=moved, new=hanging_then(quick)) as server, Fetcher(options(server, retries=1)) as fetcher:
        result = fetcher.fetch(server.url("old"))
    assert (result.attempts, result.final_url) == (2, server.url("new", "/image"))
    assert len(server.paths("old")) == len(server.paths("new")) == 2


def test_retry_after_is_waited_for_by_the_whole_host() -> None:
    asked: list[float] = []

    async def busy(ask: Ask) -> None:
        asked.append(time.monotonic())
        await (ask.reply(status="429 Slow Down", retry_after="1") if len(asked) == 1 else ask.reply(b"x"))

    with serve(busy=busy) as server, Fetcher(options(server, retries=1, per_host=1)) as fetcher:
        results = list(fetcher.fetch_all(Request(n, server.url("busy", f"/{n}")) for n in range(3)))
    assert sorted(result.attempts for result in results) == [1, 1, 2]
    assert asked[1] - asked[0] > 0.95


def test_a_host_that_fails_on_is_left_alone() -> None:
    async def broken(ask: Ask) -> None:
        await ask.reply(status="500 Broken")

    with serve(broken=broken, good=quick) as server, Fetcher(options(server, cool_down=0.5)) as fetcher:
        names = ["broken"] * 100 + ["good"] * 100
        results = list(fetcher.fetch_all(Request(n, server.url(name, f"/{n}")) for n, name in enumerate(names)))
        asked = len(server.paths("broken"))
        later = list(fetcher.fetch_all([Request(0, server.url("good"))]))
    reasons = [result.reason for result in results if isinstance(result, Missed)]
    assert len(results) == 200
    assert (len(reasons), set(reasons)) == (100, {Reason.SERVER_ERROR, Reason.HOST_GAVE_UP})
    assert asked <= 13  # ten, one more under way, one probe
    assert isinstance(later[0], Fetched)


def test_a_host_that_recovers_is_gone_on_with() -> None:
    recovers_at = time.monotonic() + 0.5

    async def recovering(ask: Ask) -> None:
        await (ask.reply(status="500 Broken") if time.monotonic() < recovers_at else ask.reply(b"x"))

    with serve(host=recovering) as server, Fetcher(options(server, cool_down=1.0)) as fetcher:
        results = list(fetcher.fetch_all(Request(n, server.url("host", f"/{n}")) for n in range(50)))
    well = sum(isinstance(result, Fetched) for result in results)
    assert len(results) == 50
    assert 38 <= well <= 40


def test_attempts_are_budgeted() -> None:
    """A host where every second request fails gets ten attempts more, and then a fifth of what was asked of it."""

    async def flaky(ask: Ask) -> None:
        await (ask.reply(b"x") if len(server.asked) % 2 else ask.reply(status="503 Busy"))

    with serve(host=flaky) as server, Fetcher(options(server, retries=20, per_host=1)) as fetcher:
        results = list(fetcher.fetch_all(Request(n, server.url("host", f"/{n}")) for n in range(60)))
    extra = sum(result.attempts - 1 for result in results)
    assert 10 <= extra <= 10 + 0.2 * 60


def test_hosts_tell_how_they_do() -> None:
    async def missing(ask: Ask) -> None:
        await ask.reply(status="404 Not Found")

    with serve(slow=Counted(0.1), missing=missing) as server, Fetcher(options(server)) as fetcher:
        assert fetcher.hosts() == []
        list(fetcher.fetch_all(Request(n, server.url(n)) for n in ("slow", "missing")))
        slow, other = fetcher.hosts()
    assert (slow.name, slow.done, slow.failed, slow.waiting) == (server.home("slow"), 1, 0, 0)
    assert (other.name, other.done, other.failed) == (server.home("missing"), 0, 1)
    assert 0.1 < slow.seconds < 60
