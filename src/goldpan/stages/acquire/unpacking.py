"""What is done with bytes that came, in a process of its own: compared with what was promised, decoded, resized."""

from __future__ import annotations

import hashlib
import json
from typing import Any, NamedTuple

from goldpan.core.errors import ImageError, Reason
from goldpan.imaging.blurring import Box
from goldpan.imaging.containers import HEAD_BYTES, sniff
from goldpan.imaging.opening import read_header
from goldpan.imaging.resizing import resized
from goldpan.stages.acquire.config import WebConfig


class Parcel(NamedTuple):
    """Bytes that came.

    Attributes:
        number: tells it apart.
        data: the bytes.
        sha256: that they are to have, in hexadecimal; empty where nothing was promised.
        md5: the same.
        boxes: to blur, as fractions of the image's sides.
    """

    number: int
    data: bytes
    sha256: str = ""
    md5: str = ""
    boxes: tuple[Box, ...] = ()


class Unpacked(NamedTuple):
    """An image that can be kept.

    Attributes:
        columns: of `images`: sha256, width, height, format.
        extra: more of it, for JSON.
        data: the bytes to keep, None for those that came.
    """

    columns: dict[str, Any]
    extra: dict[str, Any]
    data: bytes | None


def unpack(parcel: Parcel, config: WebConfig) -> Unpacked:
    """Check bytes, decode every pixel, and make of them what is to be kept.

    Raises:
        ImageError: they are not what was promised, no image that can be used, or left out by a rule.
    """
    data = parcel.data
    sha256 = _sha256(data)
    check_sum("SHA-256", parcel.sha256, sha256)
    extra: dict[str, Any] = {}
    if parcel.md5:
        extra["md5"] = md5_of(data)
        check_sum("MD5", parcel.md5, extra["md5"])
    is_truncated = False
    if config.keep_bytes:
        is_truncated = not config.disable_all_reencoding and _ends_early(data, config)
        config = config.model_copy(update={"disable_all_reencoding": True, "resize_mode": "no"})
    made = resized(data, config, parcel.boxes)
    extra |= {"animated": True} if made.animated else {}
    extra |= {"truncated": True} if made.truncated or is_truncated else {}
    extra |= {"exif": json.loads(made.exif)} if made.exif else {}
    columns = {"sha256": sha256, "width": made.width, "height": made.height, "format": _format(made.data)}
    if not made.changed:
        return Unpacked(columns, extra, None)
    extra |= {"original_width": made.original_width, "original_height": made.original_height}
    extra |= {"original_format": _format(data), "original_sha256": sha256}
    if config.output is None:  # a row that repeats the URL may ask for it
        extra["md5"] = md5_of(data)
    return Unpacked(columns | {"sha256": _sha256(made.data)}, extra, made.data)


def _ends_early(data: bytes, config: WebConfig) -> bool:
    """Decode every pixel; tell whether the last are missing, where that is accepted."""
    with read_header(data, max_pixels=config.max_pixels) as header:
        if config.accept_truncated:
            return header.decode(accept_truncated=True).truncated
        header.load()
        return False


def md5_of(data: bytes) -> str:
    """Return the MD5 of bytes in hexadecimal, as lists promise it."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _format(data: bytes) -> str | None:
    return sniff(data[:HEAD_BYTES])


def check_sum(kind: str, promised: str, found: str) -> None:
    """Compare a sum with the one that was promised, if one was.

    Raises:
        ImageError: they differ.
    """
    if promised and promised != found:
        raise ImageError(Reason.WRONG_HASH, f"The {kind} is {found}, not {promised}.")
