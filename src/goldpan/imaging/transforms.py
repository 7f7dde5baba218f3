"""Images to the size and the numbers a model takes, and to thumbnails."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import InputError, UnknownName

if TYPE_CHECKING:
    from PIL.Image import Image, Resampling

RESAMPLING = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")
WHITE = (255, 255, 255)

CropRounding = Literal["floor", "even"]


class Size(NamedTuple):
    """Sides in pixels."""

    width: int
    height: int


def resampling(name: str) -> Resampling:
    """Return Pillow's filter of that name, one of `RESAMPLING`.

    Raises:
        UnknownName: Pillow has no such filter.
    """
    from PIL.Image import Resampling

    if name not in RESAMPLING:
        raise UnknownName("resampling filter", name, RESAMPLING)
    return Resampling[name.upper()]


def short_side_size(size: tuple[int, int], side: int) -> Size:
    """Return the size with its short side at `side` and its shape kept; the long side is rounded down.

    Rounding down is the rule of torchvision's and transformers' resize.
    """
    width, height = size
    short, long = min(size), max(size)
    other = max(1, side * long // short)
    return Size(side, other) if width <= height else Size(other, side)


def long_side_size(size: tuple[int, int], side: int) -> Size:
    """Return the size with its long side at `side` and its shape kept; the short side is rounded."""
    width, height = size
    short, long = min(size), max(size)
    other = max(1, round(side * short / long))
    return Size(other, side) if width < height else Size(side, other)


def crop_start(length: int, kept: int, rounding: CropRounding = "floor") -> int:
    """Return where a centered crop begins; negative where it is longer than the image.

    An odd margin has no middle: transformers' Pillow processors round it down ("floor"), torchvision to the
    even neighbor.
    """
    return (length - kept) // 2 if rounding == "floor" else round((length - kept) / 2)


def center_crop(image: Image, size: tuple[int, int], rounding: CropRounding = "floor") -> Image:
    """Return the middle of the image; what lies outside of it is black.

    Args:
        image: any size.
        size: width and height of the result.
        rounding: see `crop_start`.
    """
    width, height = size
    left = crop_start(image.width, width, rounding)
    top = crop_start(image.height, height, rounding)
    return image.crop((left, top, left + width, top + height))


def resize_and_crop(
    image: Image,
    resized: tuple[int, int],
    cropped: tuple[int, int],
    filter_: Resampling,
    rounding: CropRounding = "floor",
) -> Image:
    """Return ``center_crop(image.resize(resized), cropped)``, to the bit, in less time.

    Pillow resizes in two passes, rows first, with 8-bit pixels between them. Columns that the crop throws away
    are dropped between the passes. (One pass with its `box` argument would be faster still, but it computes the
    filter from the rounded corners of the box, and up to a quarter of the pixels come out one level off.)

    Args:
        image: mode RGB or L.
        resized: width and height before the crop.
        cropped: width and height of the result.
        filter_: Pillow's filter.
        rounding: see `crop_start`.
    """
    width, _ = cropped
    left = crop_start(resized[0], width, rounding)
    if left <= 0 or image.height == resized[1] or image.width == resized[0]:
        return center_crop(image.resize(resized, filter_), cropped, rounding)
    rows = image.resize((resized[0], image.height), filter_)
    columns = rows.crop((left, 0, left + width, image.height))
    return center_crop(columns.resize((width, resized[1]), filter_), cropped, rounding)


def pad_to(image: Image, size: tuple[int, int], fill: tuple[int, int, int] = WHITE) -> Image:
    """Return the image in the middle of a canvas of `size`, which it must fit in; RGB."""
    from PIL import Image as pillow

    canvas = pillow.new("RGB", size, fill)
    canvas.paste(image, ((size[0] - image.width) // 2, (size[1] - image.height) // 2))
    return canvas


def normalized_chw(image: Image, factors: NDArray[np.float32], offsets: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``pixels * factors + offsets`` as ``(3, height, width)`` float32.

    With ``factors = 1 / (255 * std)`` and ``offsets = -mean / std`` this is the usual normalization, within
    5e-7 of computing it step by step, in one pass less.

    Args:
        image: mode RGB.
        factors: ``(3,)`` float32.
        offsets: ``(3,)`` float32.
    """
    pixels = np.asarray(image).transpose(2, 0, 1).astype(np.float32, order="C")
    pixels *= factors[:, None, None]
    pixels += offsets[:, None, None]
    return pixels


def thumbnail_jpeg(image: Image, side: int, quality: int = 85) -> bytes:
    """Return the image as a JPEG of at most `side` pixels on its long side; small images are not enlarged.

    Raises:
        InputError: `side` is not positive.
    """
    if side < 1:
        raise InputError(f"A thumbnail has a side of at least 1 pixel, not {side}.")
    from PIL.Image import Resampling

    if max(image.size) > side:
        # Averaging whole blocks first is not to the bit what the filter gives alone, but no eye tells it.
        image = image.resize(long_side_size(image.size, side), Resampling.BICUBIC, reducing_gap=3.0)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return stream.getvalue()
