"""A list of local image files, one a row, with columns of metadata."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from goldpan.compute.executor import Executor
from goldpan.core.errors import InputError, Reason
from goldpan.core.place import is_url
from goldpan.core.progress import Progress
from goldpan.core.records import Report
from goldpan.formats.metadata import Row, find_column, metadata_files, open_metadata
from goldpan.stages.acquire.config import TableConfig
from goldpan.stages.acquire.intake import Candidate, Member, absolute, admit, split_fields
from goldpan.stages.stage import Stage
from goldpan.store.failures import Failure
from goldpan.store.workspace import Workspace

PATH_COLUMNS = (
    "path",
    "file_path",
    "filepath",
    "file_name",
    "filename",
    "file",
    "image_path",
    "image",
    "uri",
)
_RENAMED = {"label_column": "label", "caption_column": "caption"}


def run(ws: Workspace, config: TableConfig, executor: Executor, progress: Progress) -> Report:
    """Take the files that a table lists; its other columns become columns of `images`, or JSON in `extra`."""
    if config.table not in metadata_files([config.table]):
        raise InputError(f"{config.table} is a folder; name one of the lists in it.")
    listed = open_metadata(config.table)
    names, path = listed.names, listed.path
    path_column = find_column(config.path_column, PATH_COLUMNS, names, path, "--path-column")
    if path_column is None:
        known = ", ".join(names) or "none"
        raise InputError(f"{path} has no column of file paths; give one of {known} as --path-column.")
    for option in ("id_column", *_RENAMED):
        find_column(getattr(config, option), (), names, path, "--" + option.replace("_", "-"))

    def candidates() -> Iterator[Candidate]:
        for row in listed.rows:
            yield _candidate(row, path_column, config)

    return admit(ws, config, f"table:{absolute(config.table)}", candidates(), executor, progress)


def _candidate(listed: Row, path_column: str, config: TableConfig) -> Candidate:
    row = dict(listed.columns)
    path, key = row.get(path_column), row.get(config.id_column or path_column)
    if listed.problem or path in (None, "") or key in (None, ""):
        member_id = f"{config.id_prefix}row {listed.number}"
        problem = f"row {listed.number} {listed.problem or 'has no path or no id'}"
        return Candidate("", (Member(member_id, problem=Failure(member_id, Reason.BAD_ROW, problem)),))
    row = {name: value for name, value in row.items() if name not in (path_column, config.id_column)}
    for option, name in _RENAMED.items():
        column = getattr(config, option)
        if column is not None:
            row[name] = row.pop(column, None)
    fields, extra = split_fields({name: value for name, value in row.items() if name != "id"} | _id_extra(row, config))
    return Candidate(_address(str(path), config), (Member(f"{config.id_prefix}{key}", fields, extra),))


def _address(path: str, config: TableConfig) -> str:
    """Return where an image is: an object of a bucket, or a file; the web is for `goldpan acquire urls`."""
    if is_url(path) and not path.startswith("http"):
        return path
    return absolute((config.root or config.table.parent) / path)


def _id_extra(row: dict[str, Any], config: TableConfig) -> dict[str, Any]:
    """Keep an `id` column that was not chosen as the id."""
    return {"original_id": row["id"]} if "id" in row and config.id_column != "id" else {}


STAGE = Stage("acquire table", TableConfig, reads=(), writes=("images", "blobs", "failures"), run=run)
