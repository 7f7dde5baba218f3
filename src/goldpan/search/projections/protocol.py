"""What every projection looks like from outside, and how the rows come to it."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from goldpan.core.arrays import bad_rows
from goldpan.core.errors import ArrayError
from goldpan.core.progress import Progress
from goldpan.core.records import Metric
from goldpan.search.readers import VectorReader

FIT_BLOCK_ROWS = 4096
State = dict[str, NDArray[Any]]


class Projection(Protocol):
    """Turns rows into smaller ones; made unfitted by `goldpan.search.projections.loading.open_projection`.

    Attributes:
        spec: what made it.
        dim_in: values a row that comes in.
        dim: values a row that goes out; bytes where they are packed bits.
        dtype: of the values that go out.
        source_metric: how near is measured among rows that come in.
        metric: how near is measured among rows that go out.
    """

    spec: str
    dim_in: int
    dim: int
    dtype: np.dtype[Any]
    source_metric: Metric
    metric: Metric

    def fit(self, reader: VectorReader, progress: Progress) -> None:
        """Learn from the rows of a table, in blocks."""

    def apply(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return the projections of rows ``(m, dim_in)``: ``(m, dim)``; threads may call it at once.

        Raises:
            ArrayError: wrong shape, or a value is NaN or infinite.
        """

    def state(self) -> State:
        """Return all that `fit` learned."""

    def restore(self, state: State) -> None:
        """Take the place of what `state` returned."""


def float_rows(rows: NDArray[Any], metric: Metric, dim: int) -> NDArray[np.float32]:
    """Return rows as float32, at unit length where the metric is cosine (zeros stay zeros); not a view to write to.

    Raises:
        ArrayError: they have not `dim` values, or one is NaN or infinite.
    """
    if rows.ndim != 2 or rows.shape[1] != dim:
        raise ArrayError(f"Rows to project must have {dim} values, not shape {rows.shape}.")
    if len(bad_rows(rows)):
        raise ArrayError(f"Row {bad_rows(rows)[0]} of a block to project has NaN or infinite values.")
    wide = np.asarray(rows, np.float32)
    if metric is not Metric.COSINE:
        return wide
    norms = np.sqrt(np.einsum("ij,ij->i", wide, wide, dtype=np.float64))[:, None]
    unit: NDArray[np.float32] = np.divide(wide, norms, out=np.zeros_like(wide), where=norms > 0, casting="same_kind")
    return unit


def sample_rows(reader: VectorReader, count: int, rng: np.random.Generator) -> NDArray[Any]:
    """Return `count` random rows of a table, all where it has fewer, in the table's order."""
    ids = np.sort(rng.choice(reader.n, min(count, reader.n), replace=False))
    take = getattr(reader, "take", None)
    if take is not None:
        taken: NDArray[Any] = take(ids)
        return taken
    return np.concatenate([reader.read(int(row), int(row) + 1) for row in ids])
