"""Modes, rules and formats of resizing; geometry as the tool that set it has it."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from goldpan.core.errors import ImageError, Reason
from goldpan.imaging.opening import open_image
from goldpan.imaging.resizing import Resize, resized

SIZES = [(123, 456), (208, 495), (321, 421), (389, 535), (416, 264), (456, 123), (524, 316)]


def photo(width: int = 320, height: int = 240) -> Image.Image:
    y, x = np.mgrid[:height, :width]
    channels = [x * 255 // width, y * 255 // height, (x + 2 * y) * 255 // (width + 2 * height)]
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))


def encoded(image: Image.Image, name: str = "JPEG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, name, **options)
    return stream.getvalue()


def sides(**options: object) -> list[tuple[int, int]]:
    """Return the sizes that the seven images get; each is what the bytes really hold."""
    found = []
    for size in SIZES:
        made = resized(encoded(photo(*size)), Resize(**options))
        assert (made.original_width, made.original_height) == size
        assert Image.open(io.BytesIO(made.data)).size == (made.width, made.height)
        found.append((made.width, made.height))
    return found


def test_geometry_is_that_of_img2dataset() -> None:
    short = [(256, 949), (256, 609), (256, 336), (256, 352), (403, 256), (949, 256), (425, 256)]
    long = [(69, 256), (108, 256), (195, 256), (186, 256), (256, 162), (256, 69), (256, 154)]
    assert sides(resize_mode="keep_ratio") == short
    assert sides(resize_mode="keep_ratio_largest") == long
    for mode in ("border", "center_crop", "fixed"):
        assert sides(resize_mode=mode) == [(256, 256)] * 7
    assert sides(resize_mode="no") == SIZES


def test_only_if_bigger_leaves_small_images_alone() -> None:
    cropped = sides(resize_mode="center_crop", resize_only_if_bigger=True)
    assert cropped == [SIZES[0], SIZES[1], (256, 256), (256, 256), (256, 256), SIZES[5], (256, 256)]
    assert sides(image_size=500, resize_mode="keep_ratio_largest", resize_only_if_bigger=True)[:2] == SIZES[:2]


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({"min_image_size": 241}, Reason.IMAGE_TOO_SMALL),
        ({"max_image_area": 320 * 240 - 1}, Reason.FILTERED),
        ({"max_aspect_ratio": 1.33}, Reason.FILTERED),
        ({"max_pixels": 320 * 240 - 1}, Reason.TOO_MANY_PIXELS),
    ],
)
def test_rules_leave_images_out(rule: dict[str, float], reason: Reason) -> None:
    with pytest.raises(ImageError) as caught:
        resized(encoded(photo()), Resize(**rule))
    assert caught.value.reason is reason
    allowed = {
        name: value + (0.01 if isinstance(value, float) else -1 if "min" in name else 1) for name, value in rule.items()
    }
    assert resized(encoded(photo()), Resize(**allowed)).width == 256


@pytest.mark.parametrize(("name", "pillow"), [("jpg", "JPEG"), ("png", "PNG"), ("webp", "WEBP")])
def test_formats_and_their_quality(name: str, pillow: str) -> None:
    data = encoded(photo(), "PNG")
    made = resized(data, Resize(encode_format=name, resize_mode="keep_ratio"))
    assert made.format == name
    assert Image.open(io.BytesIO(made.data)).format == pillow
    expected = np.asarray(photo().resize((341, 256)), float)
    assert np.abs(np.asarray(open_image(made.data).image) - expected).mean() < 2
    low = resized(data, Resize(encode_format=name, resize_mode="keep_ratio", encode_quality=1))
    assert len(low.data) < len(made.data) or name == "png"


def test_a_quality_that_the_format_has_not() -> None:
    with pytest.raises(ValidationError, match="png goes from 0 to 9"):
        Resize(encode_format="png", encode_quality=95)
    with pytest.raises(ValidationError, match="jpg goes from 1 to 100"):
        Resize(encode_quality=0)


def test_bytes_are_kept_where_nothing_is_to_be_done() -> None:
    jpeg, png = encoded(photo(200, 100)), encoded(photo(200, 100), "PNG")
    options = Resize(resize_only_if_bigger=True, skip_reencode=True)
    kept = resized(jpeg, options)
    assert (kept.data, kept.changed, kept.width, kept.format) == (jpeg, False, 200, "jpg")
    assert resized(png, options).format == "jpg"
    assert resized(encoded(photo()), options).changed
    raw = resized(png, Resize(disable_all_reencoding=True))
    assert (raw.data, raw.format, raw.changed) == (png, "png", False)
