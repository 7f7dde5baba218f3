"""Blocks of EXIF (version 2.32), read without Pillow's parser, which warns about broken ones; they are hostile data."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

MAX_ENTRIES = 200
MAX_CHARACTERS = 500
MAX_NUMBERS = 1000

_IMAGE, _CAMERA, _PLACE = "Image", "EXIF", "GPS"
_POINTERS = {0x8769: _CAMERA, 0x8825: _PLACE}
_LETTERS = {1: "B", 2: "s", 3: "H", 4: "I", 5: "I", 6: "b", 7: "s", 8: "h", 9: "i", 10: "i", 11: "f", 12: "d"}
_TEXTS, _RATIONALS = (2, 7), (5, 10)
# Blocks inside the block, which may hold anything: XMP, IPTC, Photoshop's, ICC, the maker's notes, previews.
_BLOCKS = {0x02BC, 0x83BB, 0x8649, 0x8773, 0x927C, 0xA005, 0xC4A5}
# Names of owners, serial numbers of cameras and lenses, and the number of this very picture.
_PRIVATE = {0xA420, 0xA430, 0xA431, 0xA435, 0xC62F}


class Entry(NamedTuple):
    """One entry of a directory.

    Attributes:
        directory: "Image", "EXIF" or "GPS".
        tag: its number.
        kind: of its values, 1 to 12 as the standard counts.
        values: numbers (fractions as pairs), or one run of bytes.
    """

    directory: str
    tag: int
    kind: int
    values: tuple[Any, ...]


def entries(block: bytes) -> Iterator[Entry]:
    """Yield the entries of a block, those of its first directory first; what is cut or broken is left out."""
    tiff = block.removeprefix(b"Exif\x00\x00")
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return
    waiting = [(_IMAGE, 4)]
    for directory, pointer in waiting:  # grows by the directories that are met
        try:
            (start,) = struct.unpack_from(order + "I", tiff, pointer)
            (count,) = struct.unpack_from(order + "H", tiff, start)
            for at in range(start + 2, start + 2 + 12 * min(count, MAX_ENTRIES), 12):
                tag, kind, length, _ = struct.unpack_from(order + "HHII", tiff, at)
                if tag in _POINTERS:
                    if directory == _IMAGE and len(waiting) <= len(_POINTERS):
                        waiting.append((_POINTERS[tag], at + 8))
                elif values := _values(tiff, order, at + 8, kind, length):
                    yield Entry(directory, tag, kind, values)
        except struct.error:
            continue


def exif_json(block: bytes | None, *, private: bool = False) -> str | None:
    """Return what a block says as a JSON object of texts, such as ``{"Image Make": "Canon", "EXIF FNumber": "14/5"}``.

    Args:
        block: of EXIF; None gives None.
        private: with the place, owner, serial numbers and the number of the picture, which are left out otherwise.
    """
    if block is None:
        return None
    said = {}
    for entry in entries(block):
        if entry.tag in _BLOCKS or (not private and (entry.directory == _PLACE or entry.tag in _PRIVATE)):
            continue
        text = _text(entry)
        if text:
            said[_name(entry)] = text[:MAX_CHARACTERS]
    return json.dumps(said)


def _values(tiff: bytes, order: str, at: int, kind: int, length: int) -> tuple[Any, ...]:
    """Return the values of an entry, which lie at `at` where four bytes hold them, else where these point."""
    if kind not in _LETTERS or not 0 < length <= (len(tiff) if kind in _TEXTS else MAX_NUMBERS):
        return ()
    form = f"{order}{2 * length if kind in _RATIONALS else length}{_LETTERS[kind]}"
    if struct.calcsize(form) > 4:
        (at,) = struct.unpack_from(order + "I", tiff, at)
    if at + struct.calcsize(form) > len(tiff):
        return ()
    values = struct.unpack_from(form, tiff, at)
    return tuple(zip(values[::2], values[1::2], strict=True)) if kind in _RATIONALS else values


def _text(entry: Entry) -> str:
    if entry.kind in _TEXTS:
        head = entry.values[0].removeprefix(b"ASCII\x00\x00\x00").partition(b"\x00")[0]
        text = head.decode("utf-8", "replace").strip()
        return text if text.isprintable() else ""
    texts = [_ratio(*value) if entry.kind in _RATIONALS else str(value) for value in entry.values]
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


def _ratio(over: int, under: int) -> str:
    return str(Fraction(over, under)) if under else f"{over}/0"


def _name(entry: Entry) -> str:
    from PIL.ExifTags import GPSTAGS, TAGS

    known = (GPSTAGS if entry.directory == _PLACE else TAGS).get(entry.tag, f"Tag 0x{entry.tag:04X}")
    return f"{entry.directory} {known}"
