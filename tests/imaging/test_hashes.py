"""Perceptual hashes against imagehash's answers, and by their own rules."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from goldpan.core.errors import InputError
from goldpan.imaging.hashes import HASHES, check_side
from goldpan.imaging.opening import open_image

# By imagehash 4.3.2 with PyWavelets; a bit may move with another JPEG decoder.
KNOWN = {
    "val/101085.jpg": {
        "ahash": "fc80009095b4b5bd",
        "phash": "de71d1f6d1c2c182",
        "dhash": "2435a5256d292969",
        "whash": "fe80109095b4f5fd",
    },
}
# By the published code of the feature-search study, of a photo that is in BSDS500 but not in its smaller samples.
PUBLISHED = {
    "ahash": "0000ffcfcffefefe",
    "phash": "d027473e388587f9",
    "dhash": "ec48e09898a8d080",
    "whash": "00007ececc4efefc",
}


def bits(packed: np.ndarray) -> np.ndarray:
    return np.unpackbits(packed)


@pytest.mark.parametrize("name", sorted(HASHES))
@pytest.mark.parametrize("photo", sorted(KNOWN))
def test_known_answers(shared: Path, photo: str, name: str) -> None:
    packed = HASHES[name](open_image(shared / "data/bsds500" / photo).image, 8)
    assert (bits(packed) != bits(np.frombuffer(bytes.fromhex(KNOWN[photo][name]), np.uint8))).sum() <= 1


@pytest.mark.parametrize("name", sorted(HASHES))
def test_published_answers(shared: Path, name: str) -> None:
    found = sorted((shared / "data/bsds500").rglob("100007.jpg"))
    if not found:
        pytest.skip("photo 100007 of BSDS500 is not among the real inputs")
    packed = HASHES[name](open_image(found[0]).image, 8)
    assert (bits(packed) != bits(np.frombuffer(bytes.fromhex(PUBLISHED[name]), np.uint8))).sum() <= 1


def ramp(width: int = 64, height: int = 48) -> Image.Image:
    gray = np.tile(np.linspace(0, 255, width).astype(np.uint8), (height, 1))
    return Image.fromarray(gray).convert("RGB")


def test_a_ramp_has_the_bits_one_would_draw() -> None:
    right_half = np.tile([0, 0, 0, 0, 1, 1, 1, 1], 8)
    assert bits(HASHES["ahash"](ramp(), 8)).tolist() == right_half.tolist()
    assert bits(HASHES["whash"](ramp(), 8)).tolist() == right_half.tolist()
    assert bits(HASHES["dhash"](ramp(), 8)).all()


def test_ties_are_zeros() -> None:
    flat = Image.new("RGB", (100, 100), (90, 90, 90))
    for name in ("ahash", "dhash", "whash"):
        assert not HASHES[name](flat, 8).any(), name


@pytest.mark.parametrize("name", sorted(HASHES))
@pytest.mark.parametrize("size", [(1, 1), (3, 500), (500, 3), (8, 8), (2000, 1500)])
def test_any_size_of_image(name: str, size: tuple[int, int]) -> None:
    for side in (2, 4, 8, 16):
        packed = HASHES[name](ramp(*size), side)
        assert (packed.shape, packed.dtype) == ((-(-side * side // 8),), np.uint8)


def test_odd_sides_pad_their_last_byte_with_zeros() -> None:
    packed = HASHES["dhash"](ramp(), 5)
    assert packed.tolist() == [255, 255, 255, 128]


@pytest.mark.parametrize("name", sorted(HASHES))
def test_a_smaller_copy_has_nearly_the_same_hash(shared: Path, name: str) -> None:
    image = open_image(shared / "data/bsds500/val/101085.jpg").image
    small = image.resize((image.width // 2, image.height // 2))
    assert (bits(HASHES[name](image, 8)) != bits(HASHES[name](small, 8))).sum() <= 3


def test_sides_that_cannot_be() -> None:
    for name, side in (("phash", 1), ("phash", 65), ("whash", 6)):
        with pytest.raises(InputError, match=f"{name}:{side} is no hash"):
            check_side(name, side)
    with pytest.raises(InputError):
        HASHES["whash"](ramp(), 12)
