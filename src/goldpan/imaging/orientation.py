"""The EXIF orientation of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from goldpan.imaging.exif import entries

if TYPE_CHECKING:
    from PIL.Image import Image

_ORIENTATION = ("Image", 0x0112)
_SHORT = 3


def exif_orientation(block: bytes | None) -> int:
    """Return the orientation 1..8 that a block of EXIF has in its first directory; 1 where it has none.

    A block that is cut or broken counts as having none. Source: EXIF 2.32 section 4.6.2.
    """
    for entry in entries(block or b""):
        if (entry.directory, entry.tag) == _ORIENTATION:
            value = entry.values[0]
            return value if entry.kind == _SHORT and 1 <= value <= 8 else 1
    return 1


def turns_sides(orientation: int) -> bool:
    """Tell whether width and height change places."""
    return orientation >= 5


def orient(image: Image, orientation: int) -> Image:
    """Return the image as it is meant to be seen: mirrored and turned by its EXIF orientation."""
    from PIL.Image import Transpose

    method = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }.get(orientation)
    return image if method is None else image.transpose(method)
