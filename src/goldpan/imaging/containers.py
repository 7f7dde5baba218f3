"""The image formats that may be opened, told by their first bytes; no other parser ever runs.

Each entry names Pillow's class for the format, so that Pillow's own chain of guesses (which reaches
Ghostscript and a dozen forgotten formats) is never started, and neither is its check for decompression
bombs, which warns by a limit of the whole process: `goldpan.imaging.opening` has its own.
"""

from __future__ import annotations

import importlib
import re
import struct
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

HEAD_BYTES = 64

PLUGINS = {
    "JPEG": "JpegImagePlugin:JpegImageFile",
    "PNG": "PngImagePlugin:PngImageFile",
    "GIF": "GifImagePlugin:GifImageFile",
    "WEBP": "WebPImagePlugin:WebPImageFile",
    "BMP": "BmpImagePlugin:BmpImageFile",
    "TIFF": "TiffImagePlugin:TiffImageFile",
    "AVIF": "AvifImagePlugin:AvifImageFile",
    "PPM": "PpmImagePlugin:PpmImageFile",
}
FORMATS = tuple(PLUGINS)

# Pillow checks these two against its own process-wide limit while it decodes, and would warn above it.
CAPPED_BY_PILLOW = frozenset({"TIFF", "GIF"})
# Images of these hold on to their decoder, and with it to the file and to further copies of the pixels.
KEEPS_DECODER = frozenset({"WEBP", "AVIF"})

_MAGIC = {
    "JPEG": re.compile(rb"\xff\xd8\xff"),
    "PNG": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "GIF": re.compile(rb"GIF8[79]a"),
    "WEBP": re.compile(rb"RIFF....WEBP", re.DOTALL),
    # The length of the second header makes sure: "BM" alone is how many a text begins.
    "BMP": re.compile(rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\x00\x00\x00", re.DOTALL),
    "TIFF": re.compile(rb"II[*+]\x00|MM\x00[*+]"),
    "AVIF": re.compile(rb"....ftyp.{0,48}?avi[fs]", re.DOTALL),
    "PPM": re.compile(rb"P[1-6][\s#]"),
}


def sniff(head: bytes) -> str | None:
    """Return the format whose signature the first `HEAD_BYTES` bytes carry, None where there is no such."""
    return next((name for name, magic in _MAGIC.items() if magic.match(head)), None)


def parse_header(name: str, stream: BinaryIO) -> ImageFile:
    """Read the header of an image of format `name`, not its pixels; raises whatever Pillow raises."""
    module, _, attribute = PLUGINS[name].partition(":")
    plugin = getattr(importlib.import_module(f"PIL.{module}"), attribute)
    stream.seek(0)
    image: ImageFile = plugin(stream)
    return image


def ends_early(name: str, stream: BinaryIO) -> bool:
    """Tell whether the container itself says that it should go on after the last byte of `stream`."""
    size = stream.seek(0, 2)
    stream.seek(0)
    head = stream.read(HEAD_BYTES)
    stream.seek(max(0, size - HEAD_BYTES))
    tail = stream.read()
    match name:
        case "JPEG":
            early = not tail.rstrip(b"\x00").endswith(b"\xff\xd9")
        case "PNG":
            early = b"IEND" not in tail
        case "GIF":
            early = not tail.rstrip(b"\x00").endswith(b";")
        case "WEBP":
            early = size < 8 + int.from_bytes(head[4:8], "little")
        case "BMP":
            early = size < int.from_bytes(head[2:6], "little")
        case "TIFF":
            early = _tiff_ends_early(head, stream, size)
        case "AVIF":
            early = _avif_ends_early(stream, size)
        case _:  # PPM tells nothing of the kind; Pillow says itself that the pixels are too few
            early = False
    return early


def _tiff_ends_early(head: bytes, stream: BinaryIO, size: int) -> bool:
    """Tell whether the first directory of tags reaches beyond the end (TIFF 6.0 section 2, BigTIFF)."""
    order = "<" if head[:2] == b"II" else ">"
    big = 43 in head[2:4]
    offset, count, entry = ("Q", "Q", 20) if big else ("I", "H", 12)
    if size < 16:
        return True
    (start,) = struct.unpack_from(order + offset, head, 8 if big else 4)
    stream.seek(min(start, size))
    counted = stream.read(struct.calcsize(count))
    if len(counted) < struct.calcsize(count):
        return True
    (tags,) = struct.unpack(order + count, counted)
    return bool(stream.tell() + tags * entry > size)


def _avif_ends_early(stream: BinaryIO, size: int) -> bool:
    """Tell whether a top-level box reaches beyond the end (ISO 14496-12 section 4.2)."""
    at = 0
    while at + 8 <= size:
        stream.seek(at)
        box = int.from_bytes(stream.read(4), "big")
        if box < 8:  # 0: up to the end; 1: a 64-bit length, which no photograph has
            return False
        at += box
    return at > size
