"""Rows that are the same within a set, or on both sides of a split."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from goldpan.core.records import Metric
from goldpan.formats.protocol import VectorReader
from goldpan.search.duplicates import hash_rows
from goldpan.stages.verify.finding import Finding, Part, Verdict

_IDENTITIES = ("id", "sha256")


class Fingerprints(NamedTuple):
    """A 64-bit hash of every row's bytes, sorted, and the rows they belong to."""

    hashes: NDArray[np.uint64]
    rows: NDArray[np.int64]


def fingerprints(vectors: VectorReader) -> Fingerprints:
    """Hash every row of a set, in bounded memory (16 bytes a row stay)."""
    hashes = np.concatenate([np.empty(0, np.uint64), *(hash_rows(block) for block in vectors.blocks())])
    rows = np.argsort(hashes, kind="stable")
    return Fingerprints(hashes[rows], rows)


def check_duplicates(part: Part, prints: Fingerprints) -> Iterator[Finding]:
    """Count rows of a set that are equal to an earlier row of it."""
    repeats = int((prints.hashes[1:] == prints.hashes[:-1]).sum())
    name = f"{part.name} duplicates"
    if repeats:
        yield Finding(name, Verdict.NOTE, f"{repeats:,} of {len(prints.rows):,} vectors repeat another one")
    else:
        yield Finding(name, Verdict.OK, "no two vectors are equal")


def check_vectors_apart(
    one: Part, other: Part, prints: Fingerprints, other_prints: Fingerprints, metric: Metric
) -> Iterator[Finding]:
    """Look for vectors that are on both sides; short binary codes may meet by chance, so there it is a note."""
    places = np.searchsorted(other_prints.hashes, prints.hashes)
    places[places == len(other_prints.hashes)] = 0
    same = other_prints.hashes[places] == prints.hashes if len(other_prints.hashes) else np.zeros(len(places), bool)
    pairs = [
        (int(row), int(match))
        for row, match in zip(prints.rows[same], other_prints.rows[places[same]], strict=True)
        if np.array_equal(one.vectors.take([row]), other.vectors.take([match]))
    ]
    name = f"{one.name} and {other.name} apart"
    if not pairs:
        yield Finding(name, Verdict.OK, "no vector is in both")
        return
    row, match = min(pairs)
    detail = f"{len(pairs):,} vectors of {one.name} are also in {other.name}, the first is row {row} = row {match}"
    verdict = Verdict.NOTE if metric is Metric.HAMMING else Verdict.FAILED
    advice = "" if verdict is Verdict.NOTE else "; make the split with --group-by sha256 if images repeat"
    yield Finding(name, verdict, detail + advice)


def check_keys_apart(one: Part, other: Part, group_by: str | None) -> Iterator[Finding]:
    """Look for an id, a file, or a group of the split that is on both sides."""
    if one.keys is None or other.keys is None:
        return
    for column in dict.fromkeys([*_IDENTITIES, *([group_by] if group_by else [])]):
        shared = _values(one, column) & _values(other, column)
        # Crops of one photo share its bytes: only a split that was to keep them apart has failed then.
        if column == "sha256" and ("parent_id" in one.keys or group_by is not None):
            continue
        if shared:
            detail = f"{len(shared):,} values of {column} are in both, such as {min(map(str, shared))}"
            yield Finding(f"{one.name} and {other.name} by {column}", Verdict.FAILED, detail)


def _values(part: Part, column: str) -> set[Any]:
    return {value for value in (part.keys or {}).get(column, ()) if value is not None}
