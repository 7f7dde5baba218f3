"""A web server of photos for benchmarks: many hosts, uneven latency, some errors, some slow bodies; light on CPU.

    python benchmarks/loopback.py PHOTOS [--port 8300] [--unique]

GET /N.jpg on any address of 127.0.0.0/8 answers with the photo N modulo their number. What else happens is decided by N
alone, so that every client meets the same: 10 ms to 1 s of latency, uniform in its logarithm (0.2 s in the mean); 2%
errors (404, 500, or the connection cut at half of the body, in turn); 1% bodies that take 2 s in ten pieces. With
--unique the number N is behind each photo, so that no two bodies are the same. Prints the port once it listens; serves
until it is killed.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import math
from pathlib import Path
from typing import NamedTuple

LATENCY_S = (0.010, 1.0)
ERROR_SHARE, SLOW_SHARE = 0.02, 0.01
PIECES, SLOW_S = 10, 2.0
_NUMBER_BYTES = 8
KINDS = ("404 Not Found", "500 Internal Server Error", "cut")


class Fate(NamedTuple):
    """What happens to a request: seconds before the first byte, and one of the `KINDS`, "slow" or "ok"."""

    latency: float
    kind: str


def fate(number: int) -> Fate:
    """Return what happens to the photo of a number: the same for every client and run."""
    dice = hashlib.blake2b(str(number).encode(), digest_size=16).digest()
    first, second = (int.from_bytes(part, "little") / 2**64 for part in (dice[:8], dice[8:]))
    low, high = map(math.log, LATENCY_S)
    if second < ERROR_SHARE:
        kind = KINDS[int(second / ERROR_SHARE * len(KINDS))]
    else:
        kind = "slow" if second < ERROR_SHARE + SLOW_SHARE else "ok"
    return Fate(math.exp(low + first * (high - low)), kind)


def urls(images: int, hosts: int, port: int) -> list[str]:
    """Return the addresses of so many photos, dealt over `hosts` loopback addresses."""
    return [f"http://127.0.{1 + i % hosts // 250}.{1 + i % hosts % 250}:{port}/{i}.jpg" for i in range(images)]


class Photos(asyncio.Protocol):
    """One connection: answers its requests one after the other."""

    def __init__(self, answers: list[bytes], unique: bool) -> None:
        self._answers = answers
        self._unique = unique

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to listen."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._loop = asyncio.get_running_loop()
        self._head = b""

    def data_received(self, data: bytes) -> None:
        """Answer a request when it is whole, after its latency."""
        self._head += data
        if not self._head.endswith(b"\r\n\r\n"):
            return
        head, self._head = self._head.lower(), b""
        self._close = b"connection: close" in head
        name = head.split(b" ", 2)[1].strip(b"/").removesuffix(b".jpg")
        if not name.isdigit():  # robots.txt and the like
            self._end("404 Not Found", 0)
            return
        latency, kind = fate(int(name))
        self._loop.call_later(latency, self._end, kind, int(name))

    def _end(self, kind: str, number: int) -> None:
        if self._transport.is_closing():
            return
        answer = self._answers[number % len(self._answers)]
        if self._unique:
            answer += number.to_bytes(_NUMBER_BYTES, "big")
        if kind == "slow":
            self._drip(answer, 0)
            return
        if kind == "cut":
            answer = answer[: len(answer) // 2]
        elif kind != "ok":
            answer = f"HTTP/1.1 {kind}\r\nContent-Length: 0\r\n\r\n".encode()
        self._transport.write(answer)
        if self._close or kind == "cut":
            self._transport.close()

    def _drip(self, answer: bytes, piece: int) -> None:
        if self._transport.is_closing():
            return
        if piece < PIECES:
            size = -(-len(answer) // PIECES)
            self._transport.write(answer[piece * size : (piece + 1) * size])
            self._loop.call_later(SLOW_S / PIECES, self._drip, answer, piece + 1)
        elif self._close:
            self._transport.close()


async def serve(photos: list[bytes], port: int, *, unique: bool) -> None:
    """Answer on every loopback address until cancelled."""
    head = "HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n"
    answers = [head.format(len(photo) + unique * _NUMBER_BYTES).encode() + photo for photo in photos]
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Photos(answers, unique), "0.0.0.0", port, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("photos", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--unique", action="store_true")
    args = parser.parse_args()
    photos = [path.read_bytes() for path in sorted(args.photos.glob("*.jpg"))]
    asyncio.run(serve(photos, args.port, unique=args.unique))
