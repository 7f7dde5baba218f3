"""Color profiles, made here byte by byte (ICC.1:2001-04), and the sRGB that must come out."""

from __future__ import annotations

import io
import itertools
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from goldpan.imaging.opening import open_image

D50 = (0.9642, 1.0, 0.8249)
SRGB = np.array([(0.43607, 0.38515, 0.14307), (0.22249, 0.71687, 0.06061), (0.01392, 0.09708, 0.71410)])
ADOBE = np.array([(0.60974, 0.20528, 0.14919), (0.31111, 0.62567, 0.06322), (0.01947, 0.06087, 0.74457)])


def fixed(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def xyz(*values: float) -> bytes:
    return b"XYZ \0\0\0\0" + fixed(*values)


def curve(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"


def profile(space: bytes, connection: bytes, kind: bytes, tags: dict[bytes, bytes]) -> bytes:
    text = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"made\0" + bytes(78)
    tags = {b"desc": text, b"cprt": b"text\0\0\0\0none\0", b"wtpt": xyz(*D50), **tags}
    at, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, data in tags.items():
        table += name + struct.pack(">II", at + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(">I4sI4s4s4s12s4s", at + len(body), b"", 0x02400000, kind, space, connection, bytes(12), b"acsp")
    head += bytes(28) + fixed(*D50)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def adobe_rgb() -> bytes:
    colors = {name + b"XYZ": xyz(*ADOBE[:, channel]) for channel, name in enumerate((b"r", b"g", b"b"))}
    return profile(b"RGB ", b"XYZ ", b"mntr", colors | {name + b"TRC": curve(563 / 256) for name in (b"r", b"g", b"b")})


def press() -> bytes:
    """Return a CMYK profile: a table of two steps a color, of Lab in bytes."""
    corners = b"".join(bytes(lab_byte(*ink(*on))) for on in itertools.product((0, 1), repeat=4))
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    return profile(
        b"CMYK", b"Lab ", b"prtr", {b"A2B0": table + bytes(range(256)) * 4 + corners + bytes(range(256)) * 3}
    )


def ink(cyan: int, magenta: int, yellow: int, black: int) -> tuple[float, float, float]:
    light = 100 - 30 * cyan - 40 * magenta - 10 * yellow
    return (
        light * (1 - 0.9 * black),
        (-20 * cyan + 30 * magenta) * (1 - black),
        (-25 * cyan + 40 * yellow) * (1 - black),
    )


def lab_byte(light: float, a: float, b: float) -> list[int]:
    return [round(light * 2.55), round(a) + 128, round(b) + 128]


def srgb_of_xyz(values: np.ndarray) -> np.ndarray:
    linear = np.clip(np.linalg.solve(SRGB, values), 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055) * 255


def srgb_of_lab(light: float, a: float, b: float) -> np.ndarray:
    f = (light + 16) / 116 + np.array([a / 500, 0, -b / 200])
    return srgb_of_xyz(np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * D50)


def opened(image: Image.Image, data: bytes, name: str = "PNG", **options: object) -> np.ndarray:
    stream = io.BytesIO()
    image.save(stream, name, icc_profile=data, **options)
    return np.asarray(open_image(stream.getvalue()).image)[0, 0].astype(int)


@pytest.mark.parametrize("name", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("color", [(128, 128, 128), (200, 100, 50), (60, 160, 90), (0, 255, 0), (255, 255, 255)])
def test_wide_colors_become_srgb(name: str, color: tuple[int, int, int]) -> None:
    expected = srgb_of_xyz(ADOBE @ (np.array(color) / 255) ** (563 / 256))
    found = opened(Image.new("RGB", (16, 16), color), adobe_rgb(), name, **({"quality": 100} if name != "PNG" else {}))
    assert np.abs(found - expected).max() <= (2 if name in ("PNG", "TIFF") else 6)


def test_golden_colors() -> None:
    image = Image.new("RGB", (1, 1), (200, 100, 50))
    assert opened(image, adobe_rgb()).tolist() == [227, 100, 42]
    assert opened(Image.new("CMYK", (1, 1), (0, 0, 0, 255)), press(), "TIFF").tolist() == [24, 24, 24]


def test_gray_of_another_gamma() -> None:
    linear = profile(b"GRAY", b"XYZ ", b"mntr", {b"kTRC": curve(1.0)})
    assert np.abs(opened(Image.new("L", (1, 1), 55), linear) - 128).max() <= 1


@pytest.mark.parametrize("name", ["TIFF", "JPEG"])
@pytest.mark.parametrize("inks", [(0, 0, 0, 0), (1, 0, 0, 0), (0, 1, 0, 0), (1, 0, 1, 0), (0, 0, 0, 1)])
def test_inks_of_a_press(name: str, inks: tuple[int, int, int, int]) -> None:
    image = Image.new("CMYK", (16, 16), tuple(255 * on for on in inks))
    found = opened(image, press(), name)
    # Little CMS brings the darkest ink down to where version 4 profiles have their black: four levels of 255.
    assert np.abs(found - srgb_of_lab(*ink(*inks))).max() <= 4


def test_transparent_wide_colors_are_turned_and_laid_on_white() -> None:
    image = Image.new("RGBA", (2, 1), (0, 255, 0, 0))
    image.putpixel((1, 0), (200, 100, 50, 255))
    stream = io.BytesIO()
    image.save(stream, "PNG", icc_profile=adobe_rgb())
    assert np.asarray(open_image(stream.getvalue()).image)[0].tolist() == [[255, 255, 255], [227, 100, 42]]


def test_a_palette_with_a_profile() -> None:
    image = Image.new("P", (1, 1))
    image.putpalette([200, 100, 50])
    assert opened(image, adobe_rgb()).tolist() == [227, 100, 42]


@pytest.mark.parametrize(
    "data",
    [
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        press(),  # of other colors than the image's
        adobe_rgb()[:200],
        b"no profile",
        adobe_rgb() + bytes(1 << 22),
    ],
    ids=["sRGB", "other space", "cut", "text", "long"],
)
def test_profiles_that_change_nothing(data: bytes) -> None:
    assert opened(Image.new("RGB", (1, 1), (200, 100, 50)), data, "TIFF").tolist() == [200, 100, 50]
