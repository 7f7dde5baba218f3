"""Faces and other boxes made unrecognizable, by the recipe of ImageNet (Yang et al. 2022) as img2dataset has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from goldpan.core.errors import ImageError, Reason

if TYPE_CHECKING:
    from PIL.Image import Image

Box = Sequence[float]

GROWTH = 0.1  # of the longer side of a box, on each of its four sides
SIGMA = 0.1  # of the longest side of all boxes
_BEYOND = 1.0  # sides of the image that a box may reach over its edges; farther off, it is one of pixels


def blurred(image: Image, boxes: Sequence[Box]) -> Image:
    """Return the image with all boxes blurred, their edges faded; the same object where there are none.

    Args:
        image: mode RGB, as it is meant to be seen.
        boxes: each ``(left, top, right, bottom)``, as fractions of the image's sides.

    Raises:
        ImageError: a box is none. An image is rather lost than shown with a face.
    """
    if not boxes:
        return image
    from PIL import Image as pillow
    from PIL.ImageDraw import Draw
    from PIL.ImageFilter import GaussianBlur

    mask = pillow.new("L", image.size, 0)
    longest = 0.0
    for box in boxes:
        left, top, right, bottom = _pixels(box, image.size)
        side = max(right - left, bottom - top)
        longest = max(longest, side)
        margin = GROWTH * side
        Draw(mask).rectangle((left - margin, top - margin, right + margin, bottom + margin), fill=255)
    blur = GaussianBlur(SIGMA * longest)
    return pillow.composite(image.filter(blur), image, mask.filter(blur))


def _pixels(box: Box, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return a box in pixels."""
    fits = all(-_BEYOND <= value <= 1 + _BEYOND for value in box)  # which a NaN does not
    if len(box) != 4 or not fits or box[0] > box[2] or box[1] > box[3]:
        raise ImageError(Reason.BAD_BOX, f"{tuple(box)} is no box (left, top, right, bottom) of fractions.")
    width, height = size
    return box[0] * width, box[1] * height, box[2] * width, box[3] * height
