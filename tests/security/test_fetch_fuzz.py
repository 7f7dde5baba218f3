"""Answers with bytes changed, lost and put in: whatever comes, each request ends with a result."""

import gzip
import random
import zlib

import pytest

from goldpan.fetch.client import Fetcher
from goldpan.fetch.options import FetchOptions
from goldpan.fetch.records import Missed, Request
from tests.hostile import Case, HostileServer, no_robots
from tests.hostile_cases import GOOD, raw

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n"
_CHUNKS = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (GOOD[:40], GOOD[40:]))
ANSWERS = [
    _HEAD + b"Content-Length: %d\r\n\r\n" % len(GOOD) + GOOD,
    _HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + _CHUNKS + b"0\r\nX-Trailer: 1\r\n\r\n",
    _HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(GOOD),
    _HEAD + b"Content-Encoding: deflate\r\nX-Robots-Tag: otherbot: noai\r\n\r\n" + zlib.compress(GOOD),
    b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 429 No\r\nRetry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\n\r\n",
]
WORDS = [
    b"\r\n", b"\n", b"\r", b"\0", b":", b" ", b"\t", b"\xff", b"\x1b[2J", b"-1", b"9" * 30, b"chunked", b"gzip", b"br",
    b"HTTP/1.1", b"HTTP/2 200", b"\r\n\r\n", b" folded\r\n", b"Content-Length: 4\r\n", b"Connection: close\r\n",
    b"Content-Encoding: br, gzip\r\n", b"Content-Range: bytes 0-1/2\r\n", b"Location: http://\xe9\xff/\r\n",
    b"Location: //[::1\r\n", b"Retry-After: -1\r\n", b"X-Robots-Tag: unavailable_after: \xe9\r\n",
    b"Transfer-Encoding: \xe9\x1b\r\n",
]  # fmt: skip


def changed(answer: bytes, rng: random.Random) -> bytes:
    """Return an answer with a few changes, most of them in its headers."""
    data = bytearray(answer)
    for _ in range(rng.choice([1, 1, 2, 3, 6])):
        at = rng.randrange(min(len(data), rng.choice([110, 1000])) + 1)
        match rng.randrange(5):
            case 0:
                data[at : at + 1] = rng.randbytes(1)
            case 1:
                del data[at : at + rng.choice([1, 2, 5, 40, 1000])]
            case 2:
                data[at:at] = data[rng.randrange(len(data) + 1) :][:50]
            case _:
                data[at:at] = rng.choice(WORDS)
    return bytes(data)


@pytest.mark.parametrize("seed", [1, 2, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 60))])
def test_every_request_ends(seed: int) -> None:
    rng = random.Random(seed)
    cases = [
        Case(f"case{i}", answer, None, None, "/a.png", rng.choice([no_robots, answer]))
        for i, answer in enumerate(raw(changed(rng.choice(ANSWERS), rng)) for _ in range(200))
    ]
    with HostileServer(cases) as server:
        options = FetchOptions(allow_private=True, ports=[80, server.port], timeout=3, connect_timeout=2, retries=0)
        with Fetcher(options) as fetcher:
            results = list(fetcher.fetch_all(Request(case.name, server.url(case.name)) for case in cases))
    assert sorted(result.key for result in results) == sorted(case.name for case in cases)
    misses = [result for result in results if isinstance(result, Missed)]
    assert all(miss.detail.isprintable() for miss in misses)
    assert 0 < len(misses) < len(results)
