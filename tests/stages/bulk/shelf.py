"""A shelf of files on the web: ranges and ETags as good servers have them, and the faults that a test plans."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from urllib.parse import unquote, urlsplit

from tests.fetch.serving import serve
from tests.hostile import Ask, Hangup, HostileServer

_PIECE = 1 << 16


class Shelf:
    """Serves `files` by their paths.

    Attributes:
        files: path, such as ``/a/b.npy`` -> bytes; a test may change them.
        cut: path -> how many of its answers break off in the middle.
        plain: answer with the whole file, whatever range is asked for.
        pause: seconds before each 64 KiB.
        sent: bytes of bodies that went out, by path.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.cut: Counter[str] = Counter()
        self.plain = False
        self.pause = 0.0
        self.sent: Counter[str] = Counter()

    async def __call__(self, ask: Ask) -> None:
        path = unquote(urlsplit(ask.path).path)
        data = self.files.get(path)
        if data is None:
            await ask.reply(b"<html>nothing</html>", "404 Not Found", content_type="text/html")
            return
        etag = f'"{hashlib.md5(data).hexdigest()}"'
        first, last, total = 0, len(data) - 1, len(data)
        wanted = "" if self.plain else ask.headers.get("range", "")
        if wanted and ask.headers.get("if-range", etag) == etag:
            start, _, end = wanted.removeprefix("bytes=").partition("-")
            first, last = int(start), min(last, int(end or last))
        head, status = {"etag": etag}, "200 OK"
        if (first, last) != (0, total - 1):
            head["content_range"], status = f"bytes {first}-{last}/{total}", "206 Partial Content"
        body = data[first : last + 1]
        if self.cut[path] and len(body) > 1:
            self.cut[path] -= 1
            half = body[: len(body) // 2]
            self.sent[path] += len(half)
            await ask.reply(half, status, **head | {"content_length": str(len(body))})
            raise Hangup
        await ask.reply(b"", status, **head | {"content_length": str(len(body))})
        for start in range(0, len(body), _PIECE):
            await asyncio.sleep(self.pause)
            await ask.send(body[start : start + _PIECE])
            self.sent[path] += min(_PIECE, len(body) - start)

    def open(self) -> HostileServer:
        """Return a server of this shelf alone, called ``shelf``."""
        return serve(shelf=self)
