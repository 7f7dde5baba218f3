"""Open Images boxes: one row of `images` for every labelled box, cut as Open Images-512 cuts its crops.

Source: IntelLabs VectorSearchDatasets (openimages), the v6 box CSV: ImageID, Source, LabelName, Confidence,
XMin, XMax, YMin, YMax as fractions, then the flags. Boxes with a confidence other than 1 are left out there too.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from goldpan.compute.executor import Executor
from goldpan.core.errors import FormatError, InputError, Reason
from goldpan.core.progress import Progress
from goldpan.core.records import Report
from goldpan.stages.acquire.config import OpenImagesConfig
from goldpan.stages.acquire.hints import flags_that_help
from goldpan.stages.acquire.intake import Candidate, Crop, Member, absolute, admit
from goldpan.stages.acquire.photos import Photos
from goldpan.stages.stage import Stage
from goldpan.store.failures import Failure
from goldpan.store.workspace import Workspace

_SIDES = ("XMin", "YMin", "XMax", "YMax")
FLAGS = ("IsOccluded", "IsTruncated", "IsGroupOf", "IsDepiction", "IsInside")
_NEEDED = ("ImageID", "LabelName", *_SIDES)
_TYPES = {"ImageID": pa.string(), "LabelName": pa.string(), "Source": pa.string(), "Confidence": pa.float64()}
_TYPES |= {side: pa.float64() for side in _SIDES}


def run(ws: Workspace, config: OpenImagesConfig, executor: Executor, progress: Progress) -> Report:
    """Read boxes in file order; crop n of an image has the id ``<ImageID>_<n>``, counted before any filter."""
    for path, what in ((config.boxes, "the box CSV"), (config.image_list, "the image list")):
        if path is not None and not path.is_file():
            raise InputError(f"{path} is not a file; {what} is needed.")
    listed = _read_list(config.image_list) if config.image_list else None
    names = _read_descriptions(config.class_descriptions) if config.class_descriptions else {}
    source = f"openimages:{absolute(config.boxes)}"
    photos = Photos(ws, config, source, listed or {})
    if config.fetch_from is not None:
        photos.bring((image_id for image_id, boxes in _boxes(config, listed) if _any_usable(boxes, config)), progress)
    numbers: Counter[str] = Counter()

    def candidates() -> Iterator[Candidate]:
        for image_id, boxes in _boxes(config, listed):
            yield _candidate(image_id, boxes, numbers, names, config, photos)

    report = admit(ws, config, source, candidates(), executor, progress)
    if listed is not None:
        report.details["images_listed"] = len(listed)
        report.details["images_without_boxes"] = len(listed.keys() - numbers.keys())
    if config.fetch_from is not None:
        report.details |= {"images_fetched": photos.brought, "images_not_fetched": len(photos.missed)}
        report.next_steps += flags_that_help(config, report.failures)
    return report


def _boxes(config: OpenImagesConfig, listed: dict[str, str] | None) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield the boxes of each image that is asked for, in file order."""
    for image_id, boxes in groupby(_rows(config.boxes), key=lambda row: str(row["ImageID"])):
        if listed is None or image_id in listed:
            yield image_id, list(boxes)


def _any_usable(boxes: list[dict[str, Any]], config: OpenImagesConfig) -> bool:
    return any(_problem("", row, config) is None for row in boxes)


def _rows(boxes: Path) -> Iterator[dict[str, Any]]:
    for batch in _batches(boxes):
        missing = [name for name in _NEEDED if name not in batch.schema.names]
        if missing:
            raise InputError(f"{boxes} lacks the columns {', '.join(missing)}; it has {', '.join(batch.schema.names)}.")
        yield from batch.to_pylist()


def _batches(boxes: Path) -> Iterator[pa.RecordBatch]:
    from pyarrow import csv as arrow_csv

    converted = arrow_csv.ConvertOptions(column_types=_TYPES, strings_can_be_null=True)
    try:
        with arrow_csv.open_csv(boxes, convert_options=converted) as reader:
            yield from reader
    except pa.ArrowInvalid as error:
        raise FormatError(boxes, str(error).splitlines()[0]) from error


def _candidate(
    image_id: str,
    rows: list[dict[str, Any]],
    numbers: Counter[str],
    names: dict[str, str],
    config: OpenImagesConfig,
    photos: Photos,
) -> Candidate:
    path = photos.find(image_id)
    members = []
    for row in rows:
        key = f"{config.id_prefix}{image_id}_{numbers[image_id]}"
        numbers[image_id] += 1
        problem = _problem(key, row, config)
        if problem is None and path is None:
            problem = Failure(key, *photos.why_not(image_id))
        members.append(Member(key, problem=problem) if problem else _member(key, image_id, row, names, config))
    return Candidate(absolute(path) if path else "", tuple(members))


def _member(key: str, image_id: str, row: dict[str, Any], names: dict[str, str], config: OpenImagesConfig) -> Member:
    label = row["LabelName"]
    fields = {"parent_id": image_id, "label": names.get(label, label)}
    x_min, y_min, x_max, y_max = (float(row[side]) for side in _SIDES)
    crop = Crop(x_min, y_min, x_max, y_max, config.min_side)
    extra = {name: row[name] for name in ("LabelName", "Source", "Confidence", *FLAGS) if row.get(name) is not None}
    return Member(key, fields, extra, crop)


def _problem(key: str, row: dict[str, Any], config: OpenImagesConfig) -> Failure | None:
    if row.get("Confidence") not in (None, 1.0):
        return Failure(key, Reason.FILTERED, f"confidence {row['Confidence']}, only 1 is taken")
    flagged = [flag for flag in config.exclude if row.get(flag) == 1]
    if flagged:
        return Failure(key, Reason.FILTERED, f"{', '.join(flagged)} is set")
    if any(row[side] is None for side in _SIDES):
        return Failure(key, Reason.BAD_BOX, "a side of the box is missing")
    return None


def _read_list(path: Path) -> dict[str, str]:
    """Return the ids of a list, each with the folder that stands before it."""
    lines = (PurePosixPath(line.strip()) for line in path.read_text().splitlines() if line.strip())
    return {line.stem: line.parent.name for line in lines}


def _read_descriptions(path: Path) -> dict[str, str]:
    if not path.is_file():
        raise InputError(f"{path} is not a file; the class descriptions are needed.")
    with path.open(newline="") as file:
        return {row[0]: row[1] for row in csv.reader(file) if len(row) == 2 and row[0] != "LabelName"}


STAGE = Stage("acquire openimages", OpenImagesConfig, reads=(), writes=("images", "blobs", "failures"), run=run)
