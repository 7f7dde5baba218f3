"""Images at another size, by loops of our own: averages of areas, and filters.

`shrink` is what OpenCV calls INTER_AREA, within one level of it: every pixel is the mean of the part of the image that
it covers. In whole numbers: rows first, with weights that sum up to 256, into 16 bits; then columns, with weights that
sum up to 65535, of which 8 bits and a rounded half are kept.

`resample` weighs what is around a pixel by a filter, which is widened where an image gets smaller, as Pillow does; but
in float32 from one side to the other, where Pillow rounds and cuts off in between, so that edges ring as they should.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from PIL.Image import Image

Filter = Literal["linear", "cubic", "lanczos"]
FILTERS: tuple[Filter, ...] = get_args(Filter)


def shrink(image: Image, size: tuple[int, int]) -> Image:
    """Return the image at another size, no side of which is longer than it was.

    Args:
        image: mode RGB.
        size: width and height of the result, pixels.
    """
    from PIL.Image import fromarrow

    from goldpan._kernels import _pixels

    return fromarrow(_pixels.shrink(_pixels_of(image), image.size, size), "RGB", size)


def resample(image: Image, size: tuple[int, int], filter_: Filter) -> Image:
    """Return the image at another size.

    Args:
        image: mode RGB.
        size: width and height of the result, pixels.
        filter_: linear, cubic (Keys 1981, a = -1/2) or lanczos (of three lobes).
    """
    from PIL.Image import fromarrow

    from goldpan._kernels import _pixels

    return fromarrow(_pixels.resample(_pixels_of(image), image.size, size, filter_), "RGB", size)


def _pixels_of(image: Image) -> object:
    """Return the pixels of an RGB image as Pillow keeps them: not copied, if they can be."""
    try:
        return image.__arrow_c_array__()[1]
    except ValueError:  # an image of more than 16 MiB lies in several blocks
        return image.tobytes("raw", "RGBX")
