"""Averaged areas against whole numbers in NumPy and the averages themselves; filters against NumPy and Pillow."""

from __future__ import annotations

import gc

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from goldpan._kernels import _pixels
from goldpan.imaging.scaling import FILTERS, Filter, resample, shrink

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


KERNELS = {  # the filter, and how far it reaches
    "linear": (lambda x: np.maximum(0, 1 - x), 1),
    "cubic": (lambda x: np.where(x < 1, (1.5 * x - 2.5) * x**2 + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2), 2),
    "lanczos": (lambda x: np.sinc(x) * np.sinc(x / 3), 3),
}
PILLOWS = {"linear": "BILINEAR", "cubic": "BICUBIC", "lanczos": "LANCZOS"}


def filtered(pixels: np.ndarray, size: tuple[int, int], name: Filter) -> np.ndarray:
    """Return ``(height, width, 3)`` float64, not rounded."""
    kernel, reach = KERNELS[name]

    def of(from_: int, to: int) -> np.ndarray:
        scale = max(1, from_ / to)
        x = np.abs(np.arange(from_) + 0.5 - (np.arange(to)[:, None] + 0.5) * from_ / to) / scale
        found = np.where(x < reach, kernel(x), 0)
        return found / found.sum(1, keepdims=True)

    rows, columns = of(pixels.shape[0], size[1]), of(pixels.shape[1], size[0])
    return np.einsum("yj,jic,xi->yxc", rows, pixels.astype(float), columns, optimize=True)


@pytest.mark.parametrize("filter_", FILTERS)
@pytest.mark.parametrize(("from_", "to"), [*SIZES, *((to, from_) for from_, to in SIZES), ((50, 40), (70, 30))])
def test_every_pixel_is_what_the_filter_says(filter_: Filter, from_: tuple[int, int], to: tuple[int, int]) -> None:
    pixels = noise(*from_)
    made = resample(Image.fromarray(pixels), to, filter_)
    assert (made.mode, made.size) == ("RGB", to)
    assert np.abs(np.asarray(made) - filtered(pixels, to, filter_).clip(0, 255)).max() < 0.501


@pytest.mark.parametrize("filter_", FILTERS)
@pytest.mark.parametrize("to", [(300, 225), (60, 80), (101, 201)])
def test_filters_are_those_of_pillow(filter_: Filter, to: tuple[int, int]) -> None:
    smooth = Image.fromarray(noise(12, 9)).resize((120, 90), Image.Resampling.BILINEAR)  # nothing rings out of range
    expected = np.asarray(smooth.resize(to, Image.Resampling[PILLOWS[filter_]]), np.int16)
    assert np.abs(np.asarray(resample(smooth, to, filter_)) - expected).max() <= 2


def test_an_unknown_filter_is_refused() -> None:
    with pytest.raises(ValueError, match="linear, cubic or lanczos"):
        _pixels.resample(bytes(16), (2, 2), (2, 2), "gauss")


@pytest.mark.parametrize("size", [(1, 1), (341, 256), (2100, 2050)])
def test_pixels_go_to_pillow_and_back(size: tuple[int, int]) -> None:  # the last one lies in several blocks there
    image = Image.fromarray(noise(*size))
    again = shrink(image, size)
    del image
    assert (again.mode, again.size) == ("RGB", size)
    assert np.array_equal(np.asarray(again), noise(*size))
    again.putpixel((0, 0), (1, 2, 3))  # it is an image like any other
    assert again.getpixel((0, 0)) == (1, 2, 3)


def test_pixels_stay_as_long_as_somebody_has_them() -> None:
    made = _pixels.shrink(bytes(range(16)), (2, 2), (2, 2))
    arrays = [pa.array(made), pa.array(made)]
    values = arrays[0].values
    del made, arrays[0]
    assert values.to_pylist() == list(range(16))
    assert arrays[0].type.list_size == 4
    del values
    gc.collect()
    assert arrays[0].to_pylist()[-1] == [12, 13, 14, 15]


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
        _pixels.shrink(bytes(16), (2, 2), size)


def test_other_pixels_are_refused() -> None:
    gray = Image.new("L", (2, 2)).__arrow_c_array__()[1]
    sliced = pa.FixedSizeListArray.from_arrays(pa.array(range(20), pa.uint8()), 4)[1:].__arrow_c_array__()[1]
    taken = pa.array([[1, 2, 3, 4]], pa.list_(pa.uint8(), 4)).__arrow_c_array__()
    pa.Array._import_from_c_capsule(*taken)
    for wrong in (bytes(15), b"", gray, sliced, taken[1], bytearray(16)):
        for scale in (_pixels.shrink, lambda *given: _pixels.resample(*given, "linear")):
            with pytest.raises(ValueError, match="not the pixels"):
                scale(wrong, (2, 2), (1, 1))
