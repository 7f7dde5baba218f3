"""Filter: keep the images of a workspace that show what they are labelled with, and that are not in a test set.

What unmet-promise does with what it retrieved: CLIP scores of class-wise captions, a threshold or the best of each
class, then nothing that repeats an image of the test set. Every image that goes has its reason, in a table beside the
list. Vectors are read in blocks.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from goldpan.compute.executor import Executor
from goldpan.core.errors import InputError
from goldpan.core.progress import Progress
from goldpan.core.records import Floats, Metric, Report
from goldpan.encoders.loading import load_encoder
from goldpan.encoders.protocol import Encoder
from goldpan.formats.atomic import replace_file
from goldpan.formats.class_lists import read_classes
from goldpan.formats.json_text import read_json
from goldpan.search.exact import exact_search
from goldpan.stages.retrieve.config import FilterConfig
from goldpan.stages.stage import Stage
from goldpan.store.tables import Table
from goldpan.store.workspace import Workspace, vector_array

_BLOCK_ROWS = 65_536
FAR, CROWDED, REPEATS, UNKNOWN = "far_from_text", "not_among_the_nearest", "in_test_set", "class_not_listed"


def run(ws: Workspace, config: FilterConfig, executor: Executor, progress: Progress) -> Report:
    """Write which images stay, a line an id, and why the others do not.

    Raises:
        InputError: vectors, classes or the test set are not there, or do not fit together.
    """
    table = ws.find_vectors(config.encoder or config.against_encoder or _only(ws))
    ids = table.to_table(columns=["id"])["id"].to_pylist()
    labels = _labels(ws, ids)
    progress.start("filter", len(ids))
    reasons: dict[str, str] = {}
    scores = np.full(len(ids), np.nan)
    if config.classes is not None or config.texts:
        scores = _scores(config, table, labels, progress)
        reasons |= _by_score(config, ids, labels, scores)
    repeated = _repeated(ws, config) if config.against is not None else {}
    for key, (other, similarity) in repeated.items():
        reasons.setdefault(key, f"{REPEATS}: {other} ({similarity:.4f})")
    kept = [key for key in ids if key not in reasons]
    with replace_file(config.output) as temporary:
        temporary.write_text("".join(f"{key}\n" for key in kept))
    why = config.output.with_suffix(".reasons.csv")
    _write_reasons(why, ids, labels, scores, reasons)
    progress.finish()
    counts = Counter(reason.partition(":")[0] for reason in reasons.values())
    return Report(
        "retrieve filter",
        rows_in=len(ids),
        rows_out=len(ids),
        outputs={str(config.output): f"{len(kept):,} ids that stay", str(why): "score and reason of every image"},
        details={"kept": len(kept), "left_out": dict(sorted(counts.items()))},
    )


def _labels(ws: Workspace, ids: Sequence[str]) -> list[str | None]:
    """Return the labels of images."""
    rows = ws.images.to_table(columns=["id", "label"])
    known = dict(zip(rows["id"].to_pylist(), rows["label"].to_pylist(), strict=True))
    return [known.get(key) for key in ids]


def _only(ws: Workspace) -> str:
    names = [name for name in ws.vector_names() if ws.vectors_table(name).metadata.get("encodes_text")]
    if len(names) != 1:
        raise InputError(f"{ws.path} has {len(names)} tables of vectors that texts compare to; choose with --encoder.")
    return names[0]


def _scores(config: FilterConfig, table: Table, labels: Sequence[str | None], progress: Progress) -> Floats:
    """Return the similarity of every image to its text; nan where its class is not listed."""
    about = table.metadata
    encoder = load_encoder(about.get("resolved") or about["encoder"])
    if config.classes is None:
        texts, rows = _unit(encoder.encode_text(config.texts)), None
    else:
        classes = read_classes(config.classes)
        texts = np.stack([_mean(encoder, classes.captions(each)) for each in classes.names])
        place = {_plain(each): number for number, each in enumerate(classes.names)}
        rows = np.array([place.get(_plain(label or ""), -1) for label in labels])
    found = np.empty(len(labels))
    start = 0
    for batch in table.scan(["vector"], batch_rows=_BLOCK_ROWS):
        images = _unit(np.asarray(vector_array(batch.column("vector")), np.float32))
        span = slice(start, start + len(images))
        if rows is None:
            found[span] = (images @ texts.T).max(axis=1)
        else:
            near = np.einsum("ij,ij->i", images, texts[rows[span]], dtype=np.float64)
            found[span] = np.where(rows[span] >= 0, near, np.nan)
        start = span.stop
        progress.advance(len(images))
    return found


def _plain(label: str) -> str:
    """Labels made from file names have underscores for blanks."""
    return label.replace("_", " ").casefold()


def _mean(encoder: Encoder, captions: list[str]) -> NDArray[np.float32]:
    mean: NDArray[np.float32] = _unit(_unit(encoder.encode_text(captions)).mean(axis=0, keepdims=True))[0]
    return mean


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: NDArray[np.float32] = np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0)
    return unit


def _by_score(config: FilterConfig, ids: Sequence[str], labels: Sequence[str | None], scores: Floats) -> dict[str, str]:
    """Return the reasons of those that are too far from their text, or behind too many of their class."""
    listed = read_json(config.class_thresholds, "thresholds of classes") if config.class_thresholds else {}
    by_class: dict[str | None, list[int]] = defaultdict(list)
    reasons: dict[str, str] = {}
    for row, label in enumerate(labels):
        if np.isnan(scores[row]):
            reasons[ids[row]] = f"{UNKNOWN}: {label}"
        else:
            by_class[label].append(row)
    for label, rows in by_class.items():
        ranked = sorted(rows, key=lambda row: (-scores[row], row))
        if config.top_percent is not None:
            room = -(-len(ranked) * config.top_percent // 100)
        else:
            least = float(listed.get(label, config.threshold))
            reasons |= {ids[row]: f"{FAR}: {scores[row]:.4f} < {least:g}" for row in ranked if scores[row] < least}
            room = len(ranked)
        room = room if config.per_class is None else min(room, config.per_class)
        for row in ranked[int(room) :]:
            reasons.setdefault(ids[row], f"{CROWDED}: {int(room)} of {label}")
    return reasons


def _repeated(ws: Workspace, config: FilterConfig) -> dict[str, tuple[str, float]]:
    """Return the images that repeat one of the test set: id -> that one, and their similarity."""
    spec = config.against_encoder or ""
    test = Workspace(config.against or Path()).vectors(spec)
    repeated = {}
    for batch in ws.find_vectors(spec).scan(["id", "vector"], batch_rows=_BLOCK_ROWS):
        ids = batch.column("id").to_pylist()
        found = exact_search(test.array, vector_array(batch.column("vector")), 1, Metric.IP).neighbors
        for row in np.flatnonzero(found.scores[:, 0] > config.against_threshold):
            repeated[ids[row]] = str(test.ids[found.ids[row, 0]]), float(found.scores[row, 0])
    return repeated


def _write_reasons(
    path: Path, ids: Sequence[str], labels: Sequence[str | None], scores: Floats, reasons: dict[str, str]
) -> None:
    with replace_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "label", "similarity", "left_out"])
        for key, label, score in zip(ids, labels, scores.tolist(), strict=True):
            writer.writerow([key, label, "" if np.isnan(score) else f"{score:.6f}", reasons.get(key, "")])


STAGE = Stage("retrieve filter", FilterConfig, reads=("images", "vectors"), writes=(), run=run)
