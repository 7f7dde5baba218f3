"""Color profiles (ICC.1) to sRGB, by Little CMS with perceptual intent."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageCms import ImageCmsTransform

MAX_PROFILE_BYTES = 1 << 22  # those of printing presses have two million
_SPACES = {"RGB": "RGB", "RGBA": "RGB", "L": "GRAY", "CMYK": "CMYK"}
_NOT_SEEN = 2  # levels of 255


def transform_of(image: Image) -> ImageCmsTransform | None:
    """Return what turns the pixels of an image into sRGB, of mode RGB or RGBA.

    None where there is no profile, where it is broken, too long or that of another kind of image, and where it is
    sRGB itself: where it moves no color by more than two levels.
    """
    profile = image.info.get("icc_profile")
    if not isinstance(profile, bytes) or len(profile) > MAX_PROFILE_BYTES or image.mode not in _SPACES:
        return None
    return _transform(profile, image.mode)


@lru_cache(maxsize=16)  # few cameras and programs make most images
def _transform(profile: bytes, mode: str) -> ImageCmsTransform | None:
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space.strip() != _SPACES[mode]:
            return None
        target = ImageCms.createProfile("sRGB")
        made = ImageCms.buildTransform(source, target, mode, "RGBA" if mode == "RGBA" else "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    return None if mode in ("RGB", "RGBA") and _changes_nothing(made, mode) else made


def _changes_nothing(transform: ImageCmsTransform, mode: str) -> bool:
    """Try the colors of a grid."""
    from PIL import Image

    steps = np.linspace(0, 255, 9).astype(np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(27, 27, 3)
    colors = Image.fromarray(grid).convert(mode)
    moved = np.abs(np.asarray(transform.apply(colors)).astype(int) - np.asarray(colors))
    return int(moved.max()) <= _NOT_SEEN
