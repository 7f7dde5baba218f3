"""Rows whose URL stood in an earlier row: they get what that row got, and nothing is fetched twice."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from goldpan.compute.executor import chunks
from goldpan.core.errors import ImageError, Reason
from goldpan.stages.acquire.barn import Harvest
from goldpan.stages.acquire.provenance import joined, of_first
from goldpan.stages.acquire.register import Repeat
from goldpan.stages.acquire.unpacking import check_sum, md5_of
from goldpan.store.failures import Failure, quote
from goldpan.store.workspace import Workspace

_AT_ONCE = 2048


def settled_repeats(ws: Workspace, repeats: Iterable[Repeat]) -> Iterator[Harvest]:
    """Yield the row or failure of each repeat; the first rows must be committed."""
    for part in chunks(repeats, _AT_ONCE):
        listed = ", ".join(quote(key) for key in {repeat.first for repeat in part})
        images = {row["id"]: row for row in ws.images.to_table(f"id IN ({listed})").to_pylist()}
        failed = ws.failures.to_table(f"stage = 'acquire' AND id IN ({listed})", ["id", "reason", "detail"])
        failures = {row["id"]: row for row in failed.to_pylist()}
        for repeat in part:
            yield _harvest(ws, repeat, images.get(repeat.first), failures.get(repeat.first))


def _harvest(ws: Workspace, repeat: Repeat, image: dict[str, Any] | None, failure: dict[str, Any] | None) -> Harvest:
    if image is None:
        missing = {"reason": Reason.IMAGE_NOT_FOUND, "detail": "its row is gone"}
        why = failure or missing
        return _failed(repeat, Reason(why["reason"]), f"the same URL as {repeat.first}: {why['detail']}")
    extra = json.loads(image["extra"])
    try:
        check_sum("SHA-256", repeat.sha256, extra.get("original_sha256", image["sha256"]))
        if repeat.md5:
            check_sum("MD5", repeat.md5, extra.get("md5") or _md5_of(ws, image["uri"]))
    except ImageError as error:
        return _failed(repeat, error.reason, f"{extra['url']}: {error.detail}")
    row = {name: image[name] for name in ("uri", "sha256", "width", "height", "format")}
    row |= {"id": repeat.id, "source": repeat.source, **repeat.fields}
    return Harvest(repeat.source, [row | {"extra": joined(repeat.extra, of_first(extra, repeat.first))}])


def _md5_of(ws: Workspace, uri: str) -> str:
    found = ws.blobs.read(uri)
    return md5_of(found if isinstance(found, bytes) else found.read_bytes())


def _failed(repeat: Repeat, reason: Reason, detail: str) -> Harvest:
    return Harvest(repeat.source, failures=[Failure(repeat.id, reason, detail)])
