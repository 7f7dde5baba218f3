"""Rows in an array whose places are used again when rows go."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldpan.core.records import Ids

_FREE = -1


class Slots:
    """Float32 rows by slot, and the label of each.

    Args:
        dim: values a row.

    Attributes:
        rows: ``(capacity, dim)`` float32.
    """

    def __init__(self, dim: int) -> None:
        self.rows = np.empty((0, dim), np.float32)
        self._labels: Ids = np.empty(0, np.int64)
        self._where: NDArray[np.int32] = np.empty(0, np.int32)
        self._used = 0
        self._free: list[int] = []

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return self.rows.nbytes + self._labels.nbytes + self._where.nbytes

    def reserve(self, count: int) -> None:
        """Make room for so many rows at once."""
        self.rows, self._labels = _grown(self.rows, count), _grown(self._labels, count)

    def give(self, labels: Ids, rows: NDArray[Any]) -> NDArray[np.int32]:
        """Keep rows; return their slots, free ones first."""
        again = min(len(labels), len(self._free))
        slots = np.empty(len(labels), np.int32)
        slots[:again] = self._free[len(self._free) - again :]
        del self._free[len(self._free) - again :]
        fresh = len(labels) - again
        slots[again:] = np.arange(self._used, self._used + fresh)
        self._used += fresh
        self.rows = _grown(self.rows, self._used)
        self._labels = _grown(self._labels, self._used)
        self._where = _grown(self._where, int(labels.max()) + 1 if len(labels) else 0)
        self.rows[slots], self._labels[slots], self._where[labels] = rows, labels, slots
        return slots

    def take(self, labels: Ids) -> NDArray[np.int32]:
        """Free the slots of labels; return them."""
        slots = self._where[labels]
        self._labels[slots] = _FREE
        self._free.extend(slots.tolist())
        return slots

    def labels_of(self, slots: NDArray[np.int32]) -> Ids:
        """Return the labels of slots, -1 of -1."""
        found: Ids = np.where(slots < 0, _FREE, self._labels[slots])
        return found

    def live(self) -> NDArray[np.int32]:
        """Return the slots in use, ascending."""
        return np.flatnonzero(self._labels[: self._used] != _FREE).astype(np.int32)


def _grown(array: NDArray[Any], needed: int) -> NDArray[Any]:
    """Return the array with room for so many; half as much again where it must grow twice."""
    if needed <= len(array):
        return array
    room = max(needed, 3 * len(array) // 2)
    grown = np.empty((room, *array.shape[1:]), array.dtype)
    grown[: len(array)] = array
    return grown
