"""The same benchmark in another layout: what `goldpan publish` does with a release."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldpan.core.records import Floats, Metric
from goldpan.formats.ann_benchmarks import file_in
from goldpan.formats.benchmark import CARD, Benchmark, read_benchmark, write_benchmark
from goldpan.formats.protocol import VectorReader
from goldpan.formats.release import METADATA, PICTURE, Manifest, SetInfo
from goldpan.formats.truth import Truth

_TRUTHS = {"queries": "truth", "learn": "learn_truth"}
_IN_ONE_FILE = {
    "base": "train",
    "queries": "test",
    "truth": "neighbors",
    "learn": "learn",
    "learn_truth": "learn_neighbors",
}


def relayout(source: Path, target: Path, manifest: Manifest, layout: str) -> Manifest:
    """Write the benchmark in `source` to the folder `target`, with its metadata and picture.

    Args:
        source: a release folder, sealed or not.
        target: an empty folder; it still has to be sealed.
        manifest: what is in `source`.
        layout: one of `goldpan.formats.benchmark.LAYOUTS`.

    Returns:
        The manifest of the new folder.

    Raises:
        UnknownName: no such layout.
        InputError: the layout has no file for the vectors' type.
    """
    write_benchmark(target, _with_distances(read_benchmark(source, manifest.metric)), layout)
    if (source / METADATA).is_dir():
        shutil.copytree(source / METADATA, target / METADATA)
    if (source / PICTURE).is_file():
        shutil.copyfile(source / PICTURE, target / PICTURE)
    addresses = _addresses(target)
    sets = {
        name: SetInfo(
            rows=part.rows,
            vectors=addresses[name],
            truth=addresses.get(_TRUTHS.get(name, "")),
            metadata=part.metadata,
        )
        for name, part in manifest.sets.items()
    }
    return manifest.model_copy(update={"layout": layout, "sets": sets})


def _with_distances(benchmark: Benchmark[VectorReader]) -> Benchmark[VectorReader]:
    """Add the distances that a layout of ids alone has dropped: one a query and neighbor, in float64."""
    truth = _scored(benchmark, benchmark.queries, benchmark.truth)
    learn_truth = benchmark.learn_truth
    if benchmark.learn is not None and learn_truth is not None:
        learn_truth = _scored(benchmark, benchmark.learn, learn_truth)
    return replace(benchmark, truth=truth, learn_truth=learn_truth)


def _scored(benchmark: Benchmark[VectorReader], queries: VectorReader, truth: Truth) -> Truth:
    if truth.distances is not None or benchmark.metric is None:
        return truth
    distances = np.empty(truth.ids.shape)
    for row, ids in enumerate(truth.ids):
        distances[row] = pair_scores(queries.take([row])[0], benchmark.base.take(ids), benchmark.metric)
    return Truth(truth.ids, distances)


def pair_scores(query: NDArray[Any], rows: NDArray[Any], metric: Metric) -> Floats:
    """Return the metric between one query ``(d,)`` and each of some rows ``(k, d)``, ``(k,)`` float64."""
    if metric is Metric.HAMMING:
        bits: Floats = np.bitwise_count(query ^ rows).sum(axis=1).astype(np.float64)
        return bits
    left, right = query.astype(np.float64), rows.astype(np.float64)
    if metric in (Metric.L2, Metric.SQEUCLIDEAN):
        squares: Floats = ((right - left) ** 2).sum(axis=1)
        return squares if metric is Metric.SQEUCLIDEAN else np.sqrt(squares)
    products: Floats = right @ left
    if metric is Metric.IP:
        return products
    lengths = np.linalg.norm(left) * np.linalg.norm(right, axis=1)
    cosines: Floats = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
    return cosines


def _addresses(folder: Path) -> dict[str, str]:
    """Return where each role of a benchmark lies within its folder."""
    if (folder / CARD).is_file():
        files: dict[str, str] = json.loads((folder / CARD).read_text("utf-8"))["files"]
        return files
    name = file_in(folder).name
    return {role: f"{name}:{key}" for role, key in _IN_ONE_FILE.items()}
