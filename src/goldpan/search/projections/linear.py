"""Projections that stay floats: PCA, a random rotation, and rounder types."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldpan.core.arrays import bad_rows
from goldpan.core.errors import InputError
from goldpan.core.progress import Progress
from goldpan.core.records import Metric
from goldpan.search.blocks import read_blocks
from goldpan.search.projections.moments import moments, principal_axes, random_rotation
from goldpan.search.projections.protocol import FIT_BLOCK_ROWS, State, float_rows
from goldpan.search.readers import VectorReader

FLOAT = np.dtype(np.float32)
CASTS = {"float16": np.dtype(np.float16), "bfloat16": FLOAT, "int8": np.dtype(np.int8)}


class Pca:
    """``pca:N``: y = P'(x - mean), mean-centered and not whitened, as SISAP's pca32 and pca96; compared by squared L2.

    Under cosine, rows are brought to unit length first.
    """

    dtype = FLOAT
    metric = Metric.SQEUCLIDEAN

    def __init__(self, spec: str, size: str, dim: int, metric: Metric, seed: int) -> None:
        self.spec, self.dim_in, self.source_metric = spec, dim, metric
        self.dim = whole_size(spec, size, dim)

    def fit(self, reader: VectorReader, progress: Progress) -> None:
        """Find the axes of most variance."""
        mean, covariance = moments(reader, self.source_metric, progress)
        self._mean = mean.astype(np.float32)
        self._axes, self._variances = principal_axes(covariance, self.dim)

    def apply(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return the coordinates on the axes, ``(m, dim)`` float32."""
        return (float_rows(rows, self.source_metric, self.dim_in) - self._mean) @ self._axes

    def state(self) -> State:
        """Return mean, axes and variances."""
        return {"mean": self._mean, "axes": self._axes, "variances": self._variances}

    def restore(self, state: State) -> None:
        """Take mean, axes and variances."""
        self._mean, self._axes, self._variances = state["mean"], state["axes"], state["variances"]


class Rotation:
    """``rotate``: a seeded random rotation, of any dimension; all metrics of floats stay what they are."""

    dtype = FLOAT

    def __init__(self, spec: str, size: str, dim: int, metric: Metric, seed: int) -> None:
        if size:
            raise InputError(f"{spec}: rotate keeps the dimensions; leave out ':{size}'.")
        self.spec, self.dim_in, self.dim, self.source_metric, self.metric = spec, dim, dim, metric, metric
        self._seed = seed

    def fit(self, reader: VectorReader, progress: Progress) -> None:
        """Draw the rotation; the rows do not matter."""
        self._turn = random_rotation(np.random.default_rng(self._seed), self.dim)

    def apply(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return the rotated rows, ``(m, dim)`` float32."""
        return float_rows(rows, Metric.IP, self.dim_in) @ self._turn

    def state(self) -> State:
        """Return the rotation."""
        return {"turn": self._turn}

    def restore(self, state: State) -> None:
        """Take the rotation."""
        self._turn = state["turn"]


class Cast:
    """``cast:float16``, ``cast:bfloat16`` (float32 whose last 16 bits are zeros), ``cast:int8``.

    int8 takes one scale for all values, 127 over the largest magnitude of the table, so that the order of inner
    products and of distances is kept up to rounding; values beyond, which queries may have, are cut. Put a rotation
    before it where few axes are far larger than the rest: ``rotate+cast:int8``.
    """

    def __init__(self, spec: str, size: str, dim: int, metric: Metric, seed: int) -> None:
        if size not in CASTS:
            raise InputError(f"{spec}: rows can be cast to {', '.join(CASTS)}.")
        self.spec, self.dim_in, self.dim, self.source_metric, self.metric = spec, dim, dim, metric, metric
        self.dtype = CASTS[size]
        self._to = size
        self._scale = np.float32(1)

    def fit(self, reader: VectorReader, progress: Progress) -> None:
        """Look for the largest magnitude, for int8."""
        if self._to != "int8":
            return
        largest = np.float32(0)
        progress.start("scale", reader.n)
        for block in read_blocks(reader, FIT_BLOCK_ROWS, range(reader.n)):
            rows = float_rows(block.rows, Metric.IP, self.dim_in)
            largest = max(largest, np.float32(rows.max()), np.float32(-rows.min()))
            progress.advance(len(rows))
        progress.finish()
        self._scale = np.float32(127) / largest if largest else np.float32(1)

    def apply(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return the rows in the other type.

        Raises:
            InputError: a value is too large for float16 or bfloat16.
        """
        wide = float_rows(rows, Metric.IP, self.dim_in)
        if self._to == "int8":
            codes: NDArray[np.int8] = np.clip(np.rint(wide * self._scale), -127, 127).astype(np.int8)
            return codes
        with np.errstate(over="ignore"):
            cast = wide.astype(np.float16) if self._to == "float16" else _bfloat16(wide)
        if len(bad_rows(cast)):
            raise InputError(f"Row {bad_rows(cast)[0]} of a block has values too large for {self._to}; scale first.")
        return cast

    def state(self) -> State:
        """Return the scale."""
        return {"scale": np.array([self._scale], np.float32)}

    def restore(self, state: State) -> None:
        """Take the scale."""
        self._scale = np.float32(state["scale"][0])


def _bfloat16(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Round float32 to the nearest value of bfloat16, ties to even."""
    bits = np.ascontiguousarray(rows).view(np.uint32)
    rounded: NDArray[np.float32] = ((bits + np.uint32(0x7FFF) + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)).view(FLOAT)
    return rounded


def whole_size(spec: str, size: str, most: int | None = None, multiple: int = 1) -> int:
    """Return the number after the colon of a spec.

    Raises:
        InputError: there is none, or it is not in range.
    """
    number = int(size) if size.isdecimal() else 0
    if number < 1 or number % multiple or (most is not None and number > most):
        limit = f" up to {most}" if most is not None else ""
        wanted = f"a multiple of {multiple}" if multiple > 1 else "a whole number"
        raise InputError(f"{spec}: after the colon comes {wanted}{limit}, such as {spec.partition(':')[0]}:{multiple}.")
    return number
