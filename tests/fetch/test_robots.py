"""robots.txt as RFC 9309 has it, and a memory that stays small."""

import time

import pytest

from goldpan.fetch.robots import MAX_ROBOTS_BYTES, RobotsCache, Rules, read_rules, robots_url
from goldpan.fetch.urls import parse_url

FILE = b"""
User-agent: otherbot
Disallow: /

user-agent: GoldPan   # us
User-agent: thirdbot
Disallow: /private/
Allow: /private/open/
Disallow: /*.gif$
Disallow: /caf%C3%A9
Crawl-delay: 2.5

User-agent: *
Disallow: /not-for-you/
"""


def allowed(rules: Rules, path: str) -> bool:
    return rules.refused(parse_url(f"http://example.com{path}")) is None


def test_our_group_alone() -> None:
    rules = read_rules(200, FILE)
    assert allowed(rules, "/a.jpg") and allowed(rules, "/not-for-you/a.jpg") and allowed(rules, "/robots.txt")
    assert allowed(rules, "/private/open/a.jpg") and allowed(rules, "/a.gif?x")
    assert not any(allowed(rules, path) for path in ("/private/a.jpg", "/a.gif", "/café/a.jpg", "/caf%c3%a9"))
    assert rules.delay == 2.5
    assert read_rules(200, FILE, "fourthbot").delay is None
    assert not allowed(read_rules(200, FILE, "fourthbot"), "/not-for-you/")
    assert rules.refused(parse_url("https://e.com:8443/a.gif")) == (
        "https://e.com:8443/robots.txt does not allow it to goldpan."
    )


@pytest.mark.parametrize("line", [b"\r\n", b"\r", b"\n"])
def test_ends_of_lines_and_byte_order_marks(line: bytes) -> None:
    assert not allowed(read_rules(200, b"\xef\xbb\xbfUser-agent: *" + line + b"Disallow: /x" + line), "/x")


@pytest.mark.parametrize(
    ("status", "open_to_us"),
    {
        200: True,
        204: True,
        301: True,
        401: True,
        403: True,
        404: True,
        410: True,
        429: False,
        500: False,
        503: False,
        None: False,
    }.items(),
)
def test_no_file(status: int | None, open_to_us: bool) -> None:
    rules = read_rules(status)
    assert allowed(rules, "/a.jpg") == open_to_us
    assert bool(rules.refusal) != open_to_us


@pytest.mark.parametrize("body", [b"", b"<html><body>Not found</body></html>", bytes(range(256)) * 9, b"Disallow: /"])
def test_what_is_no_robots_file(body: bytes) -> None:
    assert allowed(read_rules(200, body), "/a.jpg")


def test_delays() -> None:
    def delay(line: bytes) -> float | None:
        return read_rules(200, b"User-agent: *\n" + line).delay

    assert delay(b"Crawl-delay: 1000000") == 60
    assert delay(b"Crawl-delay: 0") is delay(b"Crawl-delay: inf") is delay(b"Crawl-delay: soon") is None
    assert delay(b"Request-rate: 2/10s") == 5
    assert delay(b"Request-rate: 1/1s\nCrawl-delay: 4") == 4


def test_limits() -> None:
    comment = b"# " + b"x" * 1000 + b"\n"
    long = b"User-agent: *\n" + comment * (MAX_ROBOTS_BYTES // len(comment) - 1)
    rest = b"Disallow: /" + b"y" * MAX_ROBOTS_BYTES  # cut, it would forbid another path than it says
    assert not allowed(read_rules(200, long + b"Disallow: /a"), "/a")
    assert allowed(read_rules(200, long + rest), "/yyyy")
    hostile = b"User-agent: *\n" + b"Disallow: /*a*a*b$\n" * 20_000
    begun = time.perf_counter()
    assert "lines" in str(read_rules(200, hostile).refusal)
    rules = read_rules(200, hostile[: 19 * 9_000])
    assert allowed(rules, "/" + "a" * 2000)
    assert time.perf_counter() - begun < 10


def test_the_cache() -> None:
    now = [0.0]
    cache = RobotsCache(clock=lambda: now[0])
    one, two, three = (parse_url(f"http{rest}/a") for rest in ("://e.com", "s://e.com", "://e.com:8080"))
    assert robots_url(three) == "http://e.com:8080/robots.txt"
    assert cache.rules(one) is None
    assert cache.learn(one, 200, b"User-agent: *\nDisallow: /") is cache.rules(one)
    cache.learn(two, 503)
    assert cache.rules(three) is None
    now[0] = 601
    assert cache.rules(two) is None
    assert cache.rules(one).refused(one)
    now[0] = 24 * 3600
    assert cache.rules(one) is None


def test_the_cache_stays_small() -> None:
    cache = RobotsCache()
    often = parse_url("http://often.example/")
    cache.learn(often, 404)
    for i in range(60):
        cache.learn(parse_url(f"http://{i}.example/"), 200, b"User-agent: *\n" + b"Disallow: /a\n" * 9_000)
        assert cache.rules(often) is not None
    held = [i for i in range(60) if cache.rules(parse_url(f"http://{i}.example/"))]
    assert held == list(range(60 - len(held), 60))
    assert len(held) == 11
