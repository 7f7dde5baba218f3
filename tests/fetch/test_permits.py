"""robots.txt: asked for once, before anything else of its origin, and obeyed."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise

import pytest

from goldpan.core.errors import Reason
from goldpan.fetch.client import Fetched, Fetcher, Missed, Request
from tests.fetch.serving import options, serve
from tests.hostile import Answer, Ask, Hangup


def rules(text: str, status: str = "200 OK") -> Answer:
    async def answer(ask: Ask) -> None:
        await asyncio.sleep(0.05)
        await ask.reply(text.encode(), status)

    return answer


async def image(ask: Ask) -> None:
    await ask.reply(b"image")


def test_asked_for_once_and_first() -> None:
    with serve(rules("User-agent: *\nDisallow: /private/"), host=image) as server:
        with Fetcher(options(server, robots="obey", per_host=10)) as fetcher:
            paths = [f"/{folder}/{n}" for n in range(20) for folder in ("public", "private")]
            results = {
                result.key: result for result in fetcher.fetch_all(Request(p, server.url("host", p)) for p in paths)
            }
            fetcher.fetch(server.url("host", "/again"))
        asked = server.paths("host")
    assert asked[0] == "/robots.txt"
    assert asked.count("/robots.txt") == 1
    assert not any(path.startswith("/private/") for path in asked)
    for path, result in results.items():
        assert isinstance(result, Fetched) == path.startswith("/public/")
        assert isinstance(result, Fetched) or (result.reason, result.attempts) == (Reason.ROBOTS, 0)


def test_ignored_where_asked_to() -> None:
    with serve(rules("User-agent: *\nDisallow: /"), host=image) as server, Fetcher(options(server)) as fetcher:
        assert fetcher.fetch(server.url("host")).body == b"image"
        assert server.paths("host") == ["/"]


def test_our_name_is_the_first_word_of_the_agent() -> None:
    text = "User-agent: panner\nDisallow: /\n\nUser-agent: *\nDisallow:"
    with serve(rules(text), host=image) as server:
        for agent, allowed in (("panner/2.0 (of ours)", False), ("other/1", True)):
            with Fetcher(options(server, robots="obey", user_agent=agent, contact="us@example.org")) as fetcher:
                (result,) = fetcher.fetch_all([Request(0, server.url("host"))])
            assert isinstance(result, Fetched) == allowed
        assert server.asked[-1].headers["user-agent"] == "other/1 (+us@example.org)"


@pytest.mark.parametrize("status", ["404 Not Found", "403 Forbidden", "401 Unauthorized", "410 Gone", "451 No"])
def test_none_allows_all(status: str) -> None:
    closed = rules("User-agent: *\nDisallow: /", status)
    with serve(closed, host=image) as server, Fetcher(options(server, robots="obey")) as fetcher:
        assert fetcher.fetch(server.url("host")).body == b"image"


async def hangs_up(ask: Ask) -> None:
    raise Hangup


@pytest.mark.parametrize(
    ("robots", "reason"),
    [
        (rules("", "500 Broken"), Reason.SERVER_ERROR),
        (rules("", "429 Slow Down"), Reason.RATE_LIMITED),
        (hangs_up, Reason.CUT_OFF),
    ],
)
def test_where_they_cannot_be_had_nothing_is_fetched(robots: Answer, reason: Reason) -> None:
    with serve(robots, host=image) as server, Fetcher(options(server, robots="obey")) as fetcher:
        results = list(fetcher.fetch_all(Request(n, server.url("host", f"/{n}")) for n in range(5)))
        asked = server.paths("host")
    assert set(asked) == {"/robots.txt"}
    assert [result.reason for result in results if isinstance(result, Missed)] == [reason] * 5
    assert "robots.txt" in results[0].detail  # type: ignore[union-attr]


def test_another_attempt_is_made_for_them() -> None:
    async def once_busy(ask: Ask) -> None:
        await (ask.reply(status="503 Busy") if ask.nth == 1 else ask.reply(b""))

    with serve(once_busy, host=image) as server, Fetcher(options(server, robots="obey", retries=1)) as fetcher:
        assert fetcher.fetch(server.url("host")).attempts == 1
        assert server.paths("host") == ["/robots.txt", "/robots.txt", "/"]


def test_those_of_a_redirects_target_count() -> None:
    async def moved(ask: Ask) -> None:
        await ask.reply(status="301 Moved", location=f"http://{server.home('closed')}:{server.port}/image")

    async def of_both(ask: Ask) -> None:
        closed = ask.host == server.home("closed")
        await ask.reply(b"User-agent: *\nDisallow: /" if closed else b"")

    with serve(of_both, open=moved, closed=image) as server, Fetcher(options(server, robots="obey")) as fetcher:
        (result,) = fetcher.fetch_all([Request(0, server.url("open", "/image"))])
        assert server.paths("closed") == ["/robots.txt"]
    assert isinstance(result, Missed)
    assert result.reason == Reason.ROBOTS


def test_they_may_be_redirected_themselves() -> None:
    async def elsewhere(ask: Ask) -> None:
        await ask.reply(status="302 Found", location="/rules")

    async def answer(ask: Ask) -> None:
        await ask.reply(b"User-agent: *\nDisallow: /image" if ask.path == "/rules" else b"image")

    with serve(elsewhere, host=answer) as server, Fetcher(options(server, robots="obey")) as fetcher:
        (result,) = fetcher.fetch_all([Request(0, server.url("host", "/image"))])
        assert server.paths("host") == ["/robots.txt", "/rules"]
    assert isinstance(result, Missed)


def test_a_crawl_delay_is_kept() -> None:
    asked: list[float] = []

    async def noted(ask: Ask) -> None:
        asked.append(time.monotonic())
        await ask.reply(b"image")

    text = "User-agent: *\nCrawl-delay: 0.3"
    with serve(rules(text), host=noted) as server, Fetcher(options(server, robots="obey")) as fetcher:
        results = list(fetcher.fetch_all(Request(n, server.url("host", f"/{n}")) for n in range(4)))
    assert all(isinstance(result, Fetched) for result in results)
    assert min(late - early for early, late in pairwise(asked)) > 0.28
