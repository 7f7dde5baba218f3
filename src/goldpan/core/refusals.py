"""What a store refuses, said in one sentence, whichever client was told so: botocore, fsspec, or Lance."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from goldpan.core.errors import Reason, RemoteError

TIMEOUT_S = float(os.environ.get("GOLDPAN_TIMEOUT", "20"))


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
