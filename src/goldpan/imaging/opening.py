"""The one way to open an image: byte cap, pixel cap before decoding, orientation applied, 8-bit RGB.

Nothing here changes state of the process, so any number of threads may open images at once.
"""

from __future__ import annotations

import io
import stat
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from goldpan.core.errors import ImageError, Reason
from goldpan.imaging.containers import (
    CAPPED_BY_PILLOW,
    FORMATS,
    HEAD_BYTES,
    KEEPS_DECODER,
    ends_early,
    parse_header,
    sniff,
)
from goldpan.imaging.modes import to_rgb
from goldpan.imaging.orientation import exif_orientation, orient, turns_sides

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

DEFAULT_MAX_BYTES = 2**28
DEFAULT_MAX_PIXELS = 2**28  # 1 GiB at the four bytes a pixel that Pillow holds

# What Pillow's parsers are seen to raise over hostile bytes, besides its own bomb error.
_PARSER_ERRORS = (
    OSError, SyntaxError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, AssertionError,
    RuntimeError, EOFError, MemoryError, struct.error, zlib.error,
)  # fmt: skip
_SAYS_TRUNCATED = ("truncated", "eof", "end of file", "not enough")


class ImageInfo(NamedTuple):
    """What the header says: sides in pixels after orientation, and the format's name as in `FORMATS`."""

    width: int
    height: int
    format: str


class OpenedImage(NamedTuple):
    """A decoded image.

    Attributes:
        image: mode RGB, oriented, without metadata.
        width: of `image`, pixels.
        height: of `image`, pixels.
        format: of the file, one of `FORMATS`.
    """

    image: Image
    width: int
    height: int
    format: str


def open_image(
    source: bytes | Path | str, *, max_bytes: int = DEFAULT_MAX_BYTES, max_pixels: int = DEFAULT_MAX_PIXELS
) -> OpenedImage:
    """Decode an image (the first frame, where it has several) to oriented 8-bit RGB.

    Args:
        source: the bytes of an image file, or its path.
        max_bytes: the longest file to read.
        max_pixels: the largest width x height to decode; TIFF and GIF stop at Pillow's own 89,478,485 anyway.

    Raises:
        ImageError: with the `Reason`: missing, unreadable, empty, too many bytes, no image of the formats in
            `FORMATS`, too many pixels, truncated, corrupt.
    """
    with _stream(source, max_bytes) as stream:
        name, header = _header(stream, max_pixels)
        orientation = _orientation(name, header)
        try:
            header.load()
            image = orient(to_rgb(header), orientation)
        except _PARSER_ERRORS as error:
            raise _unreadable(name, stream, error) from error
    if image is header and name in KEEPS_DECODER:
        image = image.copy()
    image.info.clear()  # an orientation left behind would be applied twice by whoever looks for one
    return OpenedImage(image, image.width, image.height, name)


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
        ImageError: as `open_image`; truncated and corrupt pixels only with `decode`.
    """
    with _stream(source, max_bytes) as stream:
        name, header = _header(stream, max_pixels)
        width, height = header.size
        if turns_sides(_orientation(name, header)):
            width, height = height, width
        if decode:
            try:
                header.load()
            except _PARSER_ERRORS as error:
                raise _unreadable(name, stream, error) from error
    return ImageInfo(width, height, name)


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


def _header(stream: BinaryIO, max_pixels: int) -> tuple[str, ImageFile]:
    """Return format and undecoded image, its number of pixels checked."""
    from PIL.Image import DecompressionBombError, DecompressionBombWarning

    name = sniff(stream.read(HEAD_BYTES))
    if name is None:
        raise ImageError(Reason.NOT_AN_IMAGE, f"The first bytes are of none of these: {', '.join(FORMATS)}.")
    # Asked before the parser of TIFF runs, since that warns where the directory of tags is cut off.
    if name == "TIFF" and ends_early(name, stream):
        raise ImageError(Reason.TRUNCATED, "The TIFF ends before its directory of tags does.")
    try:
        header = parse_header(name, stream)
    except (DecompressionBombError, DecompressionBombWarning) as error:
        raise ImageError(Reason.TOO_MANY_PIXELS, f"{error}") from error
    except ImportError as error:
        raise ImageError(Reason.NOT_AN_IMAGE, f"This installation of Pillow does not read {name}.") from error
    except _PARSER_ERRORS as error:
        raise _unreadable(name, stream, error) from error
    _check_pixels(name, header.size, max_pixels)
    return name, header


def _check_pixels(name: str, size: tuple[int, int], max_pixels: int) -> None:
    from PIL import Image

    if name in CAPPED_BY_PILLOW and Image.MAX_IMAGE_PIXELS is not None:
        max_pixels = min(max_pixels, Image.MAX_IMAGE_PIXELS)
    width, height = size
    if width * height > max_pixels:
        raise ImageError(
            Reason.TOO_MANY_PIXELS,
            f"The {name} is {width:,} x {height:,} = {width * height:,} pixels; allowed are {max_pixels:,}.",
        )


def _orientation(name: str, header: ImageFile) -> int:
    # Pillow turns a TIFF itself, and gives its size as turned before.
    return 1 if name == "TIFF" else exif_orientation(header.info.get("exif"))


def _unreadable(name: str, stream: BinaryIO, error: BaseException) -> ImageError:
    said = str(error).lower()
    if "not installed" in said:
        return ImageError(Reason.NOT_AN_IMAGE, f"This installation of Pillow does not read {name}.")
    if any(words in said for words in _SAYS_TRUNCATED) or ends_early(name, stream):
        return ImageError(Reason.TRUNCATED, f"The {name} ends before its pixels do ({error}).")
    return ImageError(Reason.CORRUPT, f"The {name} cannot be decoded ({error}).")
