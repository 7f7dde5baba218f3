"""Rows of lists that name URLs: which column is what, and what is expected of the bytes behind a URL."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from goldpan.core.errors import InputError, Reason
from goldpan.formats.metadata import Metadata, Row, find_column, metadata_files, open_metadata
from goldpan.stages.acquire.config import WebConfig
from goldpan.stages.acquire.intake import readable, split_fields

# What the columns are called in img2dataset's lists, LAION, DataComp, Conceptual Captions and others; in lower case.
USUAL = {
    "url": ("url", "image_url", "img_url", "original_url", "originalurl", "uri", "link"),
    "caption": ("caption", "text", "alt_text", "alt"),
    "id": ("id", "key", "uid", "sample_id", "image_id", "imageid"),
    "label": ("label", "query", "class", "class_name", "category"),
    "license": ("license", "licence"),
    "sha256": ("sha256",),
    "md5": ("md5",),
    "box": ("face_bboxes",),
}
ROLES = ("id", "sha256", "md5", "box")
"""What is said by no column of `images`."""


Boxes = tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Link:
    """One row of a list.

    Attributes:
        source: name of the list.
        id: that the list gives; empty where it gives none. Of a bad row: where it stands.
        url: as listed; empty where the row is bad.
        fields: columns of `images`.
        extra: all other columns.
        sha256: that the bytes are to have, in lower case; empty where none is given.
        md5: the same.
        boxes: to blur, each (left, top, right, bottom) as fractions of the image's sides.
        problem: why the row is bad, or left out.
        reason: of the failure that it is then.
        row: its number in its file, from 0; None where there is no file.
        listed: where shards are written: every column by its own name, but `caption` and `url`, which are last.
    """

    source: str
    id: str
    url: str
    fields: dict[str, Any]
    extra: dict[str, Any]
    sha256: str = ""
    md5: str = ""
    boxes: Boxes = ()
    problem: str = ""
    reason: Reason = Reason.BAD_ROW
    row: int | None = None
    listed: dict[str, Any] = field(default_factory=dict)


class _Columns(NamedTuple):
    """Which column of a list is what: `roles` maps those of `ROLES` and "url", `names` columns to those of `images`."""

    roles: dict[str, str]
    names: dict[str, str]


def read_links(path: Path, source: str, config: WebConfig) -> Iterator[Link]:
    """Yield every row of a list, or of a folder of lists, in order.

    Raises:
        InputError: nothing there can be read, or a file has no column of URLs.
        FormatError: the bytes of a file are not what its name says.
    """
    for file in metadata_files([path]):
        listed = open_metadata(file)
        columns = _choose(listed, config)
        for row in map(_with_texts, listed.rows):
            link = _link(row, file.name, source, columns)
            yield link if config.output is None else replace(link, listed=_listed(row, columns, link.url))


def check_columns(path: Path, config: WebConfig) -> None:
    """Look at the first file of a list before any work is done.

    Raises:
        InputError: as `read_links`.
    """
    _choose(open_metadata(metadata_files([path])[0]), config)


def _choose(listed: Metadata, config: WebConfig) -> _Columns:
    if not listed.names:  # an empty file, as a chunk of nothing found, or one without a record: no row has a URL
        return _Columns({"url": "url"}, {})
    found: dict[str, str] = {}
    for what, usual in USUAL.items():
        flag = f"--{what}-column"
        column = find_column(getattr(config, f"{what}_column", None), usual, listed.names, listed.path, flag)
        if column is not None and column not in found.values():
            found[what] = column
    if "url" not in found:
        names = ", ".join(listed.names)
        raise InputError(f"{listed.path} has no column of URLs; give one of its columns as --url-column: {names}.")
    roles = {what: found.pop(what) for what in ("url", *ROLES) if what in found}
    return _Columns(roles, {column: name for name, column in found.items()})


def _link(row: Row, file: str, source: str, columns: _Columns) -> Link:
    given = {name: value for name, value in row.columns.items() if _is_given(value)}
    role = {what: given.pop(column, None) for what, column in columns.roles.items()}
    url = readable(str(role["url"] or "")).strip()
    boxes, wrong = _boxes(role.get("box"))
    problem = row.problem or ("" if url else "has no URL") or wrong
    if problem:
        where = f"row {row.number} of {file}"
        return Link(source, f"{file} row {row.number}", url, {}, {}, problem=f"{where} {problem}", row=row.number)
    fields, extra = split_fields({columns.names.get(name, name): value for name, value in given.items()})
    return Link(
        source,
        "" if role.get("id") is None else readable(_id_text(role["id"])),
        url,
        fields,
        extra | ({columns.roles["box"]: boxes} if boxes else {}),
        sha256=str(role.get("sha256") or "").strip().lower(),
        md5=str(role.get("md5") or "").strip().lower(),
        boxes=boxes,
        row=row.number,
    )


def _with_texts(row: Row) -> Row:
    """Return a row whose cells of bytes are texts: Parquet files of other tools often do not say that they are."""
    return row._replace(columns={name: _text(value) for name, value in row.columns.items()})


def _text(value: Any) -> Any:
    try:
        return value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        return value.hex()


def _listed(row: Row, columns: _Columns, url: str) -> dict[str, Any]:
    rest = {name: value for name, value in row.columns.items() if name != columns.roles["url"]}
    captions = {what: rest.pop(name, None) for name, what in columns.names.items() if what == "caption"}
    return rest | captions | {"url": url}


def _boxes(value: Any) -> tuple[Boxes, str]:
    """Return the boxes of a cell, lists or JSON text, and what is wrong with them."""
    try:
        lists = json.loads(value) if isinstance(value, str) else value
        boxes = tuple(tuple(map(float, box)) for box in lists or ())
    except (TypeError, ValueError):
        return (), f"has boxes that are no lists of numbers: {str(value)[:80]}"
    wrong = next((box for box in boxes if len(box) != 4), None)
    return boxes, "" if wrong is None else f"has a box of {len(wrong)} numbers; left, top, right and bottom are wanted"


def _is_given(value: Any) -> bool:
    """False for an empty cell: None, or the NaN that pandas leaves in one."""
    return value is not None and not (isinstance(value, float) and math.isnan(value))


def _id_text(value: Any) -> str:
    """Return an id as text: numbers that pandas made floats are numbers still."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
