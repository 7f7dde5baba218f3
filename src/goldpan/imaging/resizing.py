"""Images as bytes to images as bytes of the size and format that a data set wants: the modes of img2dataset."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from goldpan.core.config import Config
from goldpan.core.errors import ImageError, Reason
from goldpan.imaging.blurring import Box, blurred
from goldpan.imaging.exif import exif_json
from goldpan.imaging.headers import Header, OpenedImage
from goldpan.imaging.opening import read_header
from goldpan.imaging.scaling import FILTERS, resample, shrink
from goldpan.imaging.transforms import Size, center_crop, pad_to

if TYPE_CHECKING:
    from PIL.Image import Image

Mode = Literal["no", "fixed", "border", "keep_ratio", "keep_ratio_largest", "center_crop"]
Interpolation = Literal["nearest", "linear", "cubic", "area", "lanczos"]

_BY_SHORT_SIDE = ("keep_ratio", "center_crop")
_FORMATS = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}
_NAMES = {pillow: name for name, pillow in _FORMATS.items()}
_QUALITY = {"jpg": 95, "png": 6, "webp": 95}
_LONGEST = {"jpg": 65_500, "png": 2**31 - 1, "webp": 16_383}  # side that the format, or its library, can have
_SPARE = 2  # of a JPEG that is decoded smaller, this many times what is wanted is left: no eye tells it from all
_PILLOWS = {"nearest": "NEAREST", "area": "HAMMING"}  # what comes nearest to an average of areas where one enlarges


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
    accept_truncated: bool = Field(False, description="Take JPEGs that end early too, marked; the rest is gray.")
    extract_exif: bool = Field(False, description="Keep what the camera says (EXIF) as JSON.")
    private_exif: bool = Field(False, description="With extract_exif: the place, owner and serial numbers too.")
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
        exif: of the image that came, as JSON; None unless asked for, and where it has none.
        animated: the image that came has more frames, or pages, than the first one.
        truncated: the image that came ends early; what is missing is gray.
    """

    data: bytes
    width: int
    height: int
    original_width: int
    original_height: int
    format: str
    changed: bool
    exif: str | None
    animated: bool
    truncated: bool


def resized(data: bytes, options: Resize, boxes: Sequence[Box] = ()) -> Resized:
    """Return an image in the size and format that `options` want.

    Args:
        data: the bytes of an image file.
        options: what is wanted.
        boxes: to blur, each ``(left, top, right, bottom)`` as fractions of the sides of the image as it is seen; where
            there are some, bytes are never kept.

    Raises:
        ImageError: it cannot be decoded, `options` leave it out, or a box is none.
    """
    return versions(data, (options,), boxes)[0]


def versions(data: bytes, wanted: Sequence[Resize], boxes: Sequence[Box] = ()) -> list[Resized]:
    """Return an image in several sizes and formats, decoded once; see `resized`. What leaves it out is the first's."""
    first = wanted[0]
    with read_header(data, max_pixels=first.max_pixels) as header:
        _check_rules(Size(header.width, header.height), first)
        opened = None
        if boxes or not all(options.disable_all_reencoding for options in wanted):
            opened = header.decode(_enough(header, wanted), accept_truncated=first.accept_truncated)
        return [_version(data, header, opened, options, boxes) for options in wanted]


def _version(data: bytes, header: Header, opened: OpenedImage | None, options: Resize, boxes: Sequence[Box]) -> Resized:
    original = Size(header.width, header.height)
    kept = Resized(
        data,
        *original,
        *original,
        format=_NAMES.get(header.format, header.format.lower()),
        changed=False,
        exif=exif_json(header.exif, private=options.private_exif) if options.extract_exif else None,
        animated=header.is_animated,
        truncated=opened is not None and opened.truncated,
    )
    if opened is None or (options.disable_all_reencoding and not boxes):
        return kept
    image = fit(opened.image, original, options, boxes)
    if options.skip_reencode and image is opened.image and opened.as_stored and kept.format == options.encode_format:
        return kept
    return kept._replace(
        data=encoded(image, options), width=image.width, height=image.height, format=options.encode_format, changed=True
    )


def fit(image: Image, original: tuple[int, int], options: Resize, boxes: Sequence[Box] = ()) -> Image:
    """Return an image in the size that `options` want, blurred; the same object where it needs no change.

    Args:
        image: mode RGB; may be smaller than `original`, where more would be thrown away.
        original: width and height of the image that came.
        options: what is wanted.
        boxes: to blur, see `resized`.

    Raises:
        ImageError: it would be larger than `options` allow, or a box is none.
    """
    size, side = _size(original, options), options.image_size
    if size is None:
        return blurred(image, boxes)
    if size.width * size.height > options.max_pixels:  # a line of a few pixels, made as wide as a picture
        raise ImageError(Reason.TOO_MANY_PIXELS, f"It would become {size.width:,} x {size.height:,} pixels.")
    shrinks = _reference(original, options) > side
    image = _scaled(image, size, options.downscale_interpolation if shrinks else options.upscale_interpolation)
    image = blurred(image, boxes)
    if options.resize_mode == "center_crop":
        return center_crop(image, (side, side))
    return pad_to(image, (side, side)) if options.resize_mode == "border" else image


def encoded(image: Image, options: Resize) -> bytes:
    """Return an image as the bytes of a file; without metadata.

    Raises:
        ImageError: it is too long for the format.
    """
    if max(image.size) > _LONGEST[options.encode_format]:
        size = f"{image.width:,} x {image.height:,}"
        raise ImageError(Reason.TOO_MANY_PIXELS, f"It would have {size} pixels, too many in a row for its format.")
    quality = options.encode_quality
    if quality is None:
        quality = _QUALITY[options.encode_format]
    stream = io.BytesIO()
    how = {"compress_level": quality} if options.encode_format == "png" else {"quality": quality}
    image.save(stream, _FORMATS[options.encode_format], **how)
    return stream.getvalue()


def _reference(size: tuple[int, int], options: Resize) -> int:
    """Return the side that is to become the wanted one."""
    return min(size) if options.resize_mode in _BY_SHORT_SIDE else max(size)


def _size(original: tuple[int, int], options: Resize) -> Size | None:
    """Return the size to scale to, before anything is cut off or added; None for no scaling.

    The other side is rounded, a half to the even number.
    """
    side, reference = options.image_size, _reference(original, options)
    if options.resize_mode == "no" or (options.resize_only_if_bigger and reference <= side):
        return None
    if options.resize_mode == "fixed":
        return Size(side, side)
    width, height = (max(1, round(length * side / reference)) for length in original)
    return Size(width, height)


def _enough(header: Header, wanted: Sequence[Resize]) -> Size | None:
    """Return how large a JPEG must be decoded for all that is wanted; None for as large as it is."""
    sizes = [_size((header.width, header.height), options) for options in wanted]
    if None in sizes:
        return None
    return Size(*(_SPARE * max(side) for side in zip(*filter(None, sizes), strict=True)))


def _scaled(image: Image, size: Size, interpolation: Interpolation) -> Image:
    from PIL.Image import Resampling

    if interpolation == "area" and size.width <= image.width and size.height <= image.height:
        return shrink(image, size)
    if interpolation in FILTERS:
        return resample(image, size, interpolation)
    return image.resize(size, Resampling[_PILLOWS[interpolation]])


def _check_rules(size: Size, options: Resize) -> None:
    width, height = size
    shape = f"The image has {width:,} x {height:,} pixels"
    if min(width, height) < options.min_image_size:
        raise ImageError(Reason.IMAGE_TOO_SMALL, f"{shape}; its short side is to be at least {options.min_image_size}.")
    if options.max_image_area is not None and width * height > options.max_image_area:
        raise ImageError(Reason.FILTERED, f"{shape}; its area is to be at most {options.max_image_area:,}.")
    if options.max_aspect_ratio is not None and max(width, height) > options.max_aspect_ratio * min(width, height):
        raise ImageError(Reason.FILTERED, f"{shape}; its aspect ratio is to be at most {options.max_aspect_ratio:g}.")
