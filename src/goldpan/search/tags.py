"""Which rows are live, and under which tags: the bookkeeping of a stream of inserts, deletes and replacements."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from goldpan.core.errors import InputError
from goldpan.core.records import Ids

IdsLike = ArrayLike | range


class Tags:
    """Live tags and the rows they stand for, each for one; at first none.

    Args:
        n: rows and tags are numbers from 0 to n - 1.

    Attributes:
        of_rows: ``(n + 1,)`` int64, the tag of every row, -1 where it is not live; the last is no row.
        moved: ``(n,)`` bool, which live rows have a tag that is not their number.
    """

    def __init__(self, n: int) -> None:
        self.n = n
        self.of_rows: Ids = np.full(n + 1, -1)
        self.moved: NDArray[np.bool_] = np.zeros(n, bool)
        self._rows: Ids = np.full(n, -1)  # of every tag

    @property
    def live(self) -> NDArray[np.bool_]:
        """Which rows are live, ``(n,)``."""
        return self.of_rows[:-1] >= 0

    def insert(self, ids: IdsLike) -> Ids:
        """Make rows live under their own numbers; return them.

        Raises:
            InputError: an id is no row, given twice, or live already, as a row or as a tag.
        """
        numbers = self._numbers(ids, "id")
        self._check_free(numbers[(self.of_rows[numbers] >= 0) | (self._rows[numbers] >= 0)])
        self._take(numbers, numbers)
        return numbers

    def delete(self, tags: IdsLike) -> None:
        """Take tags away, and with them the rows they stand for.

        Raises:
            InputError: a tag is not live, or given twice.
        """
        self._drop(self._find(tags))

    def replace(self, tags: IdsLike, ids: IdsLike) -> Ids:
        """Let live tags stand for other rows; return these.

        Raises:
            InputError: a tag is not live, a row is live already, or there are not as many of the one as of the other.
        """
        rows, numbers = self._find(tags), self._numbers(ids, "id")
        if len(rows) != len(numbers):
            raise InputError(f"{len(rows)} tags cannot stand for {len(numbers)} rows; give as many of both.")
        kept = self.of_rows[rows]
        self._check_free(numbers[(self.of_rows[numbers] >= 0) & ~np.isin(numbers, rows)])
        self._drop(rows)
        self._take(kept, numbers)
        return numbers

    def _find(self, tags: IdsLike) -> Ids:
        numbers = self._numbers(tags, "tag")
        rows = self._rows[numbers]
        if (rows < 0).any():
            raise InputError(f"tag {numbers[rows < 0][0]} is not live.")
        return rows

    def _drop(self, rows: Ids) -> None:
        self._rows[self.of_rows[rows]] = -1
        self.of_rows[rows] = -1
        self.moved[rows] = False

    def _take(self, tags: Ids, rows: Ids) -> None:
        self._rows[tags], self.of_rows[rows] = rows, tags
        self.moved[rows] = tags != rows

    def _numbers(self, values: IdsLike, name: str) -> Ids:
        numbers = np.asarray(values)
        if numbers.ndim != 1 or (numbers.size and numbers.dtype.kind not in "iu"):
            raise InputError(f"Each {name} must be a whole number, all in one list, not {numbers.dtype}.")
        wrong = numbers[(numbers < 0) | (numbers >= self.n)]
        if len(wrong) or len(np.unique(numbers)) < len(numbers):
            problem = f"{name} {wrong[0]} is none of 0..{self.n - 1}" if len(wrong) else f"a {name} is given twice"
            raise InputError(f"{problem}; each can be named once.")
        return numbers.astype(np.int64)

    @staticmethod
    def _check_free(busy: Ids) -> None:
        if len(busy):
            raise InputError(f"id {busy[0]} is live already; delete it first.")
