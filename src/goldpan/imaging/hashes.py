"""Perceptual hashes: one bit a cell of a shrunken gray image, packed eight to a byte, most significant first.

The rules are those of the imagehash family (Krawetz, "Looks Like It" and "Kind of Like That"; Zauner 2010 for
the DCT): gray is ITU-R 601, shrinking is Lanczos, bits go row by row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

MIN_SIDE, MAX_SIDE = 2, 64

Bits = NDArray[np.uint8]


def ahash(image: Image, side: int = 8) -> Bits:
    """Return the average hash: is a pixel brighter than the mean? ``(side**2 / 8,)`` uint8, packed."""
    gray = _shrunk(image, side, side)
    return np.packbits(gray > gray.mean())


def dhash(image: Image, side: int = 8) -> Bits:
    """Return the difference hash: is a pixel brighter than its left neighbor? ``(side**2 / 8,)`` uint8."""
    gray = _shrunk(image, side + 1, side)
    return np.packbits(gray[:, 1:] > gray[:, :-1])


def phash(image: Image, side: int = 8) -> Bits:
    """Return the DCT hash: is a low frequency above the median of them? ``(side**2 / 8,)`` uint8.

    The frequencies are the first ``side x side`` of the DCT-II of ``4 side x 4 side`` pixels; the constant one
    takes part in the median and has a bit.
    """
    from scipy.fft import dct

    gray = _shrunk(image, 4 * side, 4 * side).astype(np.float64)
    low = dct(dct(gray, axis=0), axis=1)[:side, :side]
    return np.packbits(low > np.median(low))


def whash(image: Image, side: int = 8) -> Bits:
    """Return the Haar wavelet hash: is a coarse cell above the median of them? ``(side**2 / 8,)`` uint8.

    The Haar approximation at that level is the sum of each block of pixels, up to a factor; taking the coarsest
    approximation away first, as imagehash does, moves all cells alike and changes no bit. Whole numbers are
    summed, so that cells equal to the median are always 0; with floating-point wavelets that is left to rounding.

    Raises:
        InputError: `side` is not a power of 2.
    """
    check_side("whash", side)
    scale = max(side, 1 << (min(image.size).bit_length() - 1))
    block = scale // side
    gray = _shrunk(image, scale, scale).astype(np.int64)
    cells = gray.reshape(side, block, side, block).sum(axis=(1, 3))
    return np.packbits(cells > np.median(cells))


HASHES: dict[str, Callable[[Image, int], Bits]] = {
    "ahash": ahash, "dhash": dhash, "phash": phash, "whash": whash,
}  # fmt: skip


def check_side(name: str, side: int) -> None:
    """Make sure a hash can have that side.

    Raises:
        InputError: it cannot; the message says what can be.
    """
    if not MIN_SIDE <= side <= MAX_SIDE:
        raise InputError(f"{name}:{side} is no hash; its side goes from {MIN_SIDE} to {MAX_SIDE}, such as {name}:8.")
    if name == "whash" and side & (side - 1):
        raise InputError(f"whash:{side} is no hash; its side is a power of 2, such as whash:8.")


def _shrunk(image: Image, width: int, height: int) -> NDArray[Any]:
    from PIL.Image import Resampling

    return np.asarray(image.convert("L").resize((width, height), Resampling.LANCZOS))
