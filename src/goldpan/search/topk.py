"""The running answer: for each query its k best (key, id) pairs seen so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldpan.core.records import Floats, Ids


@dataclass(slots=True)
class TopK:
    """Best first, ties by lower id; updated in place by the kernels.

    Attributes:
        keys: ``(n_queries, k)`` float64, higher is nearer; -inf where nothing is known yet.
        ids: ``(n_queries, k)`` int64; -1 where nothing is known yet.
        survivors: ``(n_queries,)`` int64, how many rows were scored in float64.
        fallbacks: ``(n_queries,)`` bool, narrow codes left so many rows that wide ones were used.
    """

    keys: Floats
    ids: Ids
    survivors: Ids
    fallbacks: NDArray[np.bool_]

    @classmethod
    def empty(cls, n_queries: int, k: int) -> TopK:
        """Return the answer before any row was seen."""
        keys = np.full((n_queries, k), -np.inf)
        ids = np.full((n_queries, k), -1, np.int64)
        return cls(keys, ids, np.zeros(n_queries, np.int64), np.zeros(n_queries, np.bool_))

    def part(self, span: slice | Ids) -> TopK:
        """Return those queries: a view of a slice, a copy of what has been picked by number."""
        return TopK(self.keys[span], self.ids[span], self.survivors[span], self.fallbacks[span])

    def put(self, queries: Ids, answers: TopK) -> None:
        """Take back what `part` gave out."""
        for mine, theirs in zip(self.arrays, answers.arrays, strict=True):
            mine[queries] = theirs

    @property
    def arrays(self) -> tuple[NDArray[Any], ...]:
        """Return all fields."""
        return self.keys, self.ids, self.survivors, self.fallbacks

    def merge(self, queries: Ids, keys: Floats, ids: Ids) -> None:
        """Take in scored rows; none may be in the answer already.

        Args:
            queries: ``(m,)`` number of the query of each scored row, ascending.
            keys: ``(m,)`` its key.
            ids: ``(m,)`` its id.
        """
        if not len(queries):
            return
        k = self.keys.shape[1]
        touched, counts = np.unique(queries, return_counts=True)
        self.survivors[touched] += counts
        owner = np.concatenate([np.repeat(touched, k), queries])
        all_keys = np.concatenate([self.keys[touched].ravel(), keys])
        all_ids = np.concatenate([self.ids[touched].ravel(), ids])
        order = np.lexsort((all_ids, -all_keys, owner))
        starts = np.concatenate([[0], np.cumsum(counts + k)[:-1]])
        best = order[starts[:, None] + np.arange(k)]
        self.keys[touched] = all_keys[best]
        self.ids[touched] = all_ids[best]
