"""What lies behind ``s3://`` and other schemes: a file system, Lance's options, and a sentence for what goes wrong.

Credentials come from the standard chain of each store (for S3: environment, ``~/.aws``, roles of the machine), found
by its own client; they are never read, kept or shown here. ``AWS_ENDPOINT_URL_S3`` and ``AWS_ENDPOINT_URL`` name
another server than Amazon's.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple

from goldpan.core.errors import InputError, MissingExtra, Reason, RemoteError

TIMEOUT_S = float(os.environ.get("GOLDPAN_TIMEOUT", "20"))
_CONNECT_S = min(5.0, TIMEOUT_S)
_TRIES = 3
_SLOWEST = 1 << 16  # bytes a second that an upload must reach
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
        opened = kind(skip_instance_cache=True, use_listings_cache=False, **_settings(scheme))
    except ImportError as error:
        if scheme in ("s3", "http", "https"):
            raise MissingExtra("s3fs", "s3") from error
        raise RemoteError(Reason.SCHEME_NOT_ALLOWED, f"{scheme}:// cannot be opened: {error}.") from error
    except ValueError as error:
        told = f"{scheme}:// is not known; there are s3://, gs://, az:// and what fsspec opens."
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
    """Return the keyword that ends an operation of a file system over the network, if need be to upload `size` bytes.

    Its own client has timeouts too, but waits forever where a server does not even say that it may go on with a PUT.
    """
    return {"timeout": _TRIES * TIMEOUT_S + size / _SLOWEST} if files.async_impl else {}


def read_url(url: str, start: int, size: int) -> bytes:
    """Return at most `size` bytes of an object, from byte `start`; never more, whatever the server sends.

    Addresses come with tables that others made, so only a few schemes are followed.

    Raises:
        FileNotFoundError: there is no such object.
        RemoteError: it cannot be read.
    """
    scheme = url.partition(":")[0]
    if scheme not in _IMAGES:
        raise RemoteError(Reason.SCHEME_NOT_ALLOWED, f"Images are read at {', '.join(_IMAGES)}, not {scheme}.")
    files = file_system(scheme)
    with speaking(url):
        if scheme not in ("http", "https"):
            data: bytes = files.cat_file(url, start=start, end=start + size, **deadline(files))
            return data
        parts = []
        with files.open(url, "rb", cache_type="none") as stream:
            if start:
                stream.seek(start)
            while size > 0 and (part := stream.read(size)):
                parts.append(part)
                size -= len(part)
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


@contextmanager
def speaking(url: object) -> Iterator[None]:
    """Turn what the clients of a store raise into one sentence; errors over a path on disk are left as they are.

    Raises:
        FileNotFoundError: the object is not there.
        RemoteError: anything else went wrong.
    """
    try:
        yield
    except _client_errors() as error:
        if "://" not in str(url):
            raise
        told = explain(error, url)
        if told.reason is Reason.MISSING_FILE:
            raise FileNotFoundError(2, "No such object", str(url)) from error
        raise told from error


def _client_errors() -> tuple[type[Exception], ...]:
    """Return what the clients raise; asked for only when something was raised, so that nothing is imported before."""
    found: list[type[Exception]] = [OSError, ValueError]
    for module, name in (
        ("botocore.exceptions", "BotoCoreError"),
        ("botocore.exceptions", "ClientError"),
        ("aiohttp", "ClientError"),
    ):
        try:
            found.append(getattr(__import__(module, fromlist=[name]), name))
        except ImportError:
            continue
    return tuple(found)


class _Told(NamedTuple):
    """What the text of an error shows, the reason for the `failures` table, and the sentence."""

    signs: str
    reason: Reason
    sentence: str


_SET = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
_WORDS = (
    _Told("NoSuchBucket", Reason.NOT_FOUND, "there is no such bucket; make it first, or name another"),
    _Told(
        "InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|InvalidToken|TokenRefreshRequired|InvalidSecurity",
        Reason.FORBIDDEN,
        f"the server refuses the credentials; {_SET} to others",
    ),
    _Told(
        "NoCredentialsError|PartialCredentialsError|ProfileNotFound|Failed to get AWS credentials|CredentialsNotLoaded",
        Reason.FORBIDDEN,
        f"no credentials were found; {_SET}",
    ),
    _Told(
        r"AccessDenied|Forbidden|\b403\b|PermissionError|AllAccessDisabled|MethodNotAllowed|\b405\b",
        Reason.FORBIDDEN,
        "access is denied; the credentials do not allow this there",
    ),
    _Told("RequestTimeTooSkewed", Reason.FORBIDDEN, "the clock of this machine is wrong, by that of the server"),
    _Told(
        r"EndpointConnectionError|ConnectTimeout|ConnectionError|ConnectorError|ConnectionRefused|tcp connect|dns error"
        r"|error sending request|ProxyConnection",
        Reason.CONNECT_FAILED,
        "the server cannot be reached; look at the network, and at AWS_ENDPOINT_URL if it is set",
    ),
    _Told(
        r"Timeout|timed out|operation timed out",
        Reason.TIMED_OUT,
        f"the server did not answer within {TIMEOUT_S:g} s, again and again; GOLDPAN_TIMEOUT sets how long to wait",
    ),
    _Told(r"SSLError|certificate", Reason.TLS_FAILED, "the server's certificate is not good"),
    _Told(r"InvalidRange|\(416\)", Reason.EMPTY_FILE, "there are no bytes"),
    _Told("InvalidBucketName|ParamValidationError", Reason.BAD_URL, "this cannot be the name of a bucket"),
    _Told(
        r"SlowDown|ServiceUnavailable|InternalError|\b50[0-9]\b", Reason.SERVER_ERROR, "the server is busy or broken"
    ),
    _Told(r"FileNotFoundError|NoSuchKey|\b404\b", Reason.MISSING_FILE, "there is no such object"),
)


_CODE = re.compile(r"<Code>(\w+)</Code>|\((\w+)\) when calling")


def explain(error: BaseException, url: object) -> RemoteError:
    """Say in one sentence what a client means, without what it cites of the request."""
    text = " ".join(_chain(error))
    code = _CODE.search(text)
    said = next(filter(None, code.groups())) if code else ""
    # Names of objects may hold any word or number: only what is said of them counts.
    text = said or re.sub(r"https?://\S+", "", text.replace(str(url).partition("://")[2], ""))
    for word in _WORDS:
        if re.search(word.signs, text):
            return RemoteError(word.reason, f"{url}: {word.sentence}.")
    return RemoteError(Reason.UNREADABLE_FILE, f"{url}: the store cannot do this ({said or type(error).__name__}).")


def _chain(error: BaseException | None) -> Iterator[str]:
    """Yield class and words of an error and of its causes, the innermost first."""
    if error is not None:
        yield from _chain(error.__cause__ or error.__context__)
        yield f"{type(error).__name__}: {error}"


def is_of_store(error: BaseException, url: object) -> bool:
    """Return whether Lance failed over the store of a remote table, and not over what it was asked."""
    return "://" in str(url) and re.search(r"LanceError\(IO\)|Generic \w+ error", str(error)) is not None


def is_taken(error: BaseException) -> bool:
    """Return whether a store refused to write an object because there is one, or another is just being written."""
    refused = re.search(r"PreconditionFailed|ConditionalRequestConflict|\((409|412)\)", " ".join(_chain(error)))
    return isinstance(error, FileExistsError) or refused is not None
