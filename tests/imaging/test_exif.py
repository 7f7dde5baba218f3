"""What cameras say, and what hostile files say in its place."""

from __future__ import annotations

import json
import struct
import time

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from goldpan.imaging.exif import MAX_CHARACTERS, MAX_ENTRIES, exif_json
from goldpan.imaging.orientation import exif_orientation


def block() -> bytes:
    exif = Image.Exif()
    exif[0x010F] = "Canon "
    exif[0x0112] = 6
    exif[0x011A] = IFDRational(72, 1)
    camera = exif.get_ifd(0x8769)
    camera[0x829A] = IFDRational(1, 250)
    camera[0x9000] = b"0232"
    camera[0x9214] = (10, 20, 30, 40)
    camera[0x927C] = b"maker's notes"
    camera[0xA431] = "serial 123"
    place = exif.get_ifd(0x8825)
    place[1] = "N"
    place[2] = (IFDRational(52), IFDRational(30), IFDRational(123, 10))
    return exif.tobytes()


PUBLIC = {
    "Image Make": "Canon",
    "Image Orientation": "6",
    "Image XResolution": "72",
    "EXIF ExposureTime": "1/250",
    "EXIF ExifVersion": "0232",
    "EXIF SubjectLocation": "[10, 20, 30, 40]",
}
PRIVATE = {"EXIF BodySerialNumber": "serial 123", "GPS GPSLatitudeRef": "N", "GPS GPSLatitude": "[52, 30, 123/10]"}


def test_places_and_serial_numbers_are_told_only_when_asked() -> None:
    assert json.loads(exif_json(block())) == PUBLIC
    private = json.loads(exif_json(block(), private=True))
    assert private.items() >= PRIVATE.items()
    assert "EXIF MakerNote" not in private


def test_no_block_and_an_empty_one() -> None:
    assert exif_json(None) is None
    assert exif_json(b"") == "{}"


def test_comments_go_without_the_name_of_their_alphabet() -> None:
    comment = b"ASCII\0\0\0a comment"
    said = json.loads(exif_json(directory(entry(0x9286, 7, len(comment), 22)) + comment))
    assert list(said.values()) == ["a comment"]


def entry(tag: int, kind: int, count: int, value: int) -> bytes:
    return struct.pack("<HHII", tag, kind, count, value)


def directory(*entries: bytes) -> bytes:
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(entries)) + b"".join(entries)


def test_hostile_blocks_end_soon_and_stay_short() -> None:
    loop = directory(entry(0x8769, 4, 1, 8), entry(0x8825, 4, 1, 8), entry(0x8769, 4, 1, 8))
    assert exif_json(loop) == "{}"
    huge = directory(entry(0x0110, 2, 2**32 - 1, 8), entry(0x0111, 5, 2**31, 8), entry(0x0112, 3, 1, 3))
    assert json.loads(exif_json(huge)) == {"Image Orientation": "3"}
    assert exif_orientation(huge) == 3
    many = directory(*(entry(n, 2, 60_000, 8) for n in range(5000)))
    started = time.process_time()
    said = json.loads(exif_json(many))
    assert time.process_time() - started < 2
    assert len(said) <= MAX_ENTRIES
    assert all(len(text) <= MAX_CHARACTERS for text in said.values())
    assert json.loads(exif_json(directory(entry(0x011A, 5, 1, 22)) + struct.pack("<II", 5, 0))) == {
        "Image XResolution": "5/0"
    }


def test_text_that_no_terminal_should_see_is_left_out() -> None:
    evil = b"\x1b[31mred\0"
    assert exif_json(directory(entry(0x010F, 2, len(evil), 22)) + evil) == "{}"


def test_cut_and_flipped_blocks_never_raise() -> None:
    whole = np.frombuffer(block(), np.uint8)
    rng = np.random.default_rng(3)
    for _ in range(500):
        hurt = whole.copy()
        hurt[rng.integers(0, len(hurt), 4)] = rng.integers(0, 256, 4)
        said = exif_json(hurt[: rng.integers(1, len(hurt) + 1)].tobytes(), private=True)
        assert isinstance(json.loads(said), dict)
