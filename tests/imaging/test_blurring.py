"""Boxes are blurred wherever they lie; what is no box costs the image."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image

from goldpan.core.errors import ImageError, Reason
from goldpan.imaging.blurring import blurred


def checkers(width: int = 120, height: int = 80) -> Image.Image:
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(np.where((x + y) % 2, 255, 0).astype(np.uint8)).convert("RGB")


def contrast(image: Image.Image, box: tuple[int, int, int, int]) -> float:
    return float(np.asarray(image.crop(box)).std())


def test_a_box_is_blurred_and_the_rest_is_not() -> None:
    image = checkers()
    made = blurred(image, [(0.25, 0.25, 0.5, 0.75)])
    assert contrast(made, (30, 20, 60, 60)) < 15
    assert contrast(made, (80, 0, 120, 80)) == contrast(image, (80, 0, 120, 80))
    assert contrast(image, (30, 20, 60, 60)) > 100  # the image itself stays as it was


def test_edges_fade() -> None:
    made = np.asarray(blurred(checkers(), [(0.25, 0.25, 0.75, 0.75)]))[40, :, 0].astype(int)
    differences = np.abs(np.diff(made))
    assert differences[:8].min() == 255
    assert differences[55:65].max() < 10
    assert len(set(differences[10:50])) > 5


@pytest.mark.parametrize("box", [(0, 0, 0.3, 0.3), (0.8, 0.8, 1, 1), (-0.2, -0.1, 0.2, 0.2), (0, 0, 1, 1)])
def test_boxes_at_the_border(box: tuple[float, float, float, float]) -> None:
    made = blurred(checkers(), [box])
    inside = [round(min(1, max(0, value)) * side) for value, side in zip(box, (120, 80, 120, 80), strict=True)]
    assert contrast(made, tuple(inside)) < 40
    assert contrast(made, tuple(inside)) < 0.3 * contrast(checkers(), tuple(inside))


def test_no_boxes_and_a_point() -> None:
    image = checkers()
    assert blurred(image, []) is image
    assert blurred(image, [(0.5, 0.5, 0.5, 0.5)]).size == image.size


@pytest.mark.parametrize(
    "box",
    [
        (0.5, 0, 0.2, 1),
        (0, 0.5, 1, 0.2),
        (0, 0, math.nan, 1),
        (0, 0, math.inf, 1),
        (0, 0, 1),
        (10, 10, 50, 50),
        (0, 0, 9, 1),
    ],
)
def test_what_is_no_box(box: tuple[float, ...]) -> None:
    with pytest.raises(ImageError) as caught:
        blurred(checkers(), [(0, 0, 1, 1), box])
    assert caught.value.reason is Reason.BAD_BOX
