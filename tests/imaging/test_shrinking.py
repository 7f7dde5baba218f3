"""Areas averaged: the compiled loops against whole numbers in NumPy, and against the averages themselves."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from goldpan._kernels import _pixels
from goldpan.imaging.shrinking import shrink

SIZES = [((1, 1), (1, 1)), ((7, 5), (3, 5)), ((5, 7), (5, 2)), ((64, 48), (32, 16)), ((500, 375), (341, 256))]
SIZES += [((300, 2), (1, 1)), ((97, 131), (96, 130)), ((2000, 3), (7, 2))]


def noise(width: int, height: int) -> np.ndarray:
    return np.random.default_rng(width * height).integers(0, 256, (height, width, 3), np.uint8)


def weights(from_: int, to: int, unit: int) -> np.ndarray:
    """Return ``(to, from_)`` whole numbers whose rows sum up to `unit`."""
    edges = np.arange(from_ + 1) * to
    cells = np.arange(to)[:, None] * from_
    covered = np.clip(edges, cells, cells + from_) - cells
    return np.diff((2 * unit * covered + from_) // (2 * from_))


def twin(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    rows = weights(pixels.shape[0], height, 256) @ pixels.reshape(pixels.shape[0], -1).astype(np.int64)
    rows = rows.reshape(height, pixels.shape[1], -1)
    columns = weights(pixels.shape[1], width, 65535)
    return (
        (128 + sum((rows[:, None, x] * columns[None, :, x, None]) >> 16 for x in range(rows.shape[1]))) >> 8
    ).astype(np.uint8)


def averages(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    return np.einsum(
        "yj,jic,xi->yxc",
        weights(pixels.shape[0], height, 1 << 40) / 2**40,
        pixels.astype(float),
        weights(pixels.shape[1], width, 1 << 40) / 2**40,
        optimize=True,
    )


@pytest.mark.parametrize(("from_", "to"), SIZES)
def test_every_pixel_is_the_average_of_its_area(from_: tuple[int, int], to: tuple[int, int]) -> None:
    pixels = noise(*from_)
    made = shrink(Image.fromarray(pixels), to)
    assert (made.mode, made.size) == ("RGB", to)
    assert np.array_equal(np.asarray(made), twin(pixels, *to))
    assert np.abs(np.asarray(made) - averages(pixels, *to)).max() < 1.1


def test_nothing_changes_where_the_size_does_not() -> None:
    image = Image.fromarray(noise(33, 21))
    assert np.array_equal(np.asarray(shrink(image, (33, 21))), np.asarray(image))


def test_one_color_stays_that_color() -> None:
    for level in range(256):
        made = shrink(Image.new("RGB", (101, 67), (level, 255 - level, 7)), (13, 11))
        assert (np.asarray(made) == (level, 255 - level, 7)).all()


@pytest.mark.parametrize("size", [(0, 1), (1, 0), (3, 1), (1, 3)])
def test_images_are_not_enlarged(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="smaller"):
        _pixels.shrink(np.zeros((2, 2, 4), np.uint8), np.zeros((size[1], size[0], 4), np.uint8))


def test_other_arrays_are_refused() -> None:
    fit = np.zeros((2, 2, 4), np.uint8)
    for wrong in (
        np.zeros((2, 2, 3), np.uint8),
        np.zeros((2, 2, 4), np.float32),
        np.zeros((4, 4, 4), np.uint8)[::2, ::2],
    ):
        with pytest.raises(TypeError):
            _pixels.shrink(fit, wrong)
