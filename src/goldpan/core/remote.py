"""What lies behind ``s3://`` and other schemes: a file system, Lance's options, and pieces of objects.

Credentials come from the standard chain of each store (for S3: environment, ``~/.aws``, roles of the machine), found
by its own client; they are never read, kept or shown here. ``AWS_ENDPOINT_URL_S3`` and ``AWS_ENDPOINT_URL`` name
another server than Amazon's.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from goldpan.core.errors import InputError, MissingExtra, Reason, RemoteError
from goldpan.core.refusals import TIMEOUT_S, explain, speaking

_CONNECT_S = min(5.0, TIMEOUT_S)
_TRIES = 3
_SLOWEST = 1 << 16  # bytes a second that a transfer must reach
_TABLES = ("s3", "gs", "az")
_IMAGES = (*_TABLES, "http", "https")


@lru_cache
def file_system(scheme: str) -> Any:
    """Return the fsspec file system of a scheme, one for all threads of this process.

    Raises:
        MissingExtra: s3fs is not installed.
        RemoteError: fsspec does not know the scheme, or needs a package for it.
    """
    import fsspec

    try:
        kind = fsspec.get_filesystem_class(scheme)
        settings = {"skip_instance_cache": True, "use_listings_cache": False, **_settings(scheme)}
        inspect.signature(kind.__init__).bind(None, **settings)  # ftp and others want a host: no address alone will do
        opened = kind(**settings)
    except ImportError as error:
        if scheme in ("s3", "http", "https"):
            raise MissingExtra("s3fs", "s3") from error
        raise RemoteError(Reason.SCHEME_NOT_ALLOWED, f"{scheme}:// cannot be opened: {error}.") from error
    except (TypeError, ValueError) as error:
        told = f"{scheme}:// cannot be opened; there are s3://, gs://, az:// and what fsspec opens."
        raise RemoteError(Reason.SCHEME_NOT_ALLOWED, told) from error
    if scheme == "s3":
        opened.retries = 1  # it tries in loops within loops; botocore below it does so once, and waits in between
    return opened


def _settings(scheme: str) -> dict[str, Any]:
    """Return what keeps a silent server from holding the program forever."""
    if scheme == "s3":
        retries = {"total_max_attempts": _TRIES, "mode": "standard"}
        return {"config_kwargs": {"connect_timeout": _CONNECT_S, "read_timeout": TIMEOUT_S, "retries": retries}}
    if scheme in ("http", "https"):
        import aiohttp

        return {"client_kwargs": {"timeout": aiohttp.ClientTimeout(total=3 * TIMEOUT_S, connect=_CONNECT_S)}}
    return {}


def deadline(files: Any, size: int = 0) -> dict[str, float]:
    """Return the keyword that ends an operation of a file system over the network that moves up to `size` bytes.

    Its own client has timeouts too, but waits forever where a server does not even say that it may go on with a PUT.
    """
    return {"timeout": _TRIES * TIMEOUT_S + size / _SLOWEST} if files.async_impl else {}


class Span(NamedTuple):
    """At most `size` bytes of the object at `url`, from byte `start`."""

    url: str
    start: int
    size: int


def read_spans(spans: Sequence[Span]) -> list[bytes | RemoteError]:
    """Return the bytes of each span, or why they cannot be had; those of one store are asked for all at once.

    Addresses come with tables that others made, so only a few schemes are followed, and what a server sends beyond a
    span is not read.
    """
    found: dict[Span, bytes | RemoteError] = {}
    for scheme in {span.url.partition(":")[0] for span in spans}:
        same = [span for span in spans if span.url.partition(":")[0] == scheme]
        try:
            if scheme not in _IMAGES:
                told = f"Images are read at {', '.join(_IMAGES)}, not {scheme}."
                raise RemoteError(Reason.SCHEME_NOT_ALLOWED, told)
            ask = _read_web if scheme.startswith("http") else _read_objects
            found |= zip(same, ask(file_system(scheme), same), strict=True)
        except RemoteError as error:
            found |= dict.fromkeys(same, error)
    return [found[span] for span in spans]


def _read_objects(files: Any, spans: list[Span]) -> list[bytes | RemoteError]:
    urls, starts = [span.url for span in spans], [span.start for span in spans]
    ends = [span.start + span.size for span in spans]
    with speaking(urls[0]):
        limit = deadline(files, sum(span.size for span in spans))
        given = files.cat_ranges(urls, starts, ends, on_error="return", **limit)
    return [
        explain(data, span.url) if isinstance(data, Exception) else data
        for data, span in zip(given, spans, strict=True)
    ]


def _read_web(files: Any, spans: list[Span]) -> list[bytes | RemoteError]:
    return [_read_page(files, span) for span in spans]


def _read_page(files: Any, span: Span) -> bytes | RemoteError:
    parts, left = [], span.size
    try:
        with speaking(span.url), files.open(span.url, "rb", cache_type="none") as stream:
            if span.start:
                stream.seek(span.start)
            while left > 0 and (part := stream.read(left)):
                parts.append(part)
                left -= len(part)
    except FileNotFoundError as error:
        return explain(error, span.url)
    except RemoteError as error:
        return error
    return b"".join(parts)


def lance_options(uri: str) -> dict[str, Any]:
    """Return the keywords with which Lance opens a table; none for one on disk.

    Lance is told the server and region that the store's own client uses, and shares what it reads of its tables.

    Raises:
        InputError: Lance keeps no tables there.
    """
    scheme, separator, _ = uri.partition("://")
    if not separator or scheme == "file":
        return {}
    if scheme not in _TABLES:
        why = "; what is kept in memory is gone with the process" if scheme == "memory" else ""
        raise InputError(f"Tables are kept in a folder, or at s3://, gs:// or az://, not at {scheme}://{why}.")
    return _lance(scheme)


@lru_cache
def _lance(scheme: str) -> dict[str, Any]:
    import lance

    options = {
        "connect_timeout": f"{_CONNECT_S:g}s",
        "timeout": f"{TIMEOUT_S:g}s",
        "client_max_retries": str(_TRIES),
        "client_retry_timeout": f"{TIMEOUT_S:g}",
    }
    if scheme == "s3":
        files = file_system("s3")
        with speaking("s3://"):
            files.connect()
        client = files.s3.meta
        if not re.search(r"\.amazonaws\.com(\.cn)?/?$", client.endpoint_url):
            options |= {"aws_endpoint": client.endpoint_url, "aws_region": client.region_name or "us-east-1"}
            options["allow_http"] = str(client.endpoint_url.startswith("http://")).lower()
    return {"storage_options": options, "session": lance.Session()}
