"""Images that are in a bucket or on the web: objects, and slices of them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from goldpan.core.errors import ImageError, Reason, RemoteError
from goldpan.core.remote import Span, read_spans

SLICE = re.compile(r"^(?P<path>.+)#(?P<offset>\d+)\+(?P<size>\d+)$")


def fetch_objects(urls: Sequence[str], max_bytes: int) -> dict[str, bytes | ImageError]:
    """Return what is at each address, or why it cannot be read; all are asked for at once.

    Args:
        urls: of whole objects, or of slices of them: ``s3://bucket/a.tar#OFFSET+SIZE``.
        max_bytes: the longest object to read.
    """
    slices = {url: found for url in urls if (found := SLICE.match(url))}
    spans = [
        Span(slices[url]["path"], int(slices[url]["offset"]), int(slices[url]["size"]))
        if url in slices
        else Span(url, 0, max_bytes + 1)
        for url in urls
    ]
    got = dict(zip(urls, read_spans(spans), strict=True))
    return {url: _checked(data, slices.get(url), max_bytes) for url, data in got.items()}


def _checked(data: bytes | RemoteError, piece: re.Match[str] | None, max_bytes: int) -> bytes | ImageError:
    if isinstance(data, RemoteError):
        return ImageError(data.reason, str(data))
    if piece is not None and len(data) != int(piece["size"]):
        end = int(piece["offset"]) + int(piece["size"])
        return ImageError(Reason.TRUNCATED, f"{piece['path']} ends before byte {end}")
    return data if len(data) <= max_bytes else ImageError(Reason.TOO_MANY_BYTES, f"more than {max_bytes} bytes")
