"""Two truths of the same queries side by side: where they differ, and whether a tie explains it."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from goldpan.core.errors import ArrayError
from goldpan.core.records import Floats, Ids
from goldpan.search.derive import truth_ids

_TIE = 1e-6  # of the larger score, as far as float32 resolves it


class Kind(StrEnum):
    """Why two lists differ, from harmless to wrong."""

    TIE = "tie"
    ORDER = "order"
    NEIGHBORS = "neighbors"


class Difference(NamedTuple):
    """A query whose lists differ.

    Attributes:
        query: its number.
        kind: "tie" (neighbors as near as each other changed places), "order" (others did) or "neighbors" (other ids).
        ranks: the first and last rank, from 1, between which the lists differ.
        ids: the ids of the one truth there.
        others: the ids of the other.
        why: one sentence.
    """

    query: int
    kind: Kind
    ranks: tuple[int, int]
    ids: list[int]
    others: list[int]
    why: str


class Comparison(NamedTuple):
    """How two truths compare, each query as deep as both lists go.

    Attributes:
        queries: how many.
        same_order: lists that are equal, id by id.
        same_sets: lists that hold the same ids.
        shallowest: the fewest ids that were compared for a query.
        deepest: the most.
        differences: one for each query whose lists differ.
    """

    queries: int
    same_order: int
    same_sets: int
    shallowest: int
    deepest: int
    differences: list[Difference]

    @property
    def agrees(self) -> bool:
        """True where nothing but ties differs."""
        return all(difference.kind is Kind.TIE for difference in self.differences)


def compare_truths(truth: ArrayLike, other: ArrayLike, scores: ArrayLike | None = None) -> Comparison:
    """Compare two truths of the same queries over the same base.

    Without scores two neighbors that changed places are taken for a tie: both truths hold both, and whoever computed
    them found the one order as right as the other. Longer shuffles, or other ids, need scores to be called a tie.

    Args:
        truth: ``(n_queries, k)`` ids, best first, -1 where there is none.
        other: ``(n_queries, k2)`` likewise; lists are compared as far as both go.
        scores: ``(n_queries, k)`` scores of `truth`.

    Raises:
        ArrayError: other numbers of queries, or scores of another shape.
    """
    one, two = truth_ids(truth), truth_ids(other)
    values = None if scores is None else np.asarray(scores, np.float64)
    if len(one) != len(two):
        raise ArrayError(
            f"Truths of {len(one)} and {len(two)} queries cannot be compared; give those of the same ones."
        )
    if values is not None and values.shape != one.shape:
        raise ArrayError(f"Scores have shape {values.shape}, ids {one.shape}; they must be the same.")
    width = min(one.shape[1], two.shape[1])
    depth = np.minimum((one >= 0).sum(axis=1), (two >= 0).sum(axis=1))
    inside = np.arange(width) < depth[:, None]
    one, two = np.where(inside, one[:, :width], -1), np.where(inside, two[:, :width], -1)
    ordered = (one == two).all(axis=1)
    sets = (np.sort(one, axis=1) == np.sort(two, axis=1)).all(axis=1)
    found = [
        _difference(row, one[row, : depth[row]], two[row, : depth[row]], None if values is None else values[row])
        for row in np.flatnonzero(~ordered).tolist()
    ]
    least, most = (int(depth.min()), int(depth.max())) if len(depth) else (0, 0)
    return Comparison(len(one), int(ordered.sum()), int(sets.sum()), least, most, found)


def _difference(query: int, one: Ids, two: Ids, scores: Floats | None) -> Difference:
    differing = np.flatnonzero(one != two)
    first, last = int(differing[0]), int(differing[-1])
    ids, others = one[first : last + 1].tolist(), two[first : last + 1].tolist()
    kind, why = _reason(one, two, scores, first)
    return Difference(query, kind, (first + 1, last + 1), ids, others, why)


def _reason(one: Ids, two: Ids, scores: Floats | None, first: int) -> tuple[Kind, str]:
    missing = np.setdiff1d(one, two)
    if len(missing):
        if scores is not None and _tied_at_the_end(one, two, scores[: len(one)]):
            return Kind.TIE, f"other ids of the same score in the last ranks, from {first + 1} on: a tie cut off"
        return Kind.NEIGHBORS, f"{len(missing)} ids of the one, such as {missing[0]}, are not in the other"
    blocks = list(_blocks(one, two))
    if scores is not None and all(_tied(scores[start:stop]) for start, stop in blocks):
        return Kind.TIE, f"{_named(one, blocks)} changed places and have the same score: a tie"
    if scores is None and all(stop - start == 2 for start, stop in blocks):
        return Kind.TIE, f"{_named(one, blocks)} are swapped, next to each other: taken for a tie, as no distances tell"
    return Kind.ORDER, f"the same ids, but {_named(one, blocks)} in another order"


def _tied_at_the_end(one: Ids, two: Ids, scores: Floats) -> bool:
    """Tell whether nothing differs but ties, the last of which goes beyond the end of the lists."""
    cut = next(rank for rank in range(len(one)) if _tied(scores[rank:]))
    before = (one[:cut], two[:cut])
    same = np.array_equal(np.sort(before[0]), np.sort(before[1]))
    return same and all(_tied(scores[start:stop]) for start, stop in _blocks(*before))


def _blocks(one: Ids, two: Ids) -> Iterator[tuple[int, int]]:
    """Yield the shortest runs of ranks that hold the same ids in another order."""
    start, ahead = 0, set[int]()
    for rank, pair in enumerate(zip(one.tolist(), two.tolist(), strict=True)):
        for number in pair if pair[0] != pair[1] else ():
            ahead ^= {number}
        if not ahead:
            if rank > start:
                yield start, rank + 1
            start = rank + 1


def _named(ids: Ids, blocks: list[tuple[int, int]]) -> str:
    start, stop = blocks[0]
    named = "ids " + ", ".join(map(str, ids[start : min(stop, start + 6)].tolist())) + ", ..." * (stop > start + 6)
    return f"{named} at ranks {start + 1} to {stop}" + (
        f" (and {len(blocks) - 1} more places)" if len(blocks) > 1 else ""
    )


def _tied(scores: Floats) -> bool:
    return bool(np.ptp(scores) <= _TIE * np.abs(scores).max(initial=0))
