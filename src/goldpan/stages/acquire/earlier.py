"""What earlier runs fetched into the workspace: which URLs need not be fetched again, and what was made otherwise."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

from goldpan.core.records import Report
from goldpan.imaging.resizing import Resize
from goldpan.stages.acquire.config import WebConfig
from goldpan.stages.acquire.digests import DigestMap, Texts
from goldpan.stages.acquire.provenance import DUPLICATE
from goldpan.store.blobs import blob_uri
from goldpan.store.failures import quote
from goldpan.store.workspace import Workspace

ID_DIGITS = 16
_READ_ROWS = 8192
_OF_SIZES = frozenset({
    "image_size", "resize_mode", "resize_only_if_bigger", "upscale_interpolation", "downscale_interpolation",
    "encode_format", "encode_quality", "skip_reencode",
})  # fmt: skip
_USUAL_BOXES = "face_bboxes"


def usual_id(url: str) -> str:
    """Return what a row is called where its list gives no id."""
    return hashlib.sha256(url.encode()).hexdigest()[:ID_DIGITS]


class Earlier:
    """The rows of `images` that have what a run would make of their URLs, from whatever list they are.

    There are none where an earlier run made images with other settings. Rows are read once the first is asked for: a
    run with nothing to fetch never asks.

    Args:
        ws: the workspace.
        config: of the run.
    """

    def __init__(self, ws: Workspace, config: WebConfig) -> None:
        self._ws, self._config = ws, config

    def find(self, url: str) -> str:
        """Return the id of the first row with a URL; empty where there is none."""
        known, ids = self._known
        number = known[url] if known else 0
        return usual_id(url) if number == 1 else ids[number - 2] if number else ""

    @cached_property
    def _known(self) -> tuple[DigestMap, Texts]:
        """For each URL 1 where its row has the usual id, else 2 and the number of the id; and the ids."""
        known, ids = DigestMap(), Texts()
        for key, url in self._rows():
            if not (known and known[url]):
                known.put(url, 1 if key == usual_id(url) else 2 + ids.append(key))
        return known, ids

    def _rows(self) -> Iterator[tuple[str, str]]:
        runs = [run.config for run in self._ws.runs.all() if _is_into_the_workspace(run.config)]
        mine = _making(self._config.model_dump(mode="json"))
        if any(_making(settings) != mine for settings in runs):
            return
        boxes = {_USUAL_BOXES, *(settings.get("box_column") for settings in runs)}
        for batch in self._ws.images.scan(["id", "extra"], f"starts_with(uri, {quote(blob_uri(''))})", _READ_ROWS):
            for key, text in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                extra = json.loads(text or "{}")
                if "fetched_at" in extra and DUPLICATE not in extra and not any(map(extra.get, boxes)):
                    yield key, extra["url"]


def tell_what_stays(
    report: Report, ws: Workspace, stage: str, config: WebConfig, is_alike: Callable[[dict[str, Any]], object]
) -> None:
    """Say in a report that rows were there already which an earlier run made with other settings.

    Args:
        report: of this run.
        ws: the workspace.
        stage: the name of this one.
        config: of this run.
        is_alike: tells of the settings of a run of this stage whether it brought the same rows.
    """
    mine = config.model_dump(mode="json")
    runs = [run for run in ws.runs.all() if run.stage == stage and is_alike(run.config)]
    made = (run.config for run in runs if run.rows_out is None or run.rows_out > (run.already_done or 0))
    then = next((settings for settings in made if _making(settings) != _making(mine)), None)
    if report.already_done and then is not None:
        names = (_making(then) | _making(mine)).keys()
        changes = {name: [then.get(name), mine[name]] for name in sorted(names) if then.get(name) != mine[name]}
        told = ", ".join(f"{name} {old}, not {new}" for name, (old, new) in changes.items())
        report.details["made_otherwise"] = changes
        report.outputs["not made anew"] = (
            f"{report.already_done:,} rows that were there; an earlier run had {told}. "
            "To have them otherwise, fetch to another workspace (and --output)."
        )


def _making(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a run that decide what becomes of the bytes that come."""
    names = {"keep_bytes", *Resize.model_fields} - (_OF_SIZES if settings["keep_bytes"] else frozenset())
    return {name: settings.get(name) for name in names}


def _is_into_the_workspace(settings: Mapping[str, Any]) -> bool:
    return "keep_bytes" in settings and settings.get("output") is None
