"""Truth of part of a base from the truth of all of it, without a vector: the neighbors that stay, in their order.

A list of the k nearest rows of a base, less those that are not in a sub-base, is the start of the list of the
sub-base. So the 100 nearest of 13 million rows tell the 7 or 8 nearest among the first million.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from goldpan.core.errors import ArrayError, InputError
from goldpan.core.records import Floats, Ids


class Derived(NamedTuple):
    """The truth of a sub-base, as far as it is known.

    Attributes:
        ids: ``(n_queries, k)`` int64, best first, -1 after the last one that is known.
        scores: ``(n_queries, k)`` float64, nan there; None where none were given.
        depth: ``(n_queries,)`` int64, how many neighbors of each query are known; all of them are right.
    """

    ids: Ids
    scores: Floats | None
    depth: Ids

    @property
    def short(self) -> int:
        """How many lists have fewer than k ids."""
        return int((self.depth < self.ids.shape[1]).sum())


def derive(
    truth: ArrayLike,
    *,
    keep: int | ArrayLike,
    scores: ArrayLike | None = None,
    k: int | None = None,
    renumber: bool = False,
) -> Derived:
    """Filter the truth of a base down to that of a sub-base.

    Args:
        truth: ``(n_queries, K)`` ids of the base, best first, -1 where there is none.
        keep: the sub-base: a number n for the rows below n, a bool for every row of the base, or row numbers.
        scores: ``(n_queries, K)`` scores to take along.
        k: length of the new lists; K where None. Short lists end in -1.
        renumber: give ids as places among the rows kept, in ascending order, instead of rows of the base.

    Raises:
        ArrayError: shapes or types do not fit, or a mask is shorter than the base.
        InputError: nothing is kept, or k is not 1 to K.

    Example:
        >>> derive([[5, 0, 3, 1]], keep=4).ids
        array([[ 0,  3,  1, -1]])
    """
    ids = truth_ids(truth)
    k = ids.shape[1] if k is None else k
    if not 1 <= k <= ids.shape[1]:
        raise InputError(f"k must be 1 to {ids.shape[1]}, the depth of the truth, not {k}.")
    values = None if scores is None else np.asarray(scores, np.float64)
    if values is not None and values.shape != ids.shape:
        raise ArrayError(f"Scores have shape {values.shape}, ids {ids.shape}; they must be the same.")
    kept, numbers = _kept(ids, keep)
    kept &= ids >= 0
    order = np.argsort(~kept, axis=1, kind="stable")[:, :k]
    depth = kept.sum(axis=1)
    known = np.arange(k) < depth[:, None]
    found = np.where(known, np.take_along_axis(ids, order, axis=1), -1)
    if renumber and numbers is not None:
        found = np.where(known, np.searchsorted(numbers, found), -1)
    if values is not None:
        values = np.where(known, np.take_along_axis(values, order, axis=1), np.nan)
    return Derived(found, values, np.minimum(depth, k))


def _kept(ids: Ids, keep: int | ArrayLike) -> tuple[NDArray[np.bool_], Ids | None]:
    """Tell which ids stay, and the rows kept in ascending order; None where these are the first rows."""
    chosen = np.asarray(keep)
    if chosen.ndim == 0 and chosen.dtype.kind in "iu":
        if chosen < 1:
            raise InputError(f"A prefix of {chosen} rows is none; keep at least 1.")
        return ids < chosen, None
    if chosen.ndim != 1 or chosen.dtype.kind not in "biu":
        raise ArrayError(f"Rows to keep must be a number, flags or row numbers, not {chosen.dtype} {chosen.shape}.")
    if chosen.dtype == bool and len(chosen) <= ids.max(initial=-1):
        raise ArrayError(f"There are {len(chosen)} flags, but the truth names row {ids.max()}; give one a row.")
    numbers = np.flatnonzero(chosen) if chosen.dtype == bool else np.unique(chosen).astype(np.int64)
    if not len(numbers) or numbers[0] < 0:
        raise InputError("Rows to keep must be at least one, from 0.")
    places = np.minimum(np.searchsorted(numbers, ids), len(numbers) - 1)
    return numbers[places] == ids, numbers


def truth_ids(truth: ArrayLike) -> Ids:
    """Return the ids of a truth as int64.

    Raises:
        ArrayError: not whole numbers in two axes.
    """
    ids = np.asarray(truth)
    if ids.ndim != 2 or ids.dtype.kind not in "iu":
        raise ArrayError(f"A truth must be whole numbers in 2 axes (queries, k), not {ids.dtype} {ids.shape}.")
    return ids.astype(np.int64, copy=False)
