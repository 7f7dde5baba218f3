"""`acquire flickr`: search, keep what was found as ImageNetV2 does, download it.

Source: modestyachts/ImageNetV2: its search with its defaults, its ids, its layout of results, its three sizes.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

from goldpan.compute.executor import Executor
from goldpan.core.errors import InputError
from goldpan.core.progress import Progress
from goldpan.core.records import Report
from goldpan.formats.flickr_search import Entry, read_pool, resolve, write_search
from goldpan.stages.acquire.flickr.answers import Answers
from goldpan.stages.acquire.flickr.api import FlickrApi, read_key
from goldpan.stages.acquire.flickr.classes import search_terms
from goldpan.stages.acquire.flickr.config import FlickrConfig
from goldpan.stages.acquire.flickr.search import Search
from goldpan.stages.stage import Stage
from goldpan.store.workspace import Workspace

SOURCE = "flickr:photos"
"""One for all searches: a photo that two of them find is one photo."""


class Found(NamedTuple):
    """What there is to download: entries, the file that holds them if it is ours, and what the report says of them."""

    entries: list[Entry]
    written: Path | None
    details: dict[str, Any]


def run(ws: Workspace, config: FlickrConfig, executor: Executor, progress: Progress) -> Report:
    """Search Flickr for the photos of classes and download them, as ImageNetV2 found its candidates."""
    found = _read(config) if config.classes is None else _search(ws, config, config.classes, progress)
    count = len(found.entries)
    report = Report("acquire flickr", rows_in=count, rows_out=count)
    report.details |= found.details
    if found.written is not None:
        report.outputs["search_json"] = str(found.written)
    return report


def _read(config: FlickrConfig) -> Found:
    paths = config.from_search
    files = [file for path in paths for file in (sorted(path.glob("*.json")) if path.is_dir() else [path])]
    if not files:
        raise InputError(f"No .json files in {', '.join(map(str, paths))}; name search results.")
    entries, repeats = resolve(read_pool(files))
    return Found(entries, None, {"found": len(entries), "found_again": repeats})


def _search(ws: Workspace, config: FlickrConfig, classes: Path, progress: Progress) -> Found:
    terms = search_terms(config, classes)
    assert config.api_key_file is not None  # noqa: S101 - the configuration sees to it
    key = read_key(config.api_key_file)
    with ws.writing("searches"), FlickrApi(config.endpoint, key, config.requests_per_hour, config) as api:
        search = Search(config, api, Answers(ws.searches, config.round))
        entries, repeats = resolve(search.entries(terms, progress), _classes_of(ws))
    asked = json.dumps([terms, config.asked, config.round])
    name = f"{search.began:%Y-%m-%d-%H-%M-%S}_{hashlib.sha256(asked.encode()).hexdigest()[:8]}.json"
    path = config.search_json or ws.path / "flickr" / name
    write_search(path, entries)
    details = {"found": len(entries), "found_again": repeats, **search.counts, "cut_short": search.cut_short}
    return Found(entries, path, details)


def _classes_of(ws: Workspace) -> dict[str, str]:
    """Return the class of every photo that the workspace holds."""
    rows = ws.images.to_table(f"source = '{SOURCE}'", ["id", "label"])
    return dict(zip(rows["id"].to_pylist(), rows["label"].to_pylist(), strict=True))


STAGE = Stage("acquire flickr", FlickrConfig, reads=(), writes=("images", "blobs", "failures", "searches"), run=run)
