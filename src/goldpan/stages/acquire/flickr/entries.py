"""From Flickr's answer about a photo to an entry of search results, and from there to columns of `images`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

from goldpan.formats.flickr_search import Entry, photo_id

SIZES = ("o", "k", "h", "b", "l", "c", "z", "-", "m")
"""Best first: original, 2048, 1600, 1024 (`b` in addresses, `l` in answers), 800, 640, 500 (`-` and `m` likewise)."""
EXTRAS = ",".join(
    [
        "date_upload",
        "date_taken",
        "o_dims",
        "license",
        "owner_name",
        *(f"url_{size}" for size in ("s", "q", "t", "n", *SIZES)),
    ]
)
"""What a search asks to be told of each photo."""


class License(NamedTuple):
    """A license by the name that machines know (SPDX), or by Flickr's where there is none, and its address."""

    name: str
    url: str


_CC = "https://creativecommons.org"
LICENSES = {
    "0": License("All Rights Reserved", ""),
    "1": License("CC-BY-NC-SA-2.0", f"{_CC}/licenses/by-nc-sa/2.0/"),
    "2": License("CC-BY-NC-2.0", f"{_CC}/licenses/by-nc/2.0/"),
    "3": License("CC-BY-NC-ND-2.0", f"{_CC}/licenses/by-nc-nd/2.0/"),
    "4": License("CC-BY-2.0", f"{_CC}/licenses/by/2.0/"),
    "5": License("CC-BY-SA-2.0", f"{_CC}/licenses/by-sa/2.0/"),
    "6": License("CC-BY-ND-2.0", f"{_CC}/licenses/by-nd/2.0/"),
    "7": License("No known copyright restrictions", "https://www.flickr.com/commons/usage/"),
    "8": License("United States Government Work", "https://www.usa.gov/copyright.shtml"),
    "9": License("CC0-1.0", f"{_CC}/publicdomain/zero/1.0/"),
    "10": License("Public Domain Mark 1.0", f"{_CC}/publicdomain/mark/1.0/"),
}
"""By Flickr's number, see flickr.photos.licenses.getInfo."""


def entry_of(photo: dict[str, Any], wnid: str, term: str, asked: dict[str, Any], at: datetime) -> Entry | None:
    """Return the entry of a photo, None where Flickr gives no address of a size that is wanted.

    Args:
        photo: as it came.
        wnid: the class that was searched.
        term: the text that was searched.
        asked: the bounds and the order of the search, by the names of the layout.
        at: when the answer came.
    """
    size = next((size for size in SIZES if photo.get(f"url_{size}")), None)
    if size is None:
        return None
    number = str(photo["id"])
    uploaded = photo.get("dateupload")
    return {
        "id_ours": photo_id(number),
        "id_search_engine": number,
        "url": photo[f"url_{size}"],
        "url_type": f"url_{size}",
        "wnid": wnid,
        "search_key": term,
        "search_engine": "flickr",
        "uploader": "",
        "date_upload_our_db": _readable(at),
        "date_taken": photo.get("datetaken"),
        "date_upload_search_engine": _readable(datetime.fromtimestamp(int(uploaded), UTC)) if uploaded else None,
        "width": photo.get("o_width"),
        "height": photo.get("o_height"),
        **asked,
        "license": photo.get("license"),
        "owner": photo.get("owner"),
        "owner_name": photo.get("ownername"),
    }


def columns_of(entry: Entry) -> dict[str, Any]:
    """Return what an entry says for the columns of `images`; the whole entry, and the license's address, are more."""
    number = entry.get("license")
    license_ = LICENSES.get(str(number)) or License(f"Flickr license {number}", "")
    return {
        "label": entry["wnid"],
        "author": entry.get("owner_name") or entry.get("owner"),
        "license": None if number is None else license_.name,
        "license_url": None if number is None else license_.url or None,
        "taken_at": entry.get("date_taken"),
        "search": entry,
    }


def _readable(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"
