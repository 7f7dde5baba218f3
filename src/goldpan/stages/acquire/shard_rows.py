"""What a row of a list is in a shard: its line of the shard's table, and back again to rows of a workspace."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from goldpan.core.errors import Reason
from goldpan.fetch.errors import reason_of as reason_of_status
from goldpan.formats.img2dataset.bodies import Kind
from goldpan.formats.img2dataset.journal import Entry, Place
from goldpan.formats.img2dataset.layout import NOT_DOWNLOADED, NOT_RESIZED, SUCCESS, Layout, Slot
from goldpan.formats.img2dataset.tables import OUTCOME
from goldpan.imaging.containers import HEAD_BYTES, sniff
from goldpan.stages.acquire.barn import Harvest
from goldpan.stages.acquire.links import Link
from goldpan.stages.acquire.provenance import joined
from goldpan.stages.acquire.register import Ticket
from goldpan.store.blobs import Blobs, row_uri, slice_uri
from goldpan.store.failures import Failure

OF_IMAGES = frozenset({
    Reason.EMPTY_FILE, Reason.NOT_AN_IMAGE, Reason.TOO_MANY_PIXELS, Reason.TRUNCATED, Reason.CORRUPT, Reason.FILTERED,
    Reason.IMAGE_TOO_SMALL, Reason.DECODER_DIED, Reason.DECODE_TIMED_OUT, Reason.BAD_BOX,
})  # fmt: skip
"""Reasons that are found in the bytes that came: "failed_to_resize"; with all others, nothing usable came."""

_NOTHING = dict.fromkeys(OUTCOME.names)
_OURS = {*_NOTHING, "file", "jpg", "png", "webp"}
_STATUS = re.compile(r"HTTP Error (\d{3})")
_SAID = {"hash mismatch": Reason.WRONG_HASH, "X-Robots-Tag": Reason.OPTED_OUT, "timed out": Reason.TIMED_OUT}


def row_of_image(ticket: Ticket, key: str, image: dict[str, Any]) -> dict[str, Any]:
    """Return the line of a row that gave an image.

    Args:
        ticket: of the row.
        key: of the row in its shard.
        image: its row of `images`.
    """
    extra = json.loads(image["extra"])
    size = {"width": image["width"], "height": image["height"]}
    original = {f"original_{name}": extra.get(f"original_{name}", value) for name, value in size.items()}
    sha256 = extra.get("original_sha256", image["sha256"])
    exif = json.dumps(extra["exif"]) if "exif" in extra else None
    return _row(ticket, key, SUCCESS) | size | original | {"exif": exif, "sha256": sha256}


def row_of_failure(ticket: Ticket, key: str, failure: Failure) -> dict[str, Any]:
    """Return the line of a row that gave none; the error message is the reason, then one sentence."""
    status = NOT_RESIZED if failure.reason in OF_IMAGES else NOT_DOWNLOADED
    message = f"{failure.reason}: {failure.detail}" if failure.detail else str(failure.reason)
    return _row(ticket, key, status) | {"error_message": message}


def _row(ticket: Ticket, key: str, status: str) -> dict[str, Any]:
    return listed_columns(ticket.link) | _NOTHING | {"key": key, "status": status}


def listed_columns(link: Link) -> dict[str, Any]:
    """Return the columns of a list, without those that a shard has itself."""
    listed = link.listed or {**link.extra, **link.fields, "url": link.url}
    return {name: _plain(value) for name, value in listed.items() if name not in _OURS}


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: no NaN, and text for what it does not know."""
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    return value if value is None or isinstance(value, str | int | list | dict) else str(value)


def address(layout: Layout, kind: Kind, slot: Slot, place: Place) -> str:
    """Return the address of an image of a shard."""
    if kind == "parquet":
        return row_uri(layout.table(slot.shard), layout.key(slot))
    path = f"{layout.folder}/{place.file}"
    return path if place.offset is None else slice_uri(path, place.offset, place.size)


def harvest_of(entry: Entry, ticket: Ticket, uri: str | None, blobs: Blobs) -> Harvest:
    """Return what a shard tells of a row, as a row of `images` or a failure.

    Args:
        entry: of the row in the shard.
        ticket: of the row.
        uri: address of the image; None where there is none.
        blobs: reads it.
    """
    row, source = entry.row, ticket.link.source
    if uri is None:
        reason = reason_of(row)
        detail = (row["error_message"] or row["status"]).removeprefix(f"{reason}: ")
        return Harvest(source, failures=[Failure(ticket.id, reason, detail)])
    found = blobs.read(uri)
    data = found.read_bytes() if isinstance(found, Path) else found
    original = {name: row.get(name) for name in ("original_width", "original_height")}
    exif = json.loads(row.get("exif") or "null") or None
    ours = {"url": ticket.link.url, "original_sha256": row.get("sha256"), "exif": exif, **original}
    image = {
        "id": ticket.id,
        "uri": uri,
        "source": source,
        "sha256": hashlib.sha256(data).hexdigest(),
        "width": row["width"],
        "height": row["height"],
        "format": sniff(data[:HEAD_BYTES]),
        **ticket.link.fields,
        "extra": joined(ticket.link.extra, {name: value for name, value in ours.items() if value is not None}),
    }
    return Harvest(source, [image])


def reason_of(row: dict[str, Any]) -> Reason:
    """Return why a row of a shard failed: the reason that we wrote, or what img2dataset's message says."""
    message = row["error_message"] or ""
    word = message.partition(":")[0]
    if word in list(Reason):
        return Reason(word)
    if found := _STATUS.search(message):
        return reason_of_status(int(found[1]))
    said = (reason for text, reason in _SAID.items() if text in message)
    return next(said, Reason.CORRUPT if row["status"] == NOT_RESIZED else Reason.CONNECT_FAILED)
