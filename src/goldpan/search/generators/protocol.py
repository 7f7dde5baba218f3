"""What a model of data looks like, and a table of its rows that are made when they are read."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import ArrayError

BLOCK_ROWS = 8192
PARTS = ("base", "queries", "learn")


class Span(NamedTuple):
    """Which rows to draw: of which part ("base", "queries" or "learn"), and of how many that part has."""

    part: str
    rows: range
    n: int


class Drawn(NamedTuple):
    """Rows ``(m, dim)`` (a CSR matrix where the model is sparse), and the class of each, ``(m,)`` int64, if any."""

    rows: NDArray[Any]
    labels: NDArray[np.int64] | None


class Model(Protocol):
    """A distribution of rows.

    Attributes:
        dim: values a row, bytes a row where they are packed bits.
        dtype: of the values.
    """

    dim: int
    dtype: np.dtype[Any]

    def draw(self, rng: np.random.Generator, span: Span) -> Drawn:
        """Draw the rows of a span; `rng` is for these rows alone."""


class ModelReader:
    """A `goldpan.search.readers.VectorReader` over a part of a dataset; equal rows come out each time.

    Args:
        model: what the rows are drawn from.
        part: "base", "queries" or "learn".
        n: rows of the part.
        seed: with the part's name and the number of a block, it decides what is in the block.
    """

    def __init__(self, model: Model, part: str, n: int, seed: int) -> None:
        self.n, self.dim, self.dtype = n, model.dim, model.dtype
        self._model, self._part, self._seed = model, part, seed
        self._last: tuple[int, Drawn] | None = None

    def draw(self, block: int) -> Drawn:
        """Return block number `block`, of `BLOCK_ROWS` rows, the last one shorter; the latest is kept."""
        if self._last is None or self._last[0] != block:
            start = block * BLOCK_ROWS
            rng = np.random.default_rng([self._seed, PARTS.index(self._part), block])
            span = Span(self._part, range(start, min(self.n, start + BLOCK_ROWS)), self.n)
            self._last = block, self._model.draw(rng, span)
        return self._last[1]

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return rows `start` to `stop` (excluded), ``(stop - start, dim)``.

        Raises:
            ArrayError: the rows are not there.
        """
        if not 0 <= start <= stop <= self.n:
            raise ArrayError(f"Rows {start} to {stop} were asked for; there are rows 0 to {self.n}.")
        rows = np.empty((stop - start, self.dim), self.dtype)
        for block in range(start // BLOCK_ROWS, -(-stop // BLOCK_ROWS)):
            first = block * BLOCK_ROWS
            low, high = max(start, first), min(stop, first + BLOCK_ROWS)
            rows[low - start : high - start] = self.draw(block).rows[low - first : high - first]
        return rows
