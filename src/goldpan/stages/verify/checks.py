"""Checks of values and of ground truth, each a function that yields findings."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from goldpan.core.arrays import bad_rows
from goldpan.core.records import Floats, Metric
from goldpan.formats.protocol import VectorReader
from goldpan.stages.verify.brute import brute_force
from goldpan.stages.verify.finding import Finding, Part, Verdict

_UNIT_TOLERANCE = 1e-4
_TIE_TOLERANCE = 1e-6
_DISTANCE_TOLERANCE = 1e-4  # files hold float32, some computed in float32


def check_values(part: Part, *, normalized: bool) -> Iterator[Finding]:
    """Look for NaN and infinity, rows of zeros, and rows that are not of unit length though they should be."""
    broken = zeros = off = 0
    worst = 0.0
    for block in part.vectors.blocks():
        bad = bad_rows(block)
        broken += len(bad)
        if part.vectors.dtype == np.uint8:
            continue
        norms = np.linalg.norm(np.delete(block, bad, axis=0).astype(np.float64), axis=1)
        zeros += int((norms == 0).sum())
        if normalized and len(norms):
            errors = np.abs(norms - 1)
            off += int((errors > _UNIT_TOLERANCE).sum())
            worst = max(worst, float(errors.max()))
    name = f"{part.name} values"
    if broken:
        yield Finding(name, Verdict.FAILED, f"{broken} rows hold NaN or infinity")
    if off:
        yield Finding(name, Verdict.FAILED, f"{off} rows are not of unit length (off by up to {worst:.2g})")
    if zeros and not normalized:
        yield Finding(name, Verdict.NOTE, f"{zeros} rows are all zeros")
    if not broken and not off:
        unit = f", unit length to {worst:.1g}" if normalized else ""
        yield Finding(name, Verdict.OK, f"{part.vectors.n:,} rows, finite{unit}")


def check_truth_shape(part: Part, n_base: int, k: int | None) -> Iterator[Finding]:
    """Look at the ids of a ground truth: one row a query, k of them, in range, none twice."""
    if part.truth is None:
        return
    name = f"{part.name} truth"
    problems = []
    rows, columns = part.truth.shape
    if rows != part.vectors.n:
        problems.append(f"{rows} rows of truth for {part.vectors.n} vectors")
    if k is not None and columns != k:
        problems.append(f"{columns} neighbors a row, {k} promised")
    outside = np.flatnonzero(((part.truth < 0) | (part.truth >= n_base)).any(axis=1))
    if len(outside):
        problems.append(f"{len(outside)} rows hold ids outside 0..{n_base - 1}, the first is row {outside[0]}")
    ordered = np.sort(part.truth, axis=1)
    twice = np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).any(axis=1))
    if len(twice):
        problems.append(f"{len(twice)} rows hold an id twice, the first is row {twice[0]}")
    for problem in problems:
        yield Finding(name, Verdict.FAILED, problem)
    if not problems:
        yield Finding(name, Verdict.OK, f"{rows:,} x {columns}, ids in range, none twice")


def check_truth_sample(part: Part, base: VectorReader, metric: Metric, sample: int, seed: int) -> Iterator[Finding]:
    """Recompute the truth of some queries by plain float64 brute force, which shares no code with the exact search."""
    if part.truth is None or len(part.truth) != part.vectors.n:
        return
    if part.truth.shape[1] > base.n or not ((part.truth >= 0) & (part.truth < base.n)).all():
        return  # the shape check has said so
    rows = np.sort(np.random.default_rng(seed).choice(part.vectors.n, min(sample, part.vectors.n), replace=False))
    listed = part.truth[rows]
    found = brute_force(base, part.vectors.take(rows), listed, metric)
    wrong = [
        int(row)
        for row, one, other, best, given in zip(rows, listed, found.ids, found.scores, found.given, strict=True)
        if not np.array_equal(one, other) and not _same_up_to_ties(best, given)
    ]
    name = f"{part.name} truth recomputed"
    if wrong:
        detail = f"{len(wrong)} of {len(rows)} sampled queries have other neighbors, the first is query {wrong[0]}"
        yield Finding(name, Verdict.FAILED, detail)
    else:
        yield Finding(name, Verdict.OK, f"{len(rows)} sampled queries agree with float64 brute force")
    if part.distances is not None:
        yield _check_distances(f"{part.name} distances", rows, part.distances[rows], found.given)


def _check_distances(name: str, rows: NDArray[np.int64], stored: Floats, given: Floats) -> Finding:
    """Hold the distances that a file has, in float32 or float64, against those recomputed for the same ids."""
    scale = np.maximum(np.abs(given).max(axis=1), np.finfo(float).tiny)
    errors = np.nan_to_num(np.abs(stored - given).max(axis=1) / scale, nan=np.inf)
    wrong = rows[errors > _DISTANCE_TOLERANCE]
    if len(wrong):
        detail = f"{len(wrong)} of {len(rows)} sampled queries have other distances than their neighbors, the first is "
        return Finding(name, Verdict.FAILED, f"{detail}query {wrong[0]}")
    worst = f"agree with float64 to {errors.max(initial=0):.1g} of the largest"
    return Finding(name, Verdict.OK, f"those of {len(rows)} sampled queries {worst}")


def _same_up_to_ties(best: NDArray[np.float64], given: NDArray[np.float64]) -> bool:
    scale = max(float(np.abs(best).max()), np.finfo(float).tiny)
    return bool(np.all(np.abs(best - given) <= _TIE_TOLERANCE * scale))
