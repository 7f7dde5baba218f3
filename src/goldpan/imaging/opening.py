"""The one way to open an image: byte cap, pixel cap before decoding, orientation applied, 8-bit RGB.

Nothing here changes state of the process, so any number of threads may open images at once.
"""

from __future__ import annotations

import io
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from goldpan.core.errors import ImageError, Reason
from goldpan.imaging.headers import Header, OpenedImage

DEFAULT_MAX_BYTES = 2**28
DEFAULT_MAX_PIXELS = 2**28  # 1 GiB at the four bytes a pixel that Pillow holds


class ImageInfo(NamedTuple):
    """What the header says: sides in pixels after orientation, and the format's name as in `FORMATS`."""

    width: int
    height: int
    format: str


@contextmanager
def read_header(
    source: bytes | Path | str, *, max_bytes: int = DEFAULT_MAX_BYTES, max_pixels: int = DEFAULT_MAX_PIXELS
) -> Iterator[Header]:
    """Read the header of an image; its pixels can be asked for inside the block.

    Args:
        source: the bytes of an image file, or its path.
        max_bytes: the longest file to read.
        max_pixels: the largest width x height to accept; TIFF and GIF stop at Pillow's own 89,478,485 anyway.

    Raises:
        ImageError: with the `Reason`: missing, unreadable, empty, too many bytes, no image of the formats in
            `FORMATS`, too many pixels, truncated, corrupt.
    """
    with _stream(source, max_bytes) as stream:
        yield Header(stream, max_pixels)


def open_image(
    source: bytes | Path | str, *, max_bytes: int = DEFAULT_MAX_BYTES, max_pixels: int = DEFAULT_MAX_PIXELS
) -> OpenedImage:
    """Decode an image (the first frame, where it has several) to oriented 8-bit RGB.

    Args:
        source: the bytes of an image file, or its path.
        max_bytes: the longest file to read.
        max_pixels: the largest width x height to decode; TIFF and GIF stop at Pillow's own 89,478,485 anyway.

    Raises:
        ImageError: as `read_header`.
    """
    with read_header(source, max_bytes=max_bytes, max_pixels=max_pixels) as header:
        return header.decode()


def probe_image(
    source: bytes | Path | str,
    *,
    max_bytes: int = DEFAULT_MAX_BYTES,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    decode: bool = False,
) -> ImageInfo:
    """Return the sides and format of an image from its header, the same as `open_image` would give.

    Args:
        source: the bytes of an image file, or its path.
        max_bytes: the longest file to look at.
        max_pixels: the largest width x height to accept.
        decode: decode every pixel too, which finds truncated and corrupt files.

    Raises:
        ImageError: as `read_header`; truncated and corrupt pixels only with `decode`.
    """
    with read_header(source, max_bytes=max_bytes, max_pixels=max_pixels) as header:
        if decode:
            header.load()
        return ImageInfo(header.width, header.height, header.format)


@contextmanager
def _stream(source: bytes | Path | str, max_bytes: int) -> Iterator[BinaryIO]:
    """Give the bytes as a stream once their number is known to be fit."""
    if isinstance(source, bytes | bytearray | memoryview):
        _check_bytes(len(source), max_bytes)
        yield io.BytesIO(source)
        return
    path = Path(source)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ImageError(Reason.UNREADABLE_FILE, f"{path} is not a regular file.")
        _check_bytes(status.st_size, max_bytes)
        stream = path.open("rb")
    except FileNotFoundError:
        raise ImageError(Reason.MISSING_FILE, f"There is no file {path}.") from None
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        raise ImageError(Reason.UNREADABLE_FILE, f"{path} cannot be read ({error}).") from error
    with stream:
        yield stream


def _check_bytes(size: int, max_bytes: int) -> None:
    if size == 0:
        raise ImageError(Reason.EMPTY_FILE, "The file has no bytes.")
    if size > max_bytes:
        raise ImageError(Reason.TOO_MANY_BYTES, f"The file has {size:,} bytes; allowed are {max_bytes:,}.")
