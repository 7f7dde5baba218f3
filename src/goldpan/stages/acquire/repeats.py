"""Rows whose URL stood in an earlier row: they get what that row got, and are fetched only where its promise failed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from goldpan.compute.executor import chunks
from goldpan.core.errors import ImageError, Reason
from goldpan.formats.img2dataset.layout import Slot
from goldpan.stages.acquire.barn import Harvest
from goldpan.stages.acquire.door import Fate
from goldpan.stages.acquire.provenance import joined, of_first
from goldpan.stages.acquire.register import Repeat, Ticket
from goldpan.stages.acquire.unpacking import check_sum, md5_of
from goldpan.store.failures import Failure, quote
from goldpan.store.workspace import Workspace

_AT_ONCE = 2048


class _Met(NamedTuple):
    """A repeat, and what came of the first row with its URL: a row of `images`, of `failures`, or neither."""

    repeat: Repeat
    image: dict[str, Any] | None
    failure: dict[str, Any] | None

    @property
    def is_misled(self) -> bool:
        """Whether the first row failed because of what it promised alone."""
        if self.failure is None or self.failure["reason"] != Reason.WRONG_HASH:
            return False
        promised = filter(None, (self.repeat.link.sha256, self.repeat.link.md5))
        return not any(f", not {sum_}." in self.failure["detail"] for sum_ in promised)  # what `check_sum` says


def misled_repeats(ws: Workspace, repeats: Iterable[Repeat]) -> Iterator[Ticket]:
    """Yield those that have to be fetched: their first row promised bytes that did not come, and they did not."""
    for met in _meet(ws, repeats):
        if met.is_misled:
            yield Ticket(met.repeat.id, met.repeat.link, Fate.FRESH, Slot(0, 0))  # repeats are in no shard


def settled_repeats(ws: Workspace, repeats: Iterable[Repeat]) -> Iterator[Harvest]:
    """Yield the row or failure of each repeat that has not to be fetched; the first rows must be committed."""
    return (_harvest(ws, *met) for met in _meet(ws, repeats) if not met.is_misled)


def _meet(ws: Workspace, repeats: Iterable[Repeat]) -> Iterator[_Met]:
    for part in chunks(repeats, _AT_ONCE):
        listed = ", ".join(quote(key) for key in {repeat.first for repeat in part})
        images = {row["id"]: row for row in ws.images.to_table(f"id IN ({listed})").to_pylist()}
        failed = ws.failures.to_table(f"stage = 'acquire' AND id IN ({listed})", ["id", "reason", "detail"])
        failures = {row["id"]: row for row in failed.to_pylist()}
        for repeat in part:
            yield _Met(repeat, images.get(repeat.first), failures.get(repeat.first))


def _harvest(ws: Workspace, repeat: Repeat, image: dict[str, Any] | None, failure: dict[str, Any] | None) -> Harvest:
    if image is None:
        missing = {"reason": Reason.IMAGE_NOT_FOUND, "detail": "its row is gone"}
        why = failure or missing
        return _failed(repeat, Reason(why["reason"]), f"the same URL as {repeat.first}: {why['detail']}")
    extra, link = json.loads(image["extra"]), repeat.link
    try:
        check_sum("SHA-256", link.sha256, extra.get("original_sha256", image["sha256"]))
        if link.md5:
            check_sum("MD5", link.md5, extra.get("md5") or _md5_of(ws, image["uri"]))
    except ImageError as error:
        return _failed(repeat, error.reason, f"{extra['url']}: {error.detail}")
    row = {name: image[name] for name in ("uri", "sha256", "width", "height", "format")}
    row |= {"id": repeat.id, "source": link.source, **link.fields}
    return Harvest(link.source, [row | {"extra": joined(link.extra, of_first(extra, repeat.first))}])


def _md5_of(ws: Workspace, uri: str) -> str:
    found = ws.blobs.read(uri)
    return md5_of(found if isinstance(found, bytes) else found.read_bytes())


def _failed(repeat: Repeat, reason: Reason, detail: str) -> Harvest:
    return Harvest(repeat.link.source, failures=[Failure(repeat.id, reason, detail)])
