"""Resizing, cropping and normalizing, against the plain way of doing each."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from goldpan.core.errors import InputError, UnknownName
from goldpan.imaging.transforms import (
    RESAMPLING,
    center_crop,
    crop_start,
    long_side_size,
    normalized_chw,
    pad_to,
    resampling,
    resize_and_crop,
    short_side_size,
    thumbnail_jpeg,
)


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


def test_filters_have_the_names_of_pillow() -> None:
    assert [resampling(name).name.lower() for name in RESAMPLING] == list(RESAMPLING)
    with pytest.raises(UnknownName, match="Did you mean 'bicubic'"):
        resampling("bicubik")


@pytest.mark.parametrize(
    ("size", "expected"),
    [((500, 375), (341, 256)), ((375, 500), (256, 341)), ((10, 10), (256, 256)), ((1, 1000), (256, 256_000))],
)
def test_short_side(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert short_side_size(size, 256) == expected


@pytest.mark.parametrize(
    ("size", "expected"), [((500, 375), (64, 48)), ((375, 500), (48, 64)), ((1, 9000), (1, 64)), ((5, 5), (64, 64))]
)
def test_long_side(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert long_side_size(size, 64) == expected


def test_odd_margins_go_by_the_rule_asked_for() -> None:
    assert [crop_start(length, 224, "floor") for length in (225, 227, 228)] == [0, 1, 2]
    assert [crop_start(length, 224, "even") for length in (225, 227, 228)] == [0, 2, 2]


@pytest.mark.parametrize("name", ["bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("size", [(500, 375), (375, 500), (384, 288), (60, 80), (256, 300), (900, 256), (224, 224)])
def test_dropping_columns_between_the_passes_changes_no_bit(name: str, size: tuple[int, int]) -> None:
    image, filter_ = noise(*size), resampling(name)
    for rounding in ("floor", "even"):
        resized = short_side_size(size, 256)
        plain = center_crop(image.resize(resized, filter_), (224, 224), rounding)
        fast = resize_and_crop(image, resized, (224, 224), filter_, rounding)
        assert np.array_equal(np.asarray(plain), np.asarray(fast))


def test_padding_puts_the_image_in_the_middle() -> None:
    padded = np.asarray(pad_to(Image.new("RGB", (2, 4), (9, 9, 9)), (4, 4)))
    assert padded[0, :, 0].tolist() == [255, 9, 9, 255]


def test_normalizing_in_one_step_is_as_exact_as_in_three() -> None:
    image = noise(50, 40)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    plain = ((np.asarray(image, np.float64) / 255 - mean) / std).transpose(2, 0, 1)
    folded = normalized_chw(image, (1 / (255 * std)).astype(np.float32), (-mean / std).astype(np.float32))
    assert (folded.shape, folded.dtype) == ((3, 40, 50), np.float32)
    assert folded.flags.c_contiguous
    assert np.abs(folded - plain).max() < 1e-6


def test_thumbnails_fit_their_side_and_do_not_grow() -> None:
    for size, expected in (((400, 300), (100, 75)), ((30, 20), (30, 20))):
        thumbnail = Image.open(io.BytesIO(thumbnail_jpeg(noise(*size), 100)))
        assert (thumbnail.format, thumbnail.size) == ("JPEG", expected)
    with pytest.raises(InputError, match="at least 1 pixel"):
        thumbnail_jpeg(noise(4, 4), 0)
