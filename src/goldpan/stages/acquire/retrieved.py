"""What a retrieval found, as a source: the rows of its chunks, fetched, labeled with their class.

As unmet-promise does with img2dataset: rows marked NSFW are left out, the class is QUERY, the caption TEXT. An id is
made of the URL and the class, so that an image of several classes is a row of each, whatever is retrieved later.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pydantic import Field

from goldpan.compute.executor import Executor
from goldpan.core.errors import InputError, Reason
from goldpan.core.progress import Progress
from goldpan.core.records import Report
from goldpan.fetch.retry import is_transient
from goldpan.formats.chunks import chunk_files
from goldpan.formats.imagefolder import Picture, write_imagefolder
from goldpan.formats.metadata import open_metadata
from goldpan.stages.acquire.config import TRANSIENT, WebConfig
from goldpan.stages.acquire.earlier import tell_what_stays
from goldpan.stages.acquire.links import Link, read_links
from goldpan.stages.acquire.urls import bring_in
from goldpan.stages.stage import Stage
from goldpan.store.failures import Failure
from goldpan.store.workspace import Workspace

SOURCE = "retrieved"
"""One for all retrievals: what two of them find of a class is one row."""

_ID_DIGITS = 16
_NSFW = "NSFW"
_READ_ROWS = 1024


class RetrievedConfig(WebConfig):
    """What was found, and how much of it is fetched."""

    found: list[Path] = Field(
        description="Folders that goldpan retrieve wrote, their chunks, or files {class: [rows]}.", min_length=1
    )
    per_class: int | None = Field(None, description="At most so many rows a class, the first ones.", ge=1)
    keep_nsfw: bool = Field(False, description="Fetch rows that are marked NSFW too.")
    imagefolder: Path | None = Field(
        None, description="Write the images that came to this folder too, a folder a class, and metadata.json."
    )


def run(ws: Workspace, config: RetrievedConfig, executor: Executor, progress: Progress) -> Report:
    """Fetch what was retrieved; each row becomes an image with its class, or a failure; the same again goes on.

    Raises:
        InputError: what was found cannot be read, or is nothing.
    """
    chosen = _Chosen(config, [file for file in chunk_files(config.found) if open_metadata(file).names])
    report = bring_in(ws, config, [SOURCE], chosen.links(), executor, progress)
    if not chosen.rows.total():
        raise InputError(f"No rows to fetch in {', '.join(map(str, config.found))}; name what goldpan retrieve found.")
    report.stage = "retrieve fetch"
    report.details |= {"nsfw_left_out": chosen.nsfw, "beyond_per_class": chosen.beyond, "classes": len(chosen.rows)}
    if chosen.nsfw or chosen.beyond:
        report.outputs["left out"] = f"{chosen.nsfw:,} rows marked NSFW, {chosen.beyond:,} beyond --per-class"
    if any(is_transient(Reason(reason)) for reason in report.failures):
        report.next_steps.insert(0, f"the same command with --retry {TRANSIENT} tries again what may pass by itself")
    tell_what_stays(report, ws, STAGE.name, config, lambda run: True)
    if config.imagefolder is not None:
        _write_imagefolder(ws, config.imagefolder, chosen.rows, report)
    return report


class _Chosen:
    """Chooses rows.

    Attributes:
        rows: that are fetched, by class.
        nsfw: how many were left out as NSFW.
        beyond: how many more than the most of their class were left out.
    """

    def __init__(self, config: RetrievedConfig, files: list[Path]) -> None:
        self._config, self._files = config, files
        self.rows = Counter[str | None]()
        self.nsfw = self.beyond = 0

    def links(self) -> Iterator[Link]:
        """Yield what is to be fetched."""
        most, taken = self._config.per_class, 0
        for link in (link for file in self._files for link in read_links(file, SOURCE, self._config)):
            label = link.fields.get("label")
            if not self._config.keep_nsfw and _is_nsfw(link):
                self.nsfw += 1
            elif most is not None and self.rows[label] >= most:
                self.beyond += 1
            else:
                self.rows[label] += 1
                yield replace(_named(link), row=taken)  # one list, whatever the files
                taken += 1


def _is_nsfw(link: Link) -> bool:
    """Tell rows that say just so; what is UNSURE stays."""
    return any(value == _NSFW for name, value in link.extra.items() if name.upper() == _NSFW)


def _named(link: Link) -> Link:
    if link.problem:
        return link
    told = f"{link.url}\n{link.fields.get('label', '')}"
    key = hashlib.sha256(told.encode("utf-8", "replace")).hexdigest()[:_ID_DIGITS]
    return replace(link, id=key, extra=link.extra | ({"SAMPLE_ID": link.id} if link.id else {}))


def _write_imagefolder(ws: Workspace, folder: Path, classes: Counter[str | None], report: Report) -> None:
    """Write the images of some classes that the workspace holds; what cannot be read is a failure, tried again next."""
    columns = ["id", "uri", "label", "caption", "sha256", "width", "height", "format", "extra"]
    batches = ws.images.scan(columns, f"source = '{SOURCE}'", _READ_ROWS)
    rows = (row for batch in batches for row in batch.to_pylist() if row["label"] in classes)
    failures = ws.failures_of("retrieve fetch", "imagefolder")
    failures.forget(list(failures.reasons()))
    written = write_imagefolder(folder, map(Picture.of, rows), ws.blobs.read_all)
    failures.add([Failure(key, error.reason, error.detail) for key, error in written.lost])
    report.outputs[str(folder)] = f"{written.images:,} images in folders of their classes, metadata.json"
    report.details |= {"imagefolder_repeated": written.repeated, "imagefolder_lost": len(written.lost)}


STAGE = Stage("retrieve fetch", RetrievedConfig, reads=(), writes=("images", "blobs", "failures"), run=run)
