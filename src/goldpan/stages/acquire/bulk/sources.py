"""Where files are: the web, the hub, a bucket; what is known of them there, and how they come."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

from goldpan.core.errors import InputError
from goldpan.fetch.client import Fetched, Fetcher, Request
from goldpan.fetch.options import FetchOptions, TransferOptions
from goldpan.fetch.part import Checks
from goldpan.fetch.urls import parse_url
from goldpan.stages.acquire.bulk.bucket import download_bucket, list_bucket
from goldpan.stages.acquire.bulk.hub import SCHEME, download_hub, list_hub
from goldpan.stages.acquire.bulk.templates import expand
from goldpan.stages.acquire.bulk.wanted import Expected, Wanted

_WEB = ("http", "https")
_LISTED_AT_ONCE = 16


def find(templates: Iterable[str], parts: list[int]) -> dict[str, Expected]:
    """Return the files that templates and globs stand for, in order, with what is known of them where they are.

    Raises:
        InputError: a template or an address is none, or names nothing.
        RemoteError: a bucket cannot be asked.
    """
    urls = [url for template in templates for url in expand(template, parts)]
    with ThreadPoolExecutor(_LISTED_AT_ONCE, "list") as pool:
        return dict(chain.from_iterable(found.items() for found in pool.map(_list, urls)))


def carry(file: Wanted, path: Path, fetcher: Fetcher, on_bytes: Callable[[int], None]) -> None:
    """Bring a file to a path, on from where it broke off, and compare its sums.

    Raises:
        FetchError: it could not be brought, or is another one.
        RemoteError: likewise, from a bucket.
        FileNotFoundError: the bucket has no such object.
    """
    sizes, md5, sha256 = file.expected
    if _scheme(file.url) in _WEB:
        exact = sizes.most if sizes is not None and sizes.least == sizes.most else None
        fetcher.download(file.url, path, sha256=sha256, md5=md5, size=exact, on_bytes=on_bytes)
        return
    download = download_hub if file.url.startswith(SCHEME) else download_bucket
    download(file.url, path, on_bytes)
    Checks(sha256, md5).check(path)


def fetcher_of(options: TransferOptions, files: Iterable[Wanted]) -> Fetcher:
    """Return what fetches files from the web; the ports that their addresses name are allowed."""
    named = {parse_url(file.url).port for file in files if _scheme(file.url) in _WEB}
    shared = options.model_dump(include=set(TransferOptions.model_fields))
    shared["ports"] = sorted({*options.ports, *named})
    return Fetcher(FetchOptions(**shared, robots="ignore", max_bytes=1))


def size_of(file: Wanted, fetcher: Fetcher) -> int | None:
    """Return the size of a file on the web as its server tells it; None where it does not."""
    for result in fetcher.fetch_all([Request(None, file.url, {"range": "bytes=0-0"})]):
        total = result.headers.get("content-range", "").rpartition("/")[2] if isinstance(result, Fetched) else ""
        return int(total) if total.isdecimal() else None
    return None


def _list(url: str) -> dict[str, Expected]:
    scheme = _scheme(url)
    if scheme in _WEB:
        if "*" in url.partition("?")[0]:
            raise InputError(
                f"{url}: a web server does not tell what it has, so * goes with hf://, s3:// and file:// only; name "
                "the files, as with {00..41}, and write %2A for a star that belongs to a name."
            )
        return {url: Expected()}
    if not scheme:
        raise InputError(f"{url} is no URL; give one such as https://HOST/FILE, hf://datasets/... or s3://BUCKET/FILE.")
    return list_hub(url) if url.startswith(SCHEME) else list_bucket(url)


def _scheme(url: str) -> str:
    return url.partition("://")[0].lower() if "://" in url else ""
