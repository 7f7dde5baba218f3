"""Filter: keep the images of a workspace that show what they are labelled with, and that are not in a test set.

What unmet-promise does with what it retrieved: CLIP scores of class-wise captions, a threshold or the best of each
class, then nothing that repeats an image of the test set. Every image that goes has its reason, in a table beside the
list. Images and vectors are read in blocks; what is held of an image is a few numbers.
"""

from __future__ import annotations

import csv
from collections import Counter
from itertools import chain, compress
from pathlib import Path

import numpy as np

from goldpan.compute.executor import Executor
from goldpan.core.errors import InputError
from goldpan.core.progress import Progress
from goldpan.core.records import Report
from goldpan.formats.atomic import replace_file
from goldpan.formats.imagefolder import Picture, write_imagefolder
from goldpan.stages.retrieve.config import FilterConfig
from goldpan.stages.retrieve.likeness import likeness
from goldpan.stages.retrieve.numbered import BLOCK_ROWS, read_labels
from goldpan.stages.retrieve.verdict import REASONS, STAYS, Verdict
from goldpan.stages.stage import Stage
from goldpan.store.workspace import Workspace

_READ_ROWS = 1024
_OF_IMAGES = ("id", "uri", "label", "caption", "sha256", "width", "height", "format", "extra")


def run(ws: Workspace, config: FilterConfig, executor: Executor, progress: Progress) -> Report:
    """Write which images stay, a line an id, and why the others do not.

    Raises:
        InputError: vectors, classes or the test set are not there, or do not fit together.
        FormatError: a file is not what its name says.
    """
    labels = read_labels(ws)
    n = len(labels.of)
    if not n:
        raise InputError(f"{ws.path} holds no images; fetch what was retrieved: goldpan retrieve fetch {ws.path} FOUND")
    progress.start("filter")
    verdict = Verdict(labels)
    if config.classes is not None or config.texts:
        verdict.by_score(config, *likeness(ws, config, labels, progress))
    if config.against is not None:
        verdict.by_test_set(config, ws, progress)
    progress.finish()
    why = config.output.with_suffix(".reasons.csv")
    _write(ws, verdict, config.output, why)
    counts = dict(zip(REASONS, np.bincount(verdict.reasons, minlength=len(REASONS)).tolist(), strict=True))
    kept = counts.pop(STAYS)
    report = Report(
        "retrieve filter",
        rows_in=n,
        rows_out=n,
        outputs={str(config.output): f"{kept:,} ids that stay", str(why): "score and reason of every image"},
        details={"kept": kept, "left_out": {name: count for name, count in sorted(counts.items()) if count}},
    )
    if config.imagefolder is not None:
        _write_imagefolder(ws, config, verdict, report)
    return report


def _write(ws: Workspace, verdict: Verdict, output: Path, why: Path) -> None:
    """Write the ids that stay, a line each, and what is to be said of every image."""
    number = 0
    with (
        replace_file(output) as kept,
        replace_file(why) as told,
        kept.open("w", encoding="utf-8") as list_file,
        told.open("w", newline="", encoding="utf-8") as table_file,
    ):
        writer = csv.writer(table_file)
        writer.writerow(["id", "label", "similarity", "left_out"])
        for batch in ws.images.scan(["id", "label"], batch_rows=BLOCK_ROWS):
            for key, label in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                score, reason = verdict.scores[number], verdict.words(number)
                writer.writerow([key, label, "" if np.isnan(score) else f"{score:.6f}", reason])
                list_file.write("" if reason else f"{key}\n")
                number += 1


def _write_imagefolder(ws: Workspace, config: FilterConfig, verdict: Verdict, report: Report) -> None:
    """Write the images that stay, and count those that cannot be read."""
    assert config.imagefolder is not None  # noqa: S101  the caller sees to it
    batches = ws.images.scan(_OF_IMAGES, batch_rows=_READ_ROWS)
    rows = compress(chain.from_iterable(batch.to_pylist() for batch in batches), verdict.stay)
    written = write_imagefolder(config.imagefolder, map(Picture.of, rows), ws.blobs.read_all)
    report.outputs[str(config.imagefolder)] = f"{written.images:,} images in folders of their classes, metadata.json"
    report.details["imagefolder_repeated"] = written.repeated
    report.failures = dict(Counter(error.reason.value for _, error in written.lost))
    report.rows_out -= len(written.lost)


STAGE = Stage("retrieve filter", FilterConfig, reads=("images", "vectors"), writes=(), run=run)
