"""An image of which only the header was read: what it says, and the pixels on request."""

from __future__ import annotations

import io
import struct
import zlib
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
from goldpan.imaging.modes import is_plain, to_rgb
from goldpan.imaging.orientation import exif_orientation, orient, turns_sides

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

# What Pillow's parsers are seen to raise over hostile bytes, besides its own bomb error.
_PARSER_ERRORS = (
    OSError, SyntaxError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, AssertionError,
    RuntimeError, EOFError, MemoryError, struct.error, zlib.error,
)  # fmt: skip
_SAYS_TRUNCATED = ("truncated", "eof", "end of file", "not enough")
_END_OF_JPEG = b"\xff\xd9"


class OpenedImage(NamedTuple):
    """A decoded image.

    Attributes:
        image: mode RGB, oriented, without metadata.
        width: of `image`, pixels.
        height: of `image`, pixels.
        format: of the file, one of `FORMATS`.
        as_stored: the pixels are those of the file; nothing was turned, converted or missing.
        truncated: the file ends before its pixels do; the rest is gray.
    """

    image: Image
    width: int
    height: int
    format: str
    as_stored: bool
    truncated: bool


class Header:
    """Format and sides of an image, its number of pixels checked.

    Args:
        stream: of the whole file; it stays open while pixels may be asked for.
        max_pixels: the largest width x height to accept.

    Attributes:
        format: one of `FORMATS`.
        width: pixels, after orientation.
        height: the same.
        exif: the block of EXIF, where there is one.

    Raises:
        ImageError: no image of these formats, too many pixels, truncated, corrupt.
    """

    def __init__(self, stream: BinaryIO, max_pixels: int) -> None:
        self._stream = stream
        self.format, self._parsed = _parse(stream, max_pixels)
        block = self._parsed.info.get("exif")
        self.exif = block if isinstance(block, bytes) else None
        # Pillow turns a TIFF itself, and gives its size as turned before.
        self._orientation = 1 if self.format == "TIFF" else exif_orientation(self.exif)
        width, height = self._parsed.size
        self.width, self.height = (height, width) if turns_sides(self._orientation) else (width, height)

    @property
    def is_animated(self) -> bool:
        """True where there is more than the one frame, or page, that is decoded."""
        try:
            return bool(getattr(self._parsed, "is_animated", False))
        except _PARSER_ERRORS:  # the second one is broken, which is none
            return False

    def load(self) -> None:
        """Decode every pixel.

        Raises:
            ImageError: truncated or corrupt.
        """
        try:
            self._parsed.load()
        except _PARSER_ERRORS as error:
            raise _unreadable(self.format, self._stream, error) from error

    def decode(self, at_least: tuple[int, int] | None = None, *, accept_truncated: bool = False) -> OpenedImage:
        """Return the first frame as oriented 8-bit RGB. To be called once.

        Args:
            at_least: a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, which is faster, as long as it has at least
                this width and height.
            accept_truncated: let the missing end of a JPEG be gray.

        Raises:
            ImageError: truncated or corrupt.
        """
        try:
            return self._decoded(at_least)
        except ImageError as error:
            if not (accept_truncated and error.reason is Reason.TRUNCATED and self.format == "JPEG"):
                raise
        self._stream.seek(0)
        mended = Header(io.BytesIO(self._stream.read() + _END_OF_JPEG), self.width * self.height)
        return mended._decoded(at_least)._replace(as_stored=False, truncated=True)

    def _decoded(self, at_least: tuple[int, int] | None) -> OpenedImage:
        parsed = self._parsed
        if at_least is not None and self.format == "JPEG":
            parsed.draft(None, at_least[::-1] if turns_sides(self._orientation) else at_least)
        self.load()
        try:
            image = orient(to_rgb(parsed), self._orientation)
            as_stored = self._orientation == 1 and is_plain(parsed)
        except _PARSER_ERRORS as error:
            raise _unreadable(self.format, self._stream, error) from error
        if image is parsed and self.format in KEEPS_DECODER:
            image = image.copy()
        image.info.clear()  # an orientation left behind would be applied twice by whoever looks for one
        return OpenedImage(image, image.width, image.height, self.format, as_stored, False)


def _parse(stream: BinaryIO, max_pixels: int) -> tuple[str, ImageFile]:
    """Return format and undecoded image, its number of pixels checked."""
    from PIL.Image import DecompressionBombError, DecompressionBombWarning

    name = sniff(stream.read(HEAD_BYTES))
    if name is None:
        raise ImageError(Reason.NOT_AN_IMAGE, f"The first bytes are of none of these: {', '.join(FORMATS)}.")
    # Asked before the parser of TIFF runs, since that warns where the directory of tags is cut off.
    if name == "TIFF" and ends_early(name, stream):
        raise ImageError(Reason.TRUNCATED, "The TIFF ends before its directory of tags does.")
    try:
        parsed = parse_header(name, stream)
    except (DecompressionBombError, DecompressionBombWarning) as error:
        raise ImageError(Reason.TOO_MANY_PIXELS, f"{error}") from error
    except ImportError as error:
        raise ImageError(Reason.NOT_AN_IMAGE, f"This installation of Pillow does not read {name}.") from error
    except _PARSER_ERRORS as error:
        raise _unreadable(name, stream, error) from error
    _check_pixels(name, parsed.size, max_pixels)
    return name, parsed


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


def _unreadable(name: str, stream: BinaryIO, error: BaseException) -> ImageError:
    said = str(error).lower()
    if isinstance(error, MemoryError):
        return ImageError(Reason.DECODER_DIED, f"The {name} takes more memory than there is.")
    if "not installed" in said:
        return ImageError(Reason.NOT_AN_IMAGE, f"This installation of Pillow does not read {name}.")
    if any(words in said for words in _SAYS_TRUNCATED) or ends_early(name, stream):
        return ImageError(Reason.TRUNCATED, f"The {name} ends before its pixels do ({error}).")
    return ImageError(Reason.CORRUPT, f"The {name} cannot be decoded ({error}).")
