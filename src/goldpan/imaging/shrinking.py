"""Images made smaller by averaging areas: every pixel is the mean of the part of the image that it covers.

That is what OpenCV calls INTER_AREA, within one level of it. In whole numbers: rows first, with weights that sum up to
256, into 16 bits; then columns, with weights that sum up to 65535, of which 8 bits and a rounded half are kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image


def shrink(image: Image, size: tuple[int, int]) -> Image:
    """Return the image at another size, no side of which is longer than it was.

    Args:
        image: mode RGB.
        size: width and height of the result, pixels.
    """
    from PIL import Image as pillow

    from goldpan._kernels import _pixels

    pixels = np.frombuffer(image.tobytes("raw", "RGBX"), np.uint8).reshape(image.height, image.width, 4)
    smaller = np.empty((size[1], size[0], 4), np.uint8)
    _pixels.shrink(pixels, smaller)
    return pillow.frombytes("RGB", size, smaller, "raw", "RGBX")
