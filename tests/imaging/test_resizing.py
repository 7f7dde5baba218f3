"""Modes, rules and formats of resizing; geometry as the tool that set it has it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from goldpan.core.errors import ImageError, Reason
from goldpan.imaging.opening import open_image, read_header
from goldpan.imaging.resizing import Resize, resized, versions

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


def test_bytes_are_not_kept_where_they_do_not_hold_what_is_seen() -> None:
    options = Resize(resize_mode="no", skip_reencode=True, encode_format="png")
    turned = Image.Exif()
    turned[0x0112] = 6
    clear = photo(20, 10).convert("RGBA")
    clear.putalpha(9)
    for odd in (encoded(photo(20, 10), "PNG", exif=turned.tobytes()), encoded(clear, "PNG")):
        assert resized(odd, options).changed
    for plain in (encoded(photo(20, 10), "PNG"), encoded(photo(20, 10).convert("L"), "PNG")):
        assert resized(plain, options).data == plain


def test_images_are_turned_before_they_are_measured() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    made = resized(encoded(photo(), exif=exif.tobytes()), Resize(resize_mode="keep_ratio", image_size=120))
    assert (made.width, made.height, made.original_width, made.original_height) == (120, 160, 240, 320)
    assert Image.open(io.BytesIO(made.data)).getexif() == {}
    assert resized(encoded(photo(), exif=exif.tobytes()), Resize(disable_all_reencoding=True)).width == 240


def test_borders_and_what_is_transparent_are_white() -> None:
    clear = photo(100, 50).convert("RGBA")
    clear.putalpha(0)
    made = open_image(resized(encoded(clear, "PNG"), Resize(encode_format="png")).data).image
    assert (np.asarray(made) == 255).all()
    bordered = np.asarray(open_image(resized(encoded(photo(100, 50)), Resize(encode_format="png")).data).image)
    assert (bordered[:64] == 255).all()
    assert (bordered[192:] == 255).all()
    assert (bordered[64] != 255).any()


def test_fixed_sides_ignore_the_shape() -> None:
    made = resized(encoded(photo(300, 50)), Resize(resize_mode="fixed", image_size=100))
    assert (made.width, made.height) == (100, 100)
    expected = np.asarray(photo(100, 100), float)
    assert np.abs(np.asarray(open_image(made.data).image) - expected)[..., :2].mean() < 3


def test_animations_are_told() -> None:
    frames = [photo(40, 30), photo(40, 30).rotate(180)]
    for name in ("GIF", "WEBP", "PNG"):
        assert resized(encoded(frames[0], name, save_all=True, append_images=frames[1:]), Resize()).animated, name
        assert not resized(encoded(frames[0], name), Resize()).animated, name
    assert (
        resized(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]), Resize(resize_mode="no")).width
        == 40
    )


@pytest.mark.parametrize("progressive", [False, True])
def test_truncated_jpegs_are_taken_only_when_asked_for(progressive: bool) -> None:
    whole = encoded(photo(), progressive=progressive)
    cut = whole[: len(whole) // 2]
    with pytest.raises(ImageError) as caught:
        resized(cut, Resize())
    assert caught.value.reason is Reason.TRUNCATED
    options = Resize(accept_truncated=True, skip_reencode=True, resize_mode="no")
    made = resized(cut, options)
    assert (made.truncated, made.changed, made.width) == (True, True, 320)
    top = np.abs(np.asarray(open_image(made.data).image, float) - np.asarray(photo()))[:40].mean()
    assert top < (30 if progressive else 3)
    assert not resized(whole, options).truncated
    for hopeless in (cut[:100], encoded(photo(), "PNG")[:2000]):
        with pytest.raises(ImageError) as caught:
            resized(hopeless, options)
        assert caught.value.reason is Reason.TRUNCATED


@pytest.mark.parametrize(
    ("size", "options"),
    [
        ((2, 3000), {"resize_mode": "keep_ratio"}),  # 256 x 384,000
        ((70_000, 2), {"resize_mode": "no"}),
        ((20_000, 2), {"resize_mode": "no", "encode_format": "webp"}),
    ],
)
def test_lines_do_not_become_oceans(size: tuple[int, int], options: dict[str, str]) -> None:
    data = encoded(photo(*size), "PNG")
    with pytest.raises(ImageError) as caught:
        resized(data, Resize(**options))
    assert caught.value.reason is Reason.TOO_MANY_PIXELS
    assert resized(data, Resize(resize_mode="border")).width == 256


def test_exif_is_kept_on_request() -> None:
    exif = Image.Exif()
    exif[0x010F] = "Canon"
    data = encoded(photo(), exif=exif.tobytes())
    assert resized(data, Resize()).exif is None
    assert json.loads(resized(data, Resize(extract_exif=True)).exif) == {"Image Make": "Canon"}
    assert resized(encoded(photo()), Resize(extract_exif=True)).exif is None


def test_boxes_are_blurred_even_where_bytes_were_to_be_kept() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8))
    data = encoded(noise, "PNG")
    kept = {"skip_reencode": True, "resize_mode": "no", "encode_format": "png"}
    for options in (Resize(**kept), Resize(**kept, disable_all_reencoding=True), Resize(encode_format="png")):
        assert resized(data, options).changed is (options.resize_mode == "border")
        made = np.asarray(open_image(resized(data, options, [(0, 0, 1, 1)]).data).image)
        inside = made[made.shape[0] // 3 : -made.shape[0] // 3]
        assert inside.std() < 25 < np.asarray(noise).std()


def test_large_jpegs_are_decoded_smaller_and_look_the_same(shared: Path) -> None:
    data = max(sorted((shared / "data/imagenet1k").iterdir())[:100], key=lambda path: path.stat().st_size).read_bytes()
    with read_header(data) as header:
        assert header.decode((header.width // 4, header.height // 4)).width == -(-header.width // 4)
    with read_header(data) as header:
        assert header.decode((header.width // 4 + 1, header.height // 4 + 1)).width == -(-header.width // 2)
    options = Resize(resize_mode="keep_ratio", image_size=64, encode_format="png")
    small = np.asarray(open_image(resized(data, options).data).image, float)
    lossless = encoded(open_image(data).image, "PNG")
    expected = np.asarray(open_image(resized(lossless, options).data).image, float)
    assert 10 * np.log10(255**2 / np.mean((small - expected) ** 2)) > 35


def test_several_sizes_of_one_image() -> None:
    """The three of ImageNetV2: 256 x 256 whatever the shape, the long side at 500, and the size it came in."""
    quality = {"encode_quality": 90}
    wanted = [
        Resize(resize_mode="fixed", **quality),
        Resize(resize_mode="keep_ratio_largest", image_size=500, **quality),
        Resize(resize_mode="no", **quality),
    ]
    data = encoded(photo(), "PNG")
    made = versions(data, wanted)
    assert [(one.width, one.height) for one in made] == [(256, 256), (500, 375), (320, 240)]
    assert made == [resized(data, options) for options in wanted]


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of broken metadata
@pytest.mark.parametrize("name", ["JPEG", "PNG", "GIF", "WEBP", "TIFF"])
def test_flipped_bytes_give_an_image_or_an_image_error(name: str) -> None:
    rng = np.random.default_rng(11)
    frames = [photo(40, 30), photo(40, 30).rotate(180)]
    more = {} if name == "JPEG" else {"save_all": True, "append_images": frames[1:]}
    whole = np.frombuffer(encoded(frames[0], name, **more), np.uint8)
    options = Resize(image_size=16, accept_truncated=True, extract_exif=True, skip_reencode=True)
    for _ in range(100):
        hurt = whole.copy()
        hurt[rng.integers(0, min(len(hurt), 600), 3)] = rng.integers(0, 256, 3)
        try:
            made = resized(hurt.tobytes(), options)
        except ImageError:
            continue
        assert (made.width, made.height) == (16, 16)
