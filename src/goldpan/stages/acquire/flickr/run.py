"""`acquire flickr`: search, keep what was found as ImageNetV2 does, download it.

Source: modestyachts/ImageNetV2: its search with its defaults, its ids, its layout of results, its sizes and batches.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from goldpan.compute.executor import Executor
from goldpan.core.errors import FormatError, InputError, Reason
from goldpan.core.progress import Progress
from goldpan.core.records import Report
from goldpan.fetch.urls import parse_url
from goldpan.formats.flickr_search import Entry, read_pool, resolve, write_search
from goldpan.formats.json_text import read_json
from goldpan.stages.acquire.flickr.answers import Answers
from goldpan.stages.acquire.flickr.api import FlickrApi, read_key
from goldpan.stages.acquire.flickr.classes import search_terms
from goldpan.stages.acquire.flickr.config import FlickrConfig
from goldpan.stages.acquire.flickr.copies import make_copies, write_batches
from goldpan.stages.acquire.flickr.entries import columns_of
from goldpan.stages.acquire.flickr.search import Search
from goldpan.stages.acquire.intake import readable, split_fields
from goldpan.stages.acquire.links import Link
from goldpan.stages.acquire.urls import bring_in
from goldpan.stages.stage import Stage
from goldpan.store.workspace import Workspace

SOURCE = "flickr:photos"
"""One for all searches: a photo that two of them find is one photo."""


class Found(NamedTuple):
    """What there is to download: entries, where they are to be written if anywhere, and what is said of the search."""

    entries: list[Entry]
    path: Path | None
    details: dict[str, Any]


def run(ws: Workspace, config: FlickrConfig, executor: Executor, progress: Progress) -> Report:
    """Search Flickr for the photos of classes and download them, as ImageNetV2 found its candidates."""
    blacklist = _read_blacklist(config.blacklist) if config.blacklist is not None else {}
    found = _read(config) if config.classes is None else _search(ws, config, config.classes, progress)
    entries = _write(ws, config, found, found.entries)
    if config.search_only:
        report = Report("acquire flickr", rows_in=len(entries), rows_out=len(entries))
    else:
        links = _links(entries, blacklist)
        report = bring_in(ws, _download_config(config), [SOURCE], links, executor, progress, len(entries))
        entries = _write(ws, config, found, entries)
        if config.copies:
            report.details["copies"] = _copy(ws, config, entries, config.workers, progress)
        if config.batch:
            _write(ws, config, found, write_batches(entries, blacklist, ws.path / "flickr"))
    report.details |= found.details
    if found.path is not None:
        report.outputs["search_json"] = str(found.path)
    return report


def _read(config: FlickrConfig) -> Found:
    paths = config.from_search
    files = [file for path in paths for file in (sorted(path.glob("*.json")) if path.is_dir() else [path])]
    if not files:
        raise InputError(f"No .json files in {', '.join(map(str, paths))}; name search results.")
    entries, repeats = resolve(read_pool(files))
    return Found(entries, config.search_json, {"found": len(entries), "found_again": repeats})


def _search(ws: Workspace, config: FlickrConfig, classes: Path, progress: Progress) -> Found:
    terms = search_terms(config, classes)
    assert config.api_key_file is not None  # noqa: S101 - the configuration sees to it
    key = read_key(config.api_key_file)
    taken = {id_: row["label"] for id_, row in _held(ws, config).items()}
    with ws.writing("searches"), FlickrApi(config.endpoint, key, config.requests_per_hour, config) as api:
        search = Search(config, api, Answers(ws.searches, config.round))
        entries, repeats = resolve(search.entries(terms, progress), taken)
    asked = json.dumps([terms, config.asked, config.round])
    name = f"{search.began:%Y-%m-%d-%H-%M-%S}_{hashlib.sha256(asked.encode()).hexdigest()[:8]}.json"
    details = {"found": len(entries), "found_again": repeats, **search.counts, "cut_short": search.cut_short}
    return Found(entries, config.search_json or ws.path / "flickr" / name, details)


def _download_config(config: FlickrConfig) -> FlickrConfig:
    """Return how to download: where addresses may be private, so may the port of the endpoint."""
    ports = {*config.ports, parse_url(config.endpoint).port} if config.allow_private else config.ports
    return config.model_copy(update={"ports": sorted(ports)})


def _copy(ws: Workspace, config: FlickrConfig, entries: list[Entry], workers: int | None, progress: Progress) -> int:
    held = _held(ws, config)
    uris = {key: held[key]["uri"] for key in (entry["id_ours"] for entry in entries) if key in held}
    return make_copies(ws, uris, ws.path / "flickr", config.copies, workers, progress)


def _read_blacklist(path: Path) -> dict[str, str]:
    content = read_json(path, "the blacklist")
    if not isinstance(content, dict):
        raise FormatError(path, 'a blacklist is {"id": "reason", ...}.')
    return content


def _links(entries: Iterable[Entry], blacklist: dict[str, str]) -> Iterator[Link]:
    for entry in entries:
        key, url = entry["id_ours"], readable(entry["url"])
        if key in blacklist:
            yield Link(SOURCE, key, url, {}, {}, problem=f"blacklisted: {blacklist[key]}", reason=Reason.FILTERED)
        else:
            fields, extra = split_fields(columns_of(entry))
            yield Link(SOURCE, key, url, fields, extra)


def _write(ws: Workspace, config: FlickrConfig, found: Found, entries: list[Entry]) -> list[Entry]:
    """Give entries the sizes of the photos that the workspace holds, and write them; return them."""
    held = _held(ws, config)
    sizes = {key: {side: row[side] for side in ("width", "height")} for key, row in held.items()}
    entries = [entry | sizes.get(entry["id_ours"], {}) for entry in entries]
    if found.path is not None:
        write_search(found.path, entries)
    return entries


def _held(ws: Workspace, config: FlickrConfig) -> dict[str, dict[str, Any]]:
    """Return what the workspace holds of the photos of all searches, by `id_ours`."""
    rows = ws.images.to_table(f"source = '{SOURCE}'", ["id", "label", "uri", "width", "height"]).to_pylist()
    return {row["id"].removeprefix(config.id_prefix): row for row in rows}


STAGE = Stage("acquire flickr", FlickrConfig, reads=(), writes=("images", "blobs", "failures", "searches"), run=run)
