"""Ids as people give them, and the running numbers under which an engine holds the rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import ArrayError, InputError
from goldpan.core.records import Ids

_GONE = -1


class Labels:
    """Which id each running number stands for.

    Engines differ in what they take as an id, and some hold on to ids that were removed (hnswlib #309); so each
    row gets a number that is never used twice, and only this table knows ids.
    """

    def __init__(self) -> None:
        self._ids: Ids = np.empty(0, np.int64)
        self._used = 0
        self._gone = 0
        self._where: dict[int, int] | None = None  # made when the first row comes or goes: most indexes never change

    @property
    def n(self) -> int:
        """Number of ids in use."""
        return self._used - self._gone

    @property
    def nbytes(self) -> int:
        """Bytes of the table, without the dictionary that an index that changes needs."""
        return self._ids.nbytes

    def give(self, ids: Ids) -> Ids:
        """Return new numbers for ids, ``(m,)`` ascending.

        Raises:
            ArrayError: ids are not whole numbers on one axis, or below 0.
            InputError: an id is in use or comes twice.
        """
        ids = checked_ids(ids)
        if len(ids) and len(np.unique(ids)) < len(ids):
            values, counts = np.unique(ids, return_counts=True)
            raise InputError(f"id {values[counts > 1][0]} comes twice; each row needs an id of its own.")
        if self._used:
            taken = next((i for i in ids.tolist() if i in self._lookup()), None)
            if taken is not None:
                raise InputError(f"id {taken} is in use; remove it first.")
        first, self._used = self._used, self._used + len(ids)
        if self._used > len(self._ids):
            grown = np.full(max(self._used, 2 * len(self._ids)) if first else self._used, _GONE)
            grown[:first] = self._ids[:first]
            self._ids = grown
        self._ids[first : self._used] = ids
        labels = np.arange(first, self._used)
        if self._where is not None:
            self._where.update(zip(ids.tolist(), labels.tolist(), strict=True))
        return labels

    def take(self, ids: Ids) -> Ids:
        """Return the numbers of ids, ``(m,)``, which are then free.

        Raises:
            ArrayError: ids are not whole numbers on one axis, or below 0.
            InputError: an id is not there or comes twice.
        """
        ids, where = checked_ids(ids), self._lookup()
        missing = next((i for i in ids.tolist() if i not in where), None)
        if missing is not None:
            raise InputError(f"id {missing} is not in the index.")
        values, counts = np.unique(ids, return_counts=True)
        if len(values) < len(ids):
            raise InputError(f"id {values[counts > 1][0]} comes twice; name each id once.")
        labels = np.fromiter((where.pop(i) for i in ids.tolist()), np.int64, len(ids))
        self._ids[labels] = _GONE
        self._gone += len(ids)
        return labels

    def named(self, labels: NDArray[np.integer]) -> Ids:
        """Return the ids of numbers of any shape; -1 stays -1."""
        if not self._used:
            return np.full(labels.shape, _GONE)
        found: Ids = self._ids[labels]
        found[labels < 0] = _GONE
        return found

    def close_gaps(self) -> None:
        """Number the rows that are left 0, 1, 2 ... in their order."""
        kept = self._ids[: self._used]
        self._ids = kept[kept != _GONE]
        self._used, self._gone, self._where = len(self._ids), 0, None

    def dump(self) -> Ids:
        """Return the table, -1 where a row is gone."""
        return self._ids[: self._used]

    def restore(self, table: Ids) -> None:
        """Take the place of what `dump` gave."""
        self._ids, self._used, self._where = table, len(table), None
        self._gone = int((table == _GONE).sum())

    def _lookup(self) -> dict[int, int]:
        if self._where is None:
            live = np.flatnonzero(self._ids[: self._used] != _GONE)
            self._where = dict(zip(self._ids[live].tolist(), live.tolist(), strict=True))
        return self._where


def checked_ids(ids: Ids) -> Ids:
    """Return ids as ``(m,)`` int64.

    Raises:
        ArrayError: they are not whole numbers on one axis, or one is below 0.
    """
    array = np.asarray(ids)
    if array.ndim != 1 or (array.dtype.kind not in "iu" and array.size):
        raise ArrayError(f"ids must be whole numbers on one axis, not {array.dtype} of shape {array.shape}.")
    if array.size and int(array.min()) < 0:
        raise ArrayError(f"ids must be 0 or more, not {array.min()}.")
    if array.size and int(array.max()) > np.iinfo(np.int64).max:
        raise ArrayError(f"ids must fit int64, not {array.max()}.")
    return array.astype(np.int64)
