"""Every odd image there is a rule for, each made here."""

from __future__ import annotations

import io
import struct
import threading
import tracemalloc
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageFile
from PIL import features as pillow_features

from goldpan.core.errors import ImageError, Reason
from goldpan.imaging.containers import FORMATS
from goldpan.imaging.opening import ImageInfo, open_image, probe_image

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
LOSSLESS = ("PNG", "BMP", "TIFF", "PPM")


def photo(width: int = 80, height: int = 60) -> Image.Image:
    """Return something like a photograph: smooth, colorful, of no symmetry."""
    y, x = np.mgrid[:height, :width]
    channels = [x * 255 // width, y * 255 // height, (x + 2 * y) * 255 // (width + 2 * height)]
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))


def encoded(image: Image.Image, name: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, name, **options)
    return stream.getvalue()


def reason_of(source: bytes | Path, **options: int) -> Reason:
    with pytest.raises(ImageError) as caught:
        open_image(source, **options)
    assert len(str(caught.value)) > 20
    return caught.value.reason


def pixels(source: bytes | Path) -> np.ndarray:
    return np.asarray(open_image(source).image)


def needs(name: str) -> None:
    if name == "AVIF" and not pillow_features.check("avif"):
        pytest.skip("this Pillow has no AVIF")


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_opens_as_rgb(name: str) -> None:
    needs(name)
    opened = open_image(encoded(photo(), name))
    assert (opened.width, opened.height, opened.format) == (80, 60, name)
    assert opened.image.mode == "RGB"
    assert opened.image.size == (80, 60)
    difference = np.abs(np.asarray(opened.image).astype(int) - np.asarray(photo()))
    assert difference.mean() < (0.01 if name in LOSSLESS else 12)


def test_bytes_and_path_and_string_give_the_same(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(encoded(photo(), "JPEG"))
    from_bytes = pixels(path.read_bytes())
    assert np.array_equal(pixels(path), from_bytes)
    assert np.array_equal(np.asarray(open_image(str(path)).image), from_bytes)


def test_the_name_of_a_file_decides_nothing(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(encoded(photo(), "PNG"))
    assert open_image(path).format == "PNG"


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_once(name: str, orientation: int) -> None:
    needs(name)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(photo(), name, exif=exif.tobytes())
    opened = open_image(data)
    upright = {
        1: photo(),
        2: photo().transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: photo().rotate(180),
        4: photo().transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: photo().transpose(Image.Transpose.TRANSPOSE),
        6: photo().rotate(270, expand=True),
        7: photo().transpose(Image.Transpose.TRANSVERSE),
        8: photo().rotate(90, expand=True),
    }[orientation]
    assert opened.image.size == upright.size == (opened.width, opened.height)
    assert np.abs(np.asarray(opened.image).astype(int) - np.asarray(upright)).mean() < 12
    assert probe_image(data) == ImageInfo(*upright.size, name)
    assert opened.image.info == {}


@pytest.mark.parametrize("value", [0, 9, 60000])
def test_an_orientation_that_does_not_exist_is_ignored(value: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = value
    assert open_image(encoded(photo(), "JPEG", exif=exif.tobytes())).image.size == (80, 60)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's own, of the JPEG's missing resolution
@pytest.mark.parametrize(
    "block",
    [b"Exif\x00\x00", b"Exif\x00\x00II*\x00\xff\xff\xff\xff", b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\xff\xff"],
)
def test_broken_exif_does_not_lose_the_image(block: bytes) -> None:
    assert open_image(encoded(photo(), "JPEG", exif=block)).image.size == (80, 60)


def test_animations_give_their_first_frame() -> None:
    frames = [Image.new("RGB", (20, 10), color) for color in (RED, GREEN, BLUE)]
    for name in ("GIF", "WEBP", "PNG", "TIFF"):
        data = encoded(frames[0], name, save_all=True, append_images=frames[1:])
        assert np.abs(pixels(data)[5, 5].astype(int) - RED).max() < 6, name


def test_a_jpeg_with_more_pictures_behind_it_gives_the_first() -> None:
    second = photo().rotate(180)
    data = encoded(photo(), "MPO", save_all=True, append_images=[second])
    opened = open_image(data)
    assert opened.format == "JPEG"
    assert np.array_equal(np.asarray(opened.image), pixels(encoded(photo(), "JPEG")))


def test_cmyk_is_not_inverted() -> None:
    cyan = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    for name in (
        "JPEG",
        "TIFF",
    ):  # Pillow writes the JPEG with Adobe's marker and inverted, as Photoshop does
        color = pixels(encoded(cyan, name))[8, 8].astype(int)
        assert np.abs(color - (0, 255, 255)).max() < 8, name


def test_sixteen_bits_are_scaled_and_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    expected = np.rint(ramp / 257).astype(int)
    for name in ("PNG", "TIFF", "PPM"):
        rgb = pixels(encoded(Image.fromarray(ramp), name))
        assert np.abs(rgb[..., 0] - expected).max() <= 1, name
        assert (rgb == rgb[..., :1]).all()


def test_big_endian_sixteen_bits() -> None:
    ramp = np.linspace(0, 65535, 256).astype(">u2").reshape(16, 16)
    rgb = pixels(encoded(Image.frombytes("I;16B", (16, 16), ramp.tobytes()), "TIFF"))
    assert np.abs(rgb[..., 0] - np.rint(ramp / 257)).max() <= 1


def test_sixteen_bit_gray_png_with_a_transparent_gray() -> None:
    gray = np.full((4, 4), 1000, np.uint16)
    gray[0, 0] = 40000
    header, body = encoded(Image.fromarray(gray)).split(b"IDAT", 1)
    chunk = b"tRNS" + struct.pack(">H", 1000)
    chunk = struct.pack(">I", 2) + chunk + struct.pack(">I", zlib.crc32(chunk))
    rgb = pixels(header[:-4] + chunk + header[-4:] + b"IDAT" + body)
    assert (rgb[1, 1] == 255).all()
    assert (rgb[0, 0] == round(40000 / 257)).all()


@pytest.mark.parametrize(
    ("values", "first", "last"),
    [
        ([0.0, 0.5, 1.0], 0, 255),
        ([0.0, 100.0, 250.0], 0, 250),
        ([-5.0, 0.0, 5.0], 0, 255),
        ([0.0, np.nan, 1.0], 0, 255),
        ([-np.inf, 0.5, np.inf], 0, 0),
        ([7.0, 7.0, 7.0], 7, 7),
        ([np.nan, np.nan, np.nan], 0, 0),
    ],
)
def test_float_gray_is_scaled(values: list[float], first: int, last: int) -> None:
    rgb = pixels(encoded(Image.fromarray(np.array([values], np.float32)), "TIFF"))
    if np.isinf(values).any():
        first, last = 0, 255
    assert (rgb[0, 0, 0], rgb[0, -1, 0]) == (first, last)


def test_thirty_two_bit_integers_are_scaled() -> None:
    wide = np.array([[0, 70_000, 140_000]], np.int32)
    assert pixels(encoded(Image.fromarray(wide), "TIFF"))[0, :, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_composited_on_white(mode: str) -> None:
    image = Image.new("RGBA", (2, 1), (255, 0, 0, 0))
    image.putpixel((1, 0), (0, 0, 0, 128))
    for name in ("PNG", "TIFF"):
        rgb = pixels(encoded(image.convert(mode), name))
        assert rgb[0, 0].tolist() == list(WHITE)
        assert np.abs(rgb[0, 1].astype(int) - 127).max() <= 1


def test_webp_with_alpha_is_composited_on_white() -> None:
    assert pixels(encoded(Image.new("RGBA", (4, 4), (9, 9, 9, 0)), "WEBP", lossless=True))[0, 0].tolist() == list(WHITE)


def test_transparent_palette_entries_become_white() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([*RED, *GREEN, *BLUE])
    image.putpixel((1, 0), 1)
    for name, transparency in (("PNG", b"\x00\xff"), ("PNG", 0), ("GIF", 0)):
        rgb = pixels(encoded(image, name, transparency=transparency))
        assert rgb[0].tolist() == [list(WHITE), list(GREEN)], (name, transparency)


def test_palette_without_transparency() -> None:
    image = Image.new("P", (2, 1), 2)
    image.putpalette([*RED, *GREEN, *BLUE])
    assert pixels(encoded(image, "PNG"))[0, 0].tolist() == list(BLUE)


def test_one_transparent_color_of_rgb_and_gray() -> None:
    assert pixels(encoded(Image.new("RGB", (2, 2), RED), transparency=RED))[0, 0].tolist() == list(WHITE)
    assert pixels(encoded(Image.new("L", (2, 2), 7), transparency=7))[0, 0].tolist() == list(WHITE)


def test_one_bit_images_are_black_and_white() -> None:
    image = Image.new("1", (2, 1))
    image.putpixel((1, 0), 1)
    for name in ("PNG", "BMP", "TIFF", "PPM"):
        assert pixels(encoded(image, name))[0].tolist() == [[0, 0, 0], list(WHITE)], name


def test_lab_and_ycbcr_tiffs() -> None:
    for mode in ("LAB", "YCbCr"):
        image = photo().convert(mode)
        assert np.abs(pixels(encoded(image, "TIFF")).astype(int) - np.asarray(photo())).mean() < 6, mode


def test_a_color_profile_changes_nothing() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.array_equal(pixels(encoded(photo(), icc_profile=profile)), np.asarray(photo()))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("kept", [0.15, 0.4, 0.7, 0.95])
def test_truncated_files_are_told(name: str, kept: float) -> None:
    needs(name)
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    data = encoded(Image.fromarray(noise), name)
    assert reason_of(data[: int(len(data) * kept)]) is Reason.TRUNCATED


@pytest.mark.parametrize("compression", ["tiff_lzw", "jpeg", "tiff_adobe_deflate"])
def test_truncated_compressed_tiffs_are_told_without_a_warning(compression: str) -> None:
    data = encoded(photo(), "TIFF", compression=compression)
    assert np.abs(pixels(data).astype(int) - np.asarray(photo())).mean() < 6
    assert reason_of(data[: len(data) // 2]) is Reason.TRUNCATED


def test_a_jpeg_whose_coefficients_are_garbage_is_opened_or_called_corrupt() -> None:
    data = bytearray(encoded(photo(), "JPEG"))
    start = data.index(b"\xff\xda")
    data[start + 2 : start + 14] = b"\xff" * 12
    assert reason_of(bytes(data)) in (Reason.CORRUPT, Reason.TRUNCATED)


def test_a_png_with_broken_pixels_is_corrupt() -> None:
    data = bytearray(encoded(photo()))
    at = data.index(b"IDAT") + 8
    data[at : at + 20] = bytes(20)
    assert reason_of(bytes(data)) is Reason.CORRUPT


def test_things_that_are_no_images(tmp_path: Path) -> None:
    archive = tmp_path / "photo.jpg"
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr("a.txt", "hello")
    assert reason_of(archive) is Reason.NOT_AN_IMAGE
    for data in (
        b"<html></html>",
        b"BMW builds cars in Munich, and has",
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
        b"\x00" * 500,
        b"<svg/>",
        b"x",
    ):
        assert reason_of(data) is Reason.NOT_AN_IMAGE, data


def test_formats_outside_the_list_are_refused() -> None:
    for name in ("EPS", "ICO", "TGA", "PCX", "SGI", "JPEG2000"):
        try:
            data = encoded(photo(), name)
        except OSError:
            continue
        assert reason_of(data) is Reason.NOT_AN_IMAGE, name


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert reason_of(tmp_path / "none.jpg") is Reason.MISSING_FILE
    assert reason_of(tmp_path) is Reason.UNREADABLE_FILE
    assert reason_of(Path("/dev/zero")) is Reason.UNREADABLE_FILE
    assert reason_of(tmp_path / "a\x00b") is Reason.UNREADABLE_FILE
    assert reason_of(b"") is Reason.EMPTY_FILE
    (tmp_path / "empty.jpg").touch()
    assert reason_of(tmp_path / "empty.jpg") is Reason.EMPTY_FILE


def test_byte_cap_comes_before_reading(tmp_path: Path) -> None:
    path = tmp_path / "sparse.jpg"
    with path.open("wb") as writer:
        writer.truncate(2**40)
    assert reason_of(path) is Reason.TOO_MANY_BYTES
    data = encoded(photo())
    assert reason_of(data, max_bytes=len(data) - 1) is Reason.TOO_MANY_BYTES
    assert open_image(data, max_bytes=len(data)).width == 80


def png_claiming(width: int, height: int) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def test_a_png_that_claims_too_much_is_refused_without_allocation() -> None:
    tracemalloc.start()
    try:
        assert reason_of(png_claiming(50_000, 50_000)) is Reason.TOO_MANY_PIXELS
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", FORMATS)
def test_pixel_cap(name: str) -> None:
    needs(name)
    data = encoded(photo(), name)
    assert reason_of(data, max_pixels=80 * 60 - 1) is Reason.TOO_MANY_PIXELS
    with pytest.raises(ImageError):
        probe_image(data, max_pixels=80 * 60 - 1)
    assert open_image(data, max_pixels=80 * 60).height == 60


def test_many_pixels_are_no_warning_where_they_are_allowed() -> None:
    """Pillow's opener would warn above 89 million pixels, and refuse above 179 million."""
    data = png_claiming(20_000, 10_000)
    assert probe_image(data) == ImageInfo(20_000, 10_000, "PNG")
    assert reason_of(data, max_pixels=10**8) is Reason.TOO_MANY_PIXELS


def test_tiffs_and_gifs_stop_at_the_cap_of_pillow() -> None:
    data = bytearray(encoded(photo(), "GIF"))
    data[6:10] = struct.pack("<HH", 10_000, 9_000)
    assert reason_of(bytes(data)) is Reason.TOO_MANY_PIXELS


def test_probe_sees_broken_pixels_only_when_asked_to_decode() -> None:
    data = encoded(photo(), "JPEG")
    cut = data[: len(data) - 200]
    assert probe_image(cut) == ImageInfo(80, 60, "JPEG")
    with pytest.raises(ImageError) as caught:
        probe_image(cut, decode=True)
    assert caught.value.reason is Reason.TRUNCATED
    assert probe_image(data, decode=True) == ImageInfo(80, 60, "JPEG")


def test_state_of_the_process_stays_as_it_was() -> None:
    before = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)
    open_image(encoded(photo()))
    assert before == (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)


def test_threads_open_the_same_images_as_one() -> None:
    sources = [encoded(photo(60 + n, 50), name) for n in range(8) for name in ("JPEG", "PNG", "GIF", "WEBP", "TIFF")]
    alone = [pixels(source) for source in sources]
    barrier = threading.Barrier(8)

    def work(number: int) -> bool:
        barrier.wait()
        return all(np.array_equal(pixels(source), one) for source, one in zip(sources, alone, strict=True))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of broken metadata
@pytest.mark.parametrize("name", FORMATS)
def test_flipped_bytes_give_an_image_or_an_image_error(name: str) -> None:
    needs(name)
    rng = np.random.default_rng(7)
    data = np.frombuffer(encoded(photo(40, 30), name), np.uint8)
    for _ in range(150):
        broken = data.copy()
        at = rng.integers(0, min(len(data), 700), rng.integers(1, 5))
        broken[at] = rng.integers(0, 256, len(at))
        try:
            opened = open_image(broken.tobytes(), max_pixels=10**6)
        except ImageError as error:
            assert isinstance(error.reason, Reason)
        else:
            assert opened.image.mode == "RGB"
