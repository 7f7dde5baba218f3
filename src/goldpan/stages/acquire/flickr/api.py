"""Flickr's REST API: one method, asked politely; the key is in no message.

Source: https://www.flickr.com/services/api/flickr.photos.search.html
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

from goldpan.core.errors import FormatError, InputError, StageError
from goldpan.fetch.client import Fetcher
from goldpan.fetch.errors import FetchError
from goldpan.fetch.options import FetchOptions
from goldpan.fetch.retry import delay
from goldpan.fetch.urls import parse_url
from goldpan.formats.json_text import read_json

_METHOD = {"method": "flickr.photos.search", "format": "json", "nojsoncallback": 1}
_TRIES = 5
_KEY_REFUSED = "100"
_PASSING = {"0", "10", "105", "106", "429"}
"""Codes of failures that pass: search or service unavailable, something temporary, too many requests."""
_URL = re.compile(r"https?://\S+")


@dataclass(frozen=True, slots=True)
class Answer:
    """One page of photos.

    Attributes:
        pages: how many there are, by Flickr's count.
        total: photos that fit, by Flickr's count.
        photos: those of this page, as they came.
    """

    pages: int
    total: int
    photos: list[dict[str, Any]]


class Passing(Exception):
    """An answer that cannot be used, this time."""


class FlickrApi:
    """Asks one endpoint, never faster than it allows.

    Args:
        endpoint: its URL; a person gave it, so it may be anywhere.
        key: the API key.
        requests_per_hour: the limit to keep.
        options: how to fetch.

    Raises:
        InputError: the endpoint is no URL.
    """

    def __init__(self, endpoint: str, key: str, requests_per_hour: float, options: FetchOptions) -> None:
        try:
            port = parse_url(endpoint).port
        except FetchError as error:
            raise InputError(f"The endpoint cannot be used: {error.detail}") from error
        # A redirect would carry the key elsewhere; robots.txt is for crawlers, not for an API and its key.
        trusted = {"allow_private": True, "ports": [port], "robots": "ignore", "opt_outs": [], "max_redirects": 0}
        self._fetcher = Fetcher(options.model_copy(update=trusted | {"retries": _TRIES - 1}))
        self._endpoint = endpoint
        self._key = key
        self._throttle = Throttle(requests_per_hour)

    def __enter__(self) -> Self:
        self._fetcher.__enter__()
        return self

    def __exit__(self, *stopped: Any) -> None:
        self._fetcher.__exit__(*stopped)

    def search(self, query: Mapping[str, Any], page: int) -> Answer:
        """Return one page of photos.

        Args:
            query: parameters of `flickr.photos.search`.
            page: from 1.

        Raises:
            InputError: Flickr refuses the key.
            StageError: it refuses the query, or gave no answer of use, however often it was asked.
        """
        url = f"{self._endpoint}?{urlencode({**_METHOD, **query, 'page': page, 'api_key': self._key})}"
        said = ""
        for attempt in range(1, _TRIES + 1):
            try:
                return self._ask(url)
            except Passing as trouble:
                said = str(trouble)
            if attempt < _TRIES:
                time.sleep(delay(attempt))
        raise _stopped(f"{said}, {_TRIES} times")

    def _ask(self, url: str) -> Answer:
        self._throttle.wait()
        try:
            fetched = self._fetcher.fetch(url)
        except FetchError as error:  # it tells the URL, which holds the key
            raise _stopped(_URL.sub("the endpoint", error.detail).rstrip(".")) from None
        self._throttle.count(fetched.attempts - 1)
        return read_answer(fetched.body.replace(self._key.encode(), b"KEY"))


class Throttle:
    """Lets requests go at equal distances."""

    def __init__(self, per_hour: float) -> None:
        self._distance = 3600 / per_hour
        self._next = 0.0

    def wait(self) -> None:
        """Wait until the next request may go."""
        time.sleep(max(0.0, self._next - time.monotonic()))
        self._next = time.monotonic() + self._distance

    def count(self, requests: int) -> None:
        """Count requests that went besides, such as retries."""
        self._next += requests * self._distance


def read_key(path: Path) -> str:
    """Return the API key of a file that holds ``["key", "secret"]``; searching needs no secret.

    Raises:
        InputError: it cannot be read.
        FormatError: it holds something else; what, is not said.
    """
    wanted = FormatError(path, 'an API key file is JSON: ["key", "secret"].')
    try:
        content = read_json(path, "the API key")
    except FormatError:
        raise wanted from None
    if not isinstance(content, list) or not content or not isinstance(content[0], str) or not content[0].strip():
        raise wanted
    return content[0].strip()


def read_answer(body: bytes) -> Answer:
    """Return what the body of an answer says.

    Raises:
        Passing: it is a page of HTML, half an answer, or a failure that passes.
        InputError: the key is refused.
        StageError: the query is refused.
    """
    try:
        content = json.loads(body)
    except ValueError:
        raise Passing(f"no JSON came but {body[:40]!r}") from None
    if isinstance(content, dict) and content.get("stat") == "fail":
        _refuse(str(content.get("code")), content.get("message"))
    try:
        photos = content["photos"]
        return Answer(int(photos["pages"]), int(photos["total"]), [photo for photo in photos["photo"] if photo["id"]])
    except (TypeError, KeyError, ValueError):
        raise Passing("JSON came that is no page of photos") from None


def _refuse(code: str, message: object) -> None:
    said = f"code {code}, {message}"
    if code in _PASSING:
        raise Passing(said)
    if code == _KEY_REFUSED:
        raise InputError(f"Flickr refuses the API key ({said}); give another with --api-key-file.")
    raise StageError(f"Flickr refuses the search ({said}); change what is asked, and type the command again.")


def _stopped(detail: str) -> StageError:
    return StageError(
        f"Flickr gave no answer of use ({detail}); those it gave are kept, type the command again to go on."
    )
