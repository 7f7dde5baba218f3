"""Rows held out to ask with, rows to try candidates on, and two halves of the queries."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from goldpan.core.arrays import check_vectors
from goldpan.core.errors import InputError
from goldpan.core.records import Ids
from goldpan.search.projections.protocol import sample_rows
from goldpan.search.readers import ArrayReader, VectorReader, WithoutRows
from goldpan.search.tune.settings import Questions

_HELD_SHARE, _HELD_MOST = 20, 2_000
_SMALL_SHARE, _SMALL_HELD, _FEWEST = 5, 200, 20  # of few rows more are held out: 20 queries are the fewest that tell


class Sides(NamedTuple):
    """What is indexed while tuning, what is asked, and how the two were one table.

    Attributes:
        base: rows to index.
        queries: ``(m, dim)``.
        ids: ``(base.n,)`` row numbers of the base in the whole table; None where it is the table.
        held: ``(m,)`` row numbers of the queries in the table; None where they came from elsewhere.
    """

    base: VectorReader
    queries: NDArray[Any]
    ids: Ids | None
    held: Ids | None


def held_out(table: VectorReader, queries: NDArray[Any] | None, seed: int) -> Sides:
    """Take the queries given, else hold out a twentieth of the rows, 2,000 at most, a fifth of few.

    Raises:
        InputError: there are too few.
    """
    if queries is not None:
        if len(queries) < _FEWEST:
            raise InputError(f"{len(queries)} queries are too few to tell anything; give {_FEWEST} or more.")
        return Sides(table, check_vectors(queries, name="queries", dim=table.dim), None, None)
    count = min(max(table.n // _HELD_SHARE, min(table.n // _SMALL_SHARE, _SMALL_HELD)), _HELD_MOST)
    if count < _FEWEST:
        raise InputError(
            f"{table.n} rows are too few to hold some out; give queries, or {_FEWEST * _SMALL_SHARE} rows."
        )
    held = np.sort(np.random.default_rng(seed).choice(table.n, count, replace=False))
    base = WithoutRows(table, held)
    return Sides(base, _taken(table, held), base.rows(np.arange(base.n)), held)


def some_rows(table: VectorReader, count: int, seed: int) -> NDArray[Any]:
    """Return random rows of a table, in its order."""
    if isinstance(table, WithoutRows):
        numbers = np.sort(np.random.default_rng(seed + 1).choice(table.n, count, replace=False))
        return _taken(table.table, table.rows(numbers))
    if isinstance(table, ArrayReader):
        numbers = np.sort(np.random.default_rng(seed + 1).choice(table.n, count, replace=False))
        return np.asarray(table.array[numbers])
    return sample_rows(table, count, np.random.default_rng(seed + 1))


def split_questions(asked: Questions, seed: int) -> tuple[Questions, Questions]:
    """Deal queries out at random: one half chooses, the other judges."""
    order = np.random.default_rng(seed).permutation(len(asked.rows))
    first, second = order[: len(order) // 2], order[len(order) // 2 :]
    one, other = (Questions(asked.rows[half], asked.truth[half], asked.confidence) for half in (first, second))
    return one, other


def _taken(table: VectorReader, numbers: Ids) -> NDArray[Any]:
    """Return the rows of these numbers, ascending."""
    if isinstance(table, ArrayReader):
        return np.asarray(table.array[numbers])
    take = getattr(table, "take", None)
    if take is not None:
        return np.asarray(take(numbers))
    return np.concatenate([table.read(int(row), int(row) + 1) for row in numbers])
