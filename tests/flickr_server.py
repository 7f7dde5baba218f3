"""A Flickr of our own on loopback: `flickr.photos.search` as documented, its moods, and the photos themselves."""

from __future__ import annotations

import io
import json
import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
from PIL import Image

KEY, SECRET = "0123456789abcdef0123456789abcdef", "fedcba9876543210"
PER_PAGE_CAP = 500
GIVES = 4000
_TIMES = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d")


@dataclass
class Photo:
    """One photo; `words` is what a text search finds, `sizes` the letters for which there is a URL."""

    id: str
    words: str
    taken: str = "2012-09-01 10:00:00"
    uploaded: str = "2012-10-01 10:00:00"
    license: str = "4"
    owner: str = "12037949754@N01"
    owner_name: str = "Ann Other"
    sizes: str = "oz"
    pixels: tuple[int, int] = (60, 40)


@dataclass
class Flickr:
    """The server; use it as a context manager.

    Attributes:
        photos: all there are, in the order in which they were posted.
        moods: how the next requests are answered: "ok", a code of failure, an HTTP status, "html" or "half".
        queries: the parameters of every search, as they came.
        fetched: how often each photo's file was asked for.
        gone: ids of photos whose file is 404.
    """

    photos: list[Photo]
    moods: list[str | int] = field(default_factory=list)
    queries: list[dict[str, str]] = field(default_factory=list)
    fetched: Counter[str] = field(default_factory=Counter)
    gone: set[str] = field(default_factory=set)
    cap: int = PER_PAGE_CAP
    gives: int = GIVES

    def __enter__(self) -> Flickr:
        handler = type("Handler", (_Handler,), {"flickr": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *stopped: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}/services/rest/"

    def answer(self, query: dict[str, str]) -> dict[str, Any]:
        """Return what a well-tempered Flickr says."""
        if query.get("api_key") != KEY:
            return fail(100, f"Invalid API Key (Key not found: {query.get('api_key')})")
        if query.get("method") != "flickr.photos.search":
            return fail(112, f'Method "{query.get("method")}" not found')
        if not query.get("text"):
            return fail(3, "Parameterless searches have been disabled. Please use flickr.photos.getRecent instead.")
        found = sorted((photo for photo in self.photos if _fits(photo, query)), key=lambda photo: photo.uploaded)
        if query.get("sort", "date-posted-desc") == "date-posted-desc":
            found.reverse()
        per_page = min(int(query.get("per_page", 100)), self.cap)
        page = max(1, int(query.get("page", 1)))
        start = min((page - 1) * per_page, max(0, self.gives - per_page))
        shown = [self._record(photo, query.get("extras", "").split(",")) for photo in found[start : start + per_page]]
        pages = -(-len(found) // per_page)
        about = {"page": page, "pages": pages, "perpage": per_page, "total": str(len(found))}
        return {"photos": about | {"photo": shown}, "stat": "ok"}

    def _record(self, photo: Photo, extras: list[str]) -> dict[str, Any]:
        record: dict[str, Any] = {"id": photo.id, "owner": photo.owner, "secret": "s", "title": photo.words}
        known = {
            "date_upload": {"dateupload": str(int(_time(photo.uploaded).timestamp()))},
            "date_taken": {"datetaken": photo.taken, "datetakenunknown": "0"},
            "license": {"license": photo.license},
            "owner_name": {"ownername": photo.owner_name},
            "o_dims": {"o_width": str(photo.pixels[0]), "o_height": str(photo.pixels[1])} if "o" in photo.sizes else {},
        }
        for extra in extras:
            record |= known.get(extra, {})
            size = extra.removeprefix("url_")
            if extra.startswith("url_") and size in photo.sizes:
                record[extra] = f"http://127.0.0.1:{self.port}/photos/{photo.id}_{size}.jpg"
        return record


def fail(code: int, message: str) -> dict[str, Any]:
    return {"stat": "fail", "code": code, "message": message}


def jpeg(photo: Photo) -> bytes:
    """Return the file of a photo: smooth noise of its own."""
    rng = np.random.default_rng(list(photo.id.encode()))
    coarse = Image.fromarray(rng.integers(0, 255, (4, 6, 3), np.uint8))
    stream = io.BytesIO()
    coarse.resize(photo.pixels, Image.Resampling.BICUBIC).save(stream, "JPEG", quality=95)
    return stream.getvalue()


def _fits(photo: Photo, query: dict[str, str]) -> bool:
    return (
        query["text"].lower() in photo.words.lower()
        and _between(photo.taken, query.get("min_taken_date"), query.get("max_taken_date"))
        and _between(photo.uploaded, query.get("min_upload_date"), query.get("max_upload_date"))
    )


def _between(text: str, least: str | None, most: str | None) -> bool:
    return (not least or _time(least) <= _time(text)) and (not most or _time(text) <= _time(most))


def _time(text: str) -> datetime:
    """Read a MySQL datetime, a date, or a Unix timestamp."""
    if text.isdigit():
        return datetime.fromtimestamp(int(text), UTC)
    for shape in _TIMES:
        try:
            return datetime.strptime(text, shape).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise AssertionError(f"no date: {text!r}")


class _Handler(BaseHTTPRequestHandler):
    flickr: Flickr
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path.startswith("/photos/"):
            self._photo(parts.path)
        elif parts.path == "/services/rest/":
            self._search({name: values[0] for name, values in parse_qs(parts.query).items()})
        else:
            self._send(404, b"", "text/plain")

    def _search(self, query: dict[str, str]) -> None:
        self.flickr.queries.append(query)
        mood = self.flickr.moods.pop(0) if self.flickr.moods else "ok"
        body = json.dumps(self.flickr.answer(query)).encode()
        if mood == "html":
            self._send(200, b"<!DOCTYPE html><title>Flickr is having a massage</title>", "text/html")
        elif mood == "half":
            self._send(200, body[: len(body) // 2], "application/json")
        elif isinstance(mood, int) and mood >= 400:
            self._send(mood, b"<html>Oops</html>", "text/html", {"Retry-After": "0"})
        elif isinstance(mood, int):
            self._send(200, json.dumps(fail(mood, "Service currently unavailable")).encode(), "application/json")
        else:
            self._send(200, body, "application/json")

    def _photo(self, path: str) -> None:
        number = path.rpartition("/")[2].removesuffix(".jpg").partition("_")[0]
        photo = next((photo for photo in self.flickr.photos if photo.id == number), None)
        self.flickr.fetched[number] += 1
        if photo is None or number in self.flickr.gone:
            self._send(404, b"", "text/plain")
        else:
            self._send(200, jpeg(photo), "image/jpeg")

    def _send(self, status: int, body: bytes, kind: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in ({"Content-Type": kind, "Content-Length": str(len(body))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        """Say nothing."""
