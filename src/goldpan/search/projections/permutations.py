"""Brief permutation sketches: which references come far from their place when sorted by distance."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldpan.search.projections.protocol import State, float_rows
from goldpan.search.projections.sketches import _SAMPLE_ROWS, WORD, Sketch, reference_picks

SHIFT = 22  # ceil(64 * 0.33333), as SurrogatedDistanceModels.jl has it


class BinPerms(Sketch):
    """``binperms:BITS``: BinPerms of SurrogatedDistanceModels.jl, which SISAP 2023's `hamming` files are a variant of.

    A word has 64 random rows as references. They are sorted by distance to x, nearest first, equal ones by number;
    bit j is set where the place of reference j differs from j by more than 22.
    """

    def fit(self, reader: Any, progress: Any) -> None:
        """Draw the references of each word."""
        rng = np.random.default_rng(self._seed)
        rows = self._sample(reader, _SAMPLE_ROWS, rng)
        self._references = rows[reference_picks(len(rows), self.bits // WORD, rng)]

    def apply(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return packed bits, ``(m, bits / 8)`` uint8."""
        wide = float_rows(rows, self.source_metric, self.dim_in)
        words = np.empty((len(wide), len(self._references)), "<u8")
        for column, references in enumerate(self._references):
            # The norm of x is the same for all references, so it does not change their order.
            far = wide @ references.T * np.float32(-1 if self.source_metric.is_similarity else -2)
            if not self.source_metric.is_similarity:
                far += (references**2).sum(axis=1)
            words[:, column] = _far_from_place(far)
        return words.view(np.uint8)

    def state(self) -> State:
        """Return the references, ``(words, 64, d)``."""
        return {"references": self._references}

    def restore(self, state: State) -> None:
        """Take the references."""
        self._references = state["references"]


def _far_from_place(far: NDArray[np.float32]) -> NDArray[np.uint64]:
    """Return a word for each row of distances ``(m, 64)``: bit j set where the place of column j is far from j.

    Distance and number of a column are sorted as one integer, which is faster than sorting numbers by distance and
    settles ties.
    """
    bits = (far + np.float32(0)).view(np.int32)  # adding zero makes -0 a 0
    ordered = bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))  # as integers in the order of the floats
    keys = (ordered.astype(np.int64) << 6) | np.arange(WORD)
    keys.sort(axis=1)
    columns = keys & (WORD - 1)
    moved = np.abs(columns - np.arange(WORD)) > SHIFT
    word: NDArray[np.uint64] = np.bitwise_or.reduce(moved.astype(np.uint64) << columns.astype(np.uint64), axis=1)
    return word
