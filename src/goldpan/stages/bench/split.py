"""Which rows become queries, base and learn.

The rule of Open Images-512 (IntelLabs VectorSearchDatasets): shuffle all row numbers with a seed; the first are the
queries, the next the base, the last the learn set. A smaller base is a prefix of a larger one. The shuffle is the
legacy Mersenne Twister one, so that a published seed gives the published split.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import InputError

Rows = NDArray[np.int64]


class Split(NamedTuple):
    """Row numbers of each set, int64, in the order in which they are written; no row is in two sets."""

    queries: Rows
    base: Rows
    learn: Rows


class Sizes(NamedTuple):
    """How many rows each set shall have; `base` None takes what is left."""

    queries: int
    base: int | None
    learn: int


def split_rows(n: int, sizes: Sizes, seed: int, groups: Sequence[object] | None = None) -> Split:
    """Split `n` rows.

    Args:
        n: number of rows.
        sizes: how many go where.
        seed: of the shuffle.
        groups: a key a row; rows with equal keys stay in one set (their surplus is left out of a full set).

    Raises:
        InputError: there are too few rows, or too few groups.
    """
    shuffle = np.random.RandomState(seed)
    if groups is None:
        order = np.arange(n)
        shuffle.shuffle(order)
        return _cut(order, sizes, n)
    queries, learn, rest = _by_group(groups, sizes, shuffle)
    base = rest if sizes.base is None else rest[: sizes.base]
    if len(queries) < sizes.queries or len(learn) < sizes.learn or len(base) < max(1, sizes.base or 1):
        raise InputError(
            f"{n} rows in {len(set(groups))} groups are too few for {sizes.queries} queries, {sizes.learn} learn "
            f"and {sizes.base or 'some'} base rows; ask for fewer, or group by a finer column."
        )
    return Split(queries, base, learn)


def _cut(order: Rows, sizes: Sizes, n: int) -> Split:
    base = sizes.base if sizes.base is not None else n - sizes.queries - sizes.learn
    if base < 1 or sizes.queries + base + sizes.learn > n:
        raise InputError(
            f"{n} rows are too few for {sizes.queries} queries, {sizes.learn} learn and {max(base, 1)} base rows; "
            "lower --queries, --learn or --base."
        )
    start, end = sizes.queries, sizes.queries + base
    return Split(order[:start], order[start:end], order[end : end + sizes.learn])


def _by_group(groups: Sequence[object], sizes: Sizes, shuffle: np.random.RandomState) -> tuple[Rows, Rows, Rows]:
    members: dict[object, list[int]] = {}
    for row, key in enumerate(groups):
        members.setdefault(key, []).append(row)
    keys = list(members)
    order = np.arange(len(keys))
    shuffle.shuffle(order)
    queue = iter(order)

    def fill(size: int) -> Rows:
        rows: list[int] = []
        while len(rows) < size:
            key = next(queue, None)
            if key is None:
                break
            rows += members[keys[key]]
        chosen = np.array(rows[:size], np.int64)
        shuffle.shuffle(chosen)
        return chosen

    queries, learn = fill(sizes.queries), fill(sizes.learn)
    rest = np.array([row for key in queue for row in members[keys[key]]], np.int64)
    shuffle.shuffle(rest)
    return queries, learn, rest


def class_order(rows: Rows, labels: Sequence[str | None]) -> Rows:
    """Reorder `rows` class after class: larger classes first, then by name; the order within a class is kept."""
    sizes = Counter(labels[row] for row in rows)
    ranks = {label: i for i, label in enumerate(sorted(sizes, key=lambda label: (-sizes[label], label or "")))}
    return rows[np.argsort([ranks[labels[row]] for row in rows], kind="stable")]
