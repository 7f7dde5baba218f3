"""A tree of image files; class folders become labels, split folders become splits."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from goldpan.compute.executor import Executor
from goldpan.core.errors import InputError, Reason
from goldpan.core.progress import Progress
from goldpan.core.records import Report
from goldpan.stages.acquire.config import FolderConfig
from goldpan.stages.acquire.intake import Candidate, Member, absolute, admit, readable, split_fields
from goldpan.stages.stage import Stage
from goldpan.store.failures import Failure
from goldpan.store.workspace import Workspace

IMAGE_SUFFIXES = frozenset(
    [
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".gif",
        ".webp",
        ".bmp",
        ".dib",
        ".tif",
        ".tiff",
        ".avif",
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
        ".jp2",
        ".tga",
        ".ico",
    ]
)
SPLITS = frozenset(["train", "val", "valid", "validation", "test"])
Labeller = Callable[[PurePosixPath], dict[str, Any]]


def run(ws: Workspace, config: FolderConfig, executor: Executor, progress: Progress) -> Report:
    """Take every image file below a folder, in sorted order; the relative path is the id."""
    root = config.folder
    if not root.is_dir():
        raise InputError(f"{root} is not a folder; name one that holds images.")
    label = _labeller(config.label_pattern)

    unlabeled = 0

    def candidates() -> Iterator[Candidate]:
        nonlocal unlabeled
        for path in walk(root):
            key = PurePosixPath(path.relative_to(root).as_posix())
            fields, extra = split_fields(label(key))
            unlabeled += not (fields or extra)
            yield _candidate(path, f"{config.id_prefix}{key}", fields, extra)

    report = admit(ws, config, f"folder:{absolute(root)}", candidates(), executor, progress)
    if config.label_pattern is not None and unlabeled:
        report.outputs["note"] = f"{unlabeled:,} of {report.rows_in:,} names do not fit the label pattern"
    return report


def _candidate(path: Path, key: str, fields: dict[str, Any], extra: dict[str, Any]) -> Candidate:
    uri = absolute(path)
    if readable(uri) != uri:  # the file system allows names that are no text; a table does not
        key = readable(key)
        problem = Failure(key, Reason.BAD_ROW, f"{readable(uri)}: the name is not valid UTF-8; rename the file")
        return Candidate("", (Member(key, problem=problem),))
    return Candidate(uri, (Member(key, fields, extra),))


def walk(root: Path) -> Iterator[Path]:
    """Yield image files below `root` by suffix, sorted; hidden files and folders are passed over."""
    folders = []
    for entry in sorted(root.iterdir(), key=lambda path: path.name):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            folders.append(entry)
        elif entry.suffix.lower() in IMAGE_SUFFIXES:
            yield entry
    for folder in folders:
        yield from walk(folder)


def _labeller(pattern: str | None) -> Labeller:
    if pattern is None:
        return _from_folders
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise InputError(f"The label pattern {pattern!r} is no regular expression: {error}.") from error
    if not compiled.groupindex:
        raise InputError(f"The label pattern {pattern!r} has no named group; write '(?P<label>...)'.")

    def from_pattern(path: PurePosixPath) -> dict[str, Any]:
        found = compiled.search(str(path.with_suffix("")))
        return _from_folders(path) | (found.groupdict() if found else {})

    return from_pattern


def _from_folders(path: PurePosixPath) -> dict[str, Any]:
    folders = list(path.parts[:-1])
    fields = {}
    if folders and folders[0].lower() in SPLITS:
        fields["split"] = folders.pop(0)
    if folders:
        fields["label"] = folders[0]
    return fields


STAGE = Stage("acquire folder", FolderConfig, reads=(), writes=("images", "blobs", "failures"), run=run)
