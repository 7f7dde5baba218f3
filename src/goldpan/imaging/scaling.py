"""Images at another size, by loops of our own: averages of areas, and filters.

`shrink` is what OpenCV calls INTER_AREA, within one level of it: every pixel is the mean of the part of the image that
it covers. In whole numbers: rows first, with weights that sum up to 256, into 16 bits; then columns, with weights that
sum up to 65535, of which 8 bits and a rounded half are kept.

`resample` weighs what is around a pixel by a filter, which is widened where an image gets smaller, as Pillow does; but
in float32 from one side to the other, where Pillow rounds and cuts off in between, so that edges ring as they should.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

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
    from goldpan._kernels import _pixels

    smaller = np.empty((size[1], size[0], 4), np.uint8)
    _pixels.shrink(_pixels_of(image), smaller)
    return _image_of(smaller)


def resample(image: Image, size: tuple[int, int], filter_: Filter) -> Image:
    """Return the image at another size.

    Args:
        image: mode RGB.
        size: width and height of the result, pixels.
        filter_: linear, cubic (Keys 1981, a = -1/2) or lanczos (of three lobes).
    """
    from goldpan._kernels import _pixels

    other = np.empty((size[1], size[0], 4), np.uint8)
    _pixels.resample(_pixels_of(image), other, filter_)
    return _image_of(other)


def _pixels_of(image: Image) -> NDArray[np.uint8]:
    """Return the pixels of an RGB image as Pillow keeps them, ``(height, width, 4)``: not copied, if they can be."""
    import pyarrow as pa

    pixels: NDArray[np.uint8]
    try:
        pixels = pa.array(image).values.to_numpy()  # the Arrow interface of Pillow
    except ValueError:  # an image of more than 16 MiB lies in several blocks
        pixels = np.frombuffer(image.tobytes("raw", "RGBX"), np.uint8)
    return pixels.reshape(image.height, image.width, 4)


def _image_of(pixels: NDArray[np.uint8]) -> Image:
    """Return an RGB image whose pixels are these, ``(height, width, 4)``; they are not copied."""
    import pyarrow as pa
    from PIL import Image as pillow

    values = pa.UInt8Array.from_buffers(pa.uint8(), pixels.size, [None, pa.py_buffer(pixels)])
    height, width, channels = pixels.shape
    return pillow.fromarrow(pa.FixedSizeListArray.from_arrays(values, channels), "RGB", (width, height))
