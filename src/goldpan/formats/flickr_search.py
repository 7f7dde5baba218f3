"""Search results as ImageNetV2 keeps them: a JSON list of photos found, in four layouts of keys and ours.

Source: modestyachts/ImageNetV2, `data/search_results`. A file is indented by two, without a last newline. The first
search stored 15 keys, later ones 19; the download added `batch`; copies made for a second class also name the
`source_filename` they come from. We store `license` (Flickr's number), `owner` and `owner_name` too.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from goldpan.core.errors import FormatError
from goldpan.formats.atomic import replace_file
from goldpan.formats.json_text import read_json

Entry = dict[str, Any]

KEYS = (
    "id_ours", "id_search_engine", "url", "url_type", "wnid", "search_key", "search_engine", "uploader",
    "date_upload_our_db", "date_taken", "date_upload_search_engine", "width", "height", "max_taken_date",
    "max_uploaded_date", "min_taken_date", "min_uploaded_date", "search_sort", "max_images",
)  # fmt: skip
"""Of the usual layout, in its order."""
ADDED_KEYS = ("license", "owner", "owner_name")
"""What we store beside them."""
_LATER = {"url_type", "min_taken_date", "min_uploaded_date", "max_images"}
FIRST_KEYS = tuple(key for key in KEYS if key not in _LATER)
"""Of the oldest file."""
LAYOUTS = {
    "first": frozenset(FIRST_KEYS),
    "searched": frozenset(KEYS),
    "downloaded": frozenset({*KEYS, "batch"}),
    "resolved": frozenset({*KEYS, "batch", "source_filename"}),
    "ours": frozenset({*KEYS, *ADDED_KEYS}),
    "ours, batched": frozenset({*KEYS, *ADDED_KEYS, "batch"}),
}
"""Keys of an entry by the name of its layout."""
_NEEDED = ("id_ours", "id_search_engine", "url", "wnid")
_ID = re.compile("[0-9a-f]{40}")


def photo_id(flickr_id: str) -> str:
    """Return the id of a candidate: SHA-1 of Flickr's number and the word flickr.

    >>> photo_id("42857269475")
    '1582397371dd770737bfa9ea0c2813e229a6420c'
    """
    return _sha1(f"{flickr_id}flickr")


def class_photo_id(flickr_id: str, wnid: str) -> str:
    """Return the id of the copy that a second class holds of a photo which was found for a first one."""
    return _sha1(f"{flickr_id},flickr,{wnid}")


def batch_key(ids: Sequence[str]) -> str:
    """Return the key of a batch of candidates: SHA-256 of their ids, joined by commas."""
    return hashlib.sha256(",".join(ids).encode()).hexdigest()


def layout_of(entry: Entry) -> str:
    """Return the name in `LAYOUTS` of an entry's keys, "other" where none has them."""
    return next((name for name, keys in LAYOUTS.items() if keys == entry.keys()), "other")


def read_search(path: Path) -> list[Entry]:
    """Return the entries of one file as they are, whatever their layout.

    Raises:
        InputError: it cannot be read.
        FormatError: it is no JSON list of entries with id, Flickr's number, URL and class.
    """
    entries = read_json(path, "search results")
    if not isinstance(entries, list):
        raise FormatError(path, "search results are a JSON list of entries.")
    for row, entry in enumerate(entries):
        if not isinstance(entry, dict) or not all(isinstance(entry.get(key), str) for key in _NEEDED):
            raise FormatError(path, f"an entry has the texts {', '.join(_NEEDED)}.", row=row)
        if not _ID.fullmatch(entry["id_ours"]):  # it becomes the name of a file
            raise FormatError(path, f"id_ours is {entry['id_ours'][:60]!r}, not 40 hexadecimal digits.", row=row)
    return entries


def write_search(path: Path, entries: Iterable[Entry]) -> None:
    """Write entries to the byte as ImageNetV2 does; the file appears whole or not at all."""
    with replace_file(path) as temporary:
        temporary.write_text(json.dumps(list(entries), indent=2), encoding="utf-8")


def read_pool(paths: Iterable[Path]) -> list[Entry]:
    """Return the entries of many files in the order of their names, each with its `source_filename`.

    That of a copy stays: it tells where the photo was found first.

    Raises:
        InputError: a file cannot be read.
        FormatError: one holds no search results.
    """
    ordered = sorted(paths, key=lambda path: path.name)
    return [
        {**entry, "source_filename": entry.get("source_filename", path.name)}
        for path in ordered
        for entry in read_search(path)
    ]


def resolve(entries: Iterable[Entry], classes: dict[str, str] | None = None) -> tuple[list[Entry], int]:
    """Give every photo one entry a class: the first class to find it keeps the id, a later one has an id of its own.

    Args:
        entries: in the order in which they were found.
        classes: class of the ids that are taken already; it is filled further.

    Returns:
        The entries that stay, and how many were left out because their class holds the photo already.
    """
    classes = {} if classes is None else classes
    kept: dict[str, Entry] = {}
    total = 0
    for entry in entries:
        total += 1
        key, wnid = entry["id_ours"], entry["wnid"]
        if classes.setdefault(key, wnid) != wnid:
            key = class_photo_id(entry["id_search_engine"], wnid)
            classes[key] = wnid
        kept.setdefault(key, {**entry, "id_ours": key})
    return list(kept.values()), total - len(kept)


def _sha1(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
