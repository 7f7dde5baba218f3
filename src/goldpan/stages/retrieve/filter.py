"""Filter: keep the images of a workspace that show what they are labelled with, and that are not in a test set.

What unmet-promise does with what it retrieved: CLIP scores of class-wise captions, a threshold or the best of each
class, then nothing that repeats an image of the test set. Every image that goes has its reason, in a table beside the
list. Vectors are read in blocks.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np

from goldpan.compute.executor import Executor
from goldpan.core.errors import FormatError, InputError
from goldpan.core.progress import Progress
from goldpan.core.records import Metric, Report
from goldpan.formats.atomic import replace_file
from goldpan.formats.class_lists import read_classes
from goldpan.formats.imagefolder import Picture, write_imagefolder
from goldpan.formats.json_text import read_json
from goldpan.search.exact import exact_search
from goldpan.stages.retrieve.config import FilterConfig
from goldpan.stages.retrieve.likeness import likeness, plain
from goldpan.stages.stage import Stage
from goldpan.store.workspace import Workspace, vector_array

_BLOCK_ROWS, _READ_ROWS = 65_536, 1024
_OF_IMAGES = ("id", "uri", "label", "caption", "sha256", "width", "height", "format", "extra")
FAR, CROWDED, REPEATS = "far_from_text", "not_among_the_nearest", "in_test_set"
UNKNOWN, UNSEEN = "class_not_listed", "no_vector"


def run(ws: Workspace, config: FilterConfig, executor: Executor, progress: Progress) -> Report:
    """Write which images stay, a line an id, and why the others do not.

    Raises:
        InputError: vectors, classes or the test set are not there, or do not fit together.
        FormatError: a file is not what its name says.
    """
    rows = ws.images.to_table(columns=["id", "label"])
    labels = dict(zip(rows["id"].to_pylist(), rows["label"].to_pylist(), strict=True))
    if not labels:
        raise InputError(f"{ws.path} holds no images; fetch what was retrieved: goldpan retrieve fetch {ws.path} FOUND")
    progress.start("filter")
    reasons: dict[str, str] = {}
    scores: dict[str, float] = {}
    if config.classes is not None or config.texts:
        scores = likeness(ws, config, labels, progress)
        reasons = _by_score(config, labels, scores)
    if config.against is not None:
        for key, reason in _by_test_set(ws, config, labels, progress):
            reasons.setdefault(key, reason)
    progress.finish()
    kept = [key for key in labels if key not in reasons]
    with replace_file(config.output) as temporary:
        temporary.write_text("".join(f"{key}\n" for key in kept), encoding="utf-8")
    why = config.output.with_suffix(".reasons.csv")
    with replace_file(why) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "label", "similarity", "left_out"])
        for key, label in labels.items():
            score = scores.get(key, np.nan)
            writer.writerow([key, label, "" if np.isnan(score) else f"{score:.6f}", reasons.get(key, "")])
    counts = Counter(reason.partition(":")[0] for reason in reasons.values())
    report = Report(
        "retrieve filter",
        rows_in=len(labels),
        rows_out=len(labels),
        outputs={str(config.output): f"{len(kept):,} ids that stay", str(why): "score and reason of every image"},
        details={"kept": len(kept), "left_out": dict(sorted(counts.items()))},
    )
    if config.imagefolder is not None:
        _write_imagefolder(ws, config, reasons, report)
    return report


def _by_score(config: FilterConfig, labels: dict[str, str | None], scores: dict[str, float]) -> dict[str, str]:
    """Return the reasons of those that are too far from their text, or behind too many of their class."""
    listed = _thresholds(config)
    by_class: dict[str | None, list[str]] = defaultdict(list)
    reasons: dict[str, str] = {}
    for key, label in labels.items():
        if key not in scores:
            reasons[key] = UNSEEN
        elif np.isnan(scores[key]):
            reasons[key] = f"{UNKNOWN}: {label}"
        else:
            by_class[label].append(key)
    for label, keys in by_class.items():
        ranked = sorted(keys, key=lambda key: -scores[key])
        room = len(ranked) if config.per_class is None else config.per_class
        if config.top_percent is not None:
            room = min(room, int(np.ceil(len(ranked) * config.top_percent / 100)))
        else:
            least = listed.get(plain(label), config.threshold)
            reasons |= {key: f"{FAR}: {scores[key]:.4f} < {least:g}" for key in ranked if scores[key] < least}
        for key in ranked[room:]:
            reasons.setdefault(key, f"{CROWDED}: {room} of {label}")
    return reasons


def _thresholds(config: FilterConfig) -> dict[str, float]:
    if config.class_thresholds is None:
        return {}
    listed: Any = read_json(config.class_thresholds, "thresholds of classes")
    if not isinstance(listed, dict) or not all(isinstance(each, int | float) for each in listed.values()):
        raise FormatError(config.class_thresholds, 'thresholds of classes are {"class": 0.25, ...}.')
    classes = {plain(name) for name in read_classes(config.classes).names} if config.classes is not None else set()
    unknown = next((name for name in listed if classes and plain(name) not in classes), None)
    if unknown is not None:
        raise FormatError(config.class_thresholds, f"{unknown!r} is none of the classes of {config.classes}.")
    return {plain(name): float(least) for name, least in listed.items()}


def _by_test_set(
    ws: Workspace, config: FilterConfig, labels: dict[str, str | None], progress: Progress
) -> Iterator[tuple[str, str]]:
    """Yield the images that repeat one of the test set or cannot be compared, with the reason."""
    spec = config.against_encoder or ""
    assert config.against is not None  # noqa: S101  the caller sees to it
    test = Workspace(config.against).vectors(spec)
    unseen = dict.fromkeys(labels)
    for batch in ws.find_vectors(spec).scan(["id", "vector"], batch_rows=_BLOCK_ROWS):
        found = exact_search(test.array, vector_array(batch.column("vector")), 1, Metric.COSINE).neighbors
        for key, ids, scores in zip(batch.column("id").to_pylist(), found.ids, found.scores, strict=True):
            unseen.pop(key, None)
            if key in labels and scores[0] > config.against_threshold:
                yield key, f"{REPEATS}: {test.ids[ids[0]]} ({scores[0]:.4f})"
        progress.advance(batch.num_rows)
    yield from ((key, UNSEEN) for key in unseen)


def _write_imagefolder(ws: Workspace, config: FilterConfig, reasons: dict[str, str], report: Report) -> None:
    """Write the images that stay, and count those that cannot be read."""
    assert config.imagefolder is not None  # noqa: S101  the caller sees to it
    batches = ws.images.scan(_OF_IMAGES, batch_rows=_READ_ROWS)
    rows = (row for batch in batches for row in batch.to_pylist() if row["id"] not in reasons)
    written = write_imagefolder(config.imagefolder, map(Picture.of, rows), ws.blobs.read_all)
    report.outputs[str(config.imagefolder)] = f"{written.images:,} images in folders of their classes, metadata.json"
    report.details["imagefolder_repeated"] = written.repeated
    report.failures = dict(Counter(error.reason.value for _, error in written.lost))
    report.rows_out -= len(written.lost)


STAGE = Stage("retrieve filter", FilterConfig, reads=("images", "vectors"), writes=(), run=run)
