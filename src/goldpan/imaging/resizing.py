"""Images as bytes to images as bytes of the size and format that a data set wants: the modes of img2dataset."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from goldpan.core.config import Config
from goldpan.core.errors import ImageError, Reason
from goldpan.imaging.opening import ImageInfo, open_image, probe_image
from goldpan.imaging.transforms import Size, center_crop, pad_to

if TYPE_CHECKING:
    from PIL.Image import Image, Resampling

Mode = Literal["no", "fixed", "border", "keep_ratio", "keep_ratio_largest", "center_crop"]
Interpolation = Literal["nearest", "linear", "cubic", "area", "lanczos"]

_BY_SHORT_SIDE = ("keep_ratio", "center_crop")
_FORMATS = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}
_QUALITY = {"jpg": 95, "png": 6, "webp": 95}
# Pillow widens its filters where it shrinks, so each of these averages; Hamming is the nearest to an average of areas.
_FILTERS = {"nearest": "NEAREST", "linear": "BILINEAR", "cubic": "BICUBIC", "area": "HAMMING", "lanczos": "LANCZOS"}


class Resize(Config):
    """What becomes of an image; the words and defaults are those of img2dataset."""

    image_size: int = Field(256, description="Side to resize to, in pixels.", ge=1)
    resize_mode: Mode = Field(
        "border",
        description="keep_ratio: short side to the size; keep_ratio_largest: long side; center_crop: short side, then "
        "the middle; border: long side, then white up to a square; fixed: both sides; no: as it is.",
    )
    resize_only_if_bigger: bool = Field(False, description="Leave images alone that are not larger than the size.")
    upscale_interpolation: Interpolation = Field("lanczos", description="Filter that enlarges.")
    downscale_interpolation: Interpolation = Field("area", description="Filter that shrinks.")
    encode_format: Literal["jpg", "png", "webp"] = Field("jpg", description="Format of the images that are written.")
    encode_quality: int | None = Field(
        None, description="1 to 100 of jpg and webp (95 by default), effort 0 to 9 of png (6 by default).", ge=0, le=100
    )
    skip_reencode: bool = Field(False, description="Keep the bytes of images that are in the format and not resized.")
    disable_all_reencoding: bool = Field(False, description="Keep all bytes as they came; only headers are read.")
    min_image_size: int = Field(0, description="Leave out images with a side shorter than this, in pixels.", ge=0)
    max_image_area: int | None = Field(None, description="Leave out images with more pixels than this.", ge=1)
    max_aspect_ratio: float | None = Field(None, description="Leave out images longer than so many times wide.", ge=1)
    max_pixels: int = Field(1 << 26, description="Refuse images with more pixels than this, before decoding.", ge=1)

    @model_validator(mode="after")
    def _quality_of_the_format(self) -> Self:
        low, high = (0, 9) if self.encode_format == "png" else (1, 100)
        if self.encode_quality is not None and not low <= self.encode_quality <= high:
            raise ValueError(f"encode_quality of {self.encode_format} goes from {low} to {high}")
        return self


class Resized(NamedTuple):
    """An image as it is to be stored.

    Attributes:
        data: the bytes of the file.
        width: of the image in it, pixels.
        height: the same.
        original_width: of the image that came, pixels, as it is meant to be seen.
        original_height: the same.
        format: of `data`: "jpg", "png", "webp", or what came, such as "gif", where bytes are kept.
        changed: False where `data` is what came.
    """

    data: bytes
    width: int
    height: int
    original_width: int
    original_height: int
    format: str
    changed: bool


def resized(data: bytes, options: Resize) -> Resized:
    """Return an image of the size and format that `options` want.

    Raises:
        ImageError: it cannot be decoded, or `options` leave it out.
    """
    info = probe_image(data, max_pixels=options.max_pixels)
    _check_rules(info, options)
    original = Size(info.width, info.height)
    if options.disable_all_reencoding:
        return Resized(data, *original, *original, _name(info.format), False)
    image = open_image(data, max_pixels=options.max_pixels).image
    fitted = fit(image, options)
    if options.skip_reencode and fitted is image and info.format == _FORMATS[options.encode_format]:
        return Resized(data, *original, *original, options.encode_format, False)
    return Resized(encoded(fitted, options), *fitted.size, *original, options.encode_format, True)


def fit(image: Image, options: Resize) -> Image:
    """Return the image in the size that `options` want; the same object where it needs no change."""
    side, mode = options.image_size, options.resize_mode
    reference = min(image.size) if mode in _BY_SHORT_SIDE else max(image.size)
    if mode == "no" or (options.resize_only_if_bigger and reference <= side):
        return image
    size = (side, side) if mode == "fixed" else _scaled(image.size, side, reference)
    image = image.resize(size, _filter(options, shrinks=reference > side))
    if mode == "center_crop":
        return center_crop(image, (side, side))
    return pad_to(image, (side, side)) if mode == "border" else image


def encoded(image: Image, options: Resize) -> bytes:
    """Return an image as the bytes of a file; without metadata."""
    quality = options.encode_quality
    if quality is None:
        quality = _QUALITY[options.encode_format]
    stream = io.BytesIO()
    how = {"compress_level": quality} if options.encode_format == "png" else {"quality": quality}
    image.save(stream, _FORMATS[options.encode_format], **how)
    return stream.getvalue()


def _scaled(size: tuple[int, int], side: int, reference: int) -> Size:
    """Return the size with the side that is `reference` at `side`, the other rounded, a half to the even number."""
    width, height = (max(1, round(length * side / reference)) for length in size)
    return Size(width, height)


def _filter(options: Resize, *, shrinks: bool) -> Resampling:
    from PIL.Image import Resampling

    return Resampling[_FILTERS[options.downscale_interpolation if shrinks else options.upscale_interpolation]]


def _check_rules(info: ImageInfo, options: Resize) -> None:
    width, height = info.width, info.height
    shape = f"The image has {width:,} x {height:,} pixels"
    if min(width, height) < options.min_image_size:
        raise ImageError(Reason.IMAGE_TOO_SMALL, f"{shape}; its short side is to be at least {options.min_image_size}.")
    if options.max_image_area is not None and width * height > options.max_image_area:
        raise ImageError(Reason.FILTERED, f"{shape}; its area is to be at most {options.max_image_area:,}.")
    if options.max_aspect_ratio is not None and max(width, height) > options.max_aspect_ratio * min(width, height):
        raise ImageError(Reason.FILTERED, f"{shape}; its aspect ratio is to be at most {options.max_aspect_ratio:g}.")


def _name(format_: str) -> str:
    return "jpg" if format_ == "JPEG" else format_.lower()
