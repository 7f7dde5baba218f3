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
        numbers = np.arange(WORD)
        words = []
        for references in self._references:
            # The norm of x is the same for all references, so it does not change their order.
            far = wide @ references.T * np.float32(-1 if self.source_metric.is_similarity else -2)
            if not self.source_metric.is_similarity:
                far += (references**2).sum(axis=1)
            order = np.argsort(far, axis=1, kind="stable")
            places = np.empty_like(order)
            np.put_along_axis(places, order, numbers[None], axis=1)
            words.append(np.packbits(np.abs(places - numbers) > SHIFT, axis=1, bitorder="little"))
        return np.concatenate(words, axis=1)

    def state(self) -> State:
        """Return the references, ``(words, 64, d)``."""
        return {"references": self._references}

    def restore(self, state: State) -> None:
        """Take the references."""
        self._references = state["references"]
