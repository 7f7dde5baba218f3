"""From an RGB image to the numbers of a model's input: resize, crop, normalize."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import InputError
from goldpan.encoders.options import Crop, EncoderOptions, Triple
from goldpan.imaging.transforms import (
    CropRounding,
    Size,
    center_crop,
    long_side_size,
    normalized_chw,
    pad_to,
    resampling,
    resize_and_crop,
    short_side_size,
)

if TYPE_CHECKING:
    from PIL.Image import Image

IMAGENET_MEAN: Triple = (0.485, 0.456, 0.406)
IMAGENET_STD: Triple = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How an image becomes the ``(3, size, size)`` float32 input of a model.

    Attributes:
        size: side of the input, pixels.
        resize: side that the image is resized to first: its short side ("center"), both ("squash"), or its
            long side ("pad").
        crop: "center" cuts the middle out, "squash" ignores the shape, "pad" adds borders of `fill`.
        resample: name of the filter.
        mean: of red, green, blue, subtracted after `scale`.
        std: of red, green, blue, divided by at the end.
        scale: factor for the 0..255 of a pixel.
        rounding: which way an odd crop margin goes; see `imaging.transforms.crop_start`.
        fill: color of the borders, 0..255.
    """

    size: int
    resize: int
    crop: Crop = "center"
    resample: str = "bicubic"
    mean: Triple = IMAGENET_MEAN
    std: Triple = IMAGENET_STD
    scale: float = 1 / 255
    rounding: CropRounding = "floor"
    fill: tuple[int, int, int] = (255, 255, 255)

    def as_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    def overridden(self, options: EncoderOptions) -> Preprocessing:
        """Return these rules with the options that are set in their place.

        A new `image_size` alone keeps the share of the image that the crop keeps.
        """
        size = options.image_size or self.size
        return replace(
            self,
            size=size,
            resize=options.resize or round(self.resize * size / self.size),
            crop=options.crop or self.crop,
            resample=options.resample or self.resample,
            mean=options.mean or self.mean,
            std=options.std or self.std,
        )


class Preparer:
    """Applies a `Preprocessing`; any number of threads may call it.

    Raises:
        InputError: a crop larger than the resized image, an unknown filter, or a standard deviation of 0.
    """

    def __init__(self, rules: Preprocessing, spec: str) -> None:
        if rules.resize < rules.size and rules.crop != "pad":
            raise InputError(
                f"{spec}: images resized to {rules.resize} pixels are too small for a crop of {rules.size}; "
                f"give --resize {rules.size} or more."
            )
        if min(rules.std) <= 0:
            raise InputError(f"{spec}: each std must be above 0, not {rules.std}.")
        std = np.asarray(rules.std, np.float64)
        self._rules = rules
        self._filter = resampling(rules.resample)
        self._factors = (rules.scale / std).astype(np.float32)
        self._offsets = (-np.asarray(rules.mean, np.float64) / std).astype(np.float32)

    def __call__(self, image: Image) -> NDArray[np.float32]:
        """Return ``(3, size, size)`` float32 of an RGB image."""
        return normalized_chw(self._framed(image), self._factors, self._offsets)

    def _framed(self, image: Image) -> Image:
        rules = self._rules
        square = (rules.size, rules.size)
        if rules.crop == "pad":
            fitted = image.resize(long_side_size(image.size, rules.resize), self._filter)
            side = max(rules.resize, rules.size)
            return center_crop(pad_to(fitted, (side, side), rules.fill), square, rules.rounding)
        if rules.crop == "squash":
            resized = Size(rules.resize, rules.resize)
        else:
            resized = short_side_size(image.size, rules.resize)
        return resize_and_crop(image, resized, square, self._filter, rules.rounding)


def from_transformers(config: Mapping[str, Any], size: int | None = None) -> Preprocessing:
    """Read a ``preprocessor_config.json`` of transformers.

    Args:
        config: the JSON.
        size: side of the model's input, where the file does not say it.

    Raises:
        InputError: neither the file nor `size` says how large the input is, or it is not square.
    """
    crops = bool(config.get("do_center_crop"))
    sides = config.get("size")
    short, both = _short_edge(sides, crops), _side(sides)
    final = (_side(config.get("crop_size")) if crops else None) or both or size or short
    if final is None:
        raise InputError("preprocessor_config.json does not say how large the input is; give --image-size.")
    resize = max(final, short or both or final)
    crop: Crop = "center" if short is not None else "squash"
    if share := config.get("crop_pct"):  # ConvNeXT: enlarge and crop small inputs, squash large ones
        resize, crop = (int(final / share), "center") if final < 384 else (final, "squash")
    normalizes = config.get("do_normalize", True)
    return Preprocessing(
        size=final,
        resize=resize,
        crop=crop,
        resample=_filter_name(config.get("resample")),
        mean=_triple(config.get("image_mean"), IMAGENET_MEAN) if normalizes else (0.0, 0.0, 0.0),
        std=_triple(config.get("image_std"), IMAGENET_STD) if normalizes else (1.0, 1.0, 1.0),
        scale=float(config.get("rescale_factor") or 1 / 255) if config.get("do_rescale", True) else 1.0,
    )


def _short_edge(sides: Any, crops: bool) -> int | None:
    """Return the side to resize the short edge to; None where both edges are given."""
    if isinstance(sides, Mapping):
        short = sides.get("shortest_edge")
        return None if short is None else int(short)
    # A bare number is how old files say it: a short edge where a crop follows, else both edges.
    return int(sides) if sides and crops else None


def _side(value: Any) -> int | None:
    """Return the side of a square given as a number or as {"height": ..., "width": ...}."""
    if not isinstance(value, Mapping):
        return None if value is None else int(value)
    height, width = value.get("height"), value.get("width")
    if height != width:
        raise not_square(height, width)
    return None if height is None else int(height)


def not_square(height: Any, width: Any) -> InputError:
    """Return the error of a model whose input is no square."""
    return InputError(f"The model takes {height} x {width} pixels; only square inputs are supported.")


def _triple(value: Any, default: Triple) -> Triple:
    if value is None:
        return default
    red, green, blue = (value,) * 3 if isinstance(value, int | float) else value
    return float(red), float(green), float(blue)


def _filter_name(value: int | str | None) -> str:
    """Return the name of a filter, which most files give as Pillow's number; the default is CLIP's."""
    from PIL.Image import Resampling

    if isinstance(value, int):
        return Resampling(value).name.lower()
    return (value or "bicubic").lower()
