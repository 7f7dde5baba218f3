"""Every pixel mode to 8-bit sRGB: deeper pixels are scaled, not clipped; what is transparent becomes white."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from goldpan.imaging.profiles import transform_of

if TYPE_CHECKING:
    from PIL.Image import Image


def to_rgb(image: Image) -> Image:
    """Return the image in mode RGB; the same object where it is RGB already and has no transparency.

    Rules: gray of 16 bits, 32 bits or floats is scaled as `gray_to_bytes` says; alpha, transparent palette
    entries and transparent colors are composited on white; a color profile is applied, for which see
    `profiles.transform_of`; CMYK without one is converted as Pillow does (Adobe's inverted JPEGs are turned when
    they are decoded).
    """
    if image.mode.startswith(("I", "F")):
        return _deep_gray(image)
    if image.mode != "RGBA" and image.has_transparency_data:
        image = image.convert("RGBA")
    elif image.mode == "P":
        image = image.convert("RGB")
    transform = transform_of(image)
    if transform is not None:
        image = transform.apply(image)
    if image.mode == "RGBA":
        return _on_white(image)
    return image if image.mode == "RGB" else image.convert("RGB")


def is_plain(image: Image) -> bool:
    """Tell whether the image is what `to_rgb` makes of it: opaque sRGB, or gray, of 8 bits."""
    return image.mode in ("L", "RGB") and not image.has_transparency_data and transform_of(image) is None


def gray_to_bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Scale gray of any depth to 0..255, of the same shape.

    uint16 is divided by 257. Of wider integers and floats the file does not say where white is, so the
    smallest of these ranges that holds every finite value is taken: 0..1 (floats), 0..255 (floats), 0..65535
    (integers), else from the least value to the greatest. NaN becomes black, infinities the end on their side.
    """
    if values.dtype == np.uint16:
        return ((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    wide = values.astype(np.float64)
    finite = wide[np.isfinite(wide)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    for white in (1.0, 255.0) if values.dtype.kind == "f" else (65535.0,):
        if low >= 0 and high <= white:
            low, high = 0.0, white
            break
    span = high - low if high > low else 1.0
    bounded = np.clip(np.nan_to_num(wide, nan=low, posinf=high, neginf=low), low, high)
    return np.rint((bounded - low) * (255 / span)).astype(np.uint8)


def _deep_gray(image: Image) -> Image:
    from PIL import Image as pillow

    values = np.asarray(image)
    if image.mode.startswith("I;16"):
        values = values.astype(np.uint16)
    gray = gray_to_bytes(values)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        gray[values == transparent] = 255
    return pillow.fromarray(gray).convert("RGB")


def _on_white(rgba: Image) -> Image:
    from PIL import Image as pillow

    white = pillow.new("RGB", rgba.size, (255, 255, 255))
    white.paste(rgba, mask=rgba.getchannel("A"))
    return white
