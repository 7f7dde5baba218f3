"""Arrays checked at the door: every public function that takes vectors calls `check_vectors` first."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import ArrayError

VECTOR_DTYPES = ("float16", "float32", "float64", "int8", "uint8")
_CHECK_BYTES = 64 << 20


def check_vectors(vectors: Any, *, name: str = "vectors", dim: int | None = None) -> NDArray[Any]:
    """Return `vectors` as a two-dimensional array of a dtype we compute with; never a copy of a good one.

    Args:
        vectors: ``(n, d)``, one of float16, float32, float64, int8, uint8, finite.
        name: what to call it in a message.
        dim: the required d, if there is one.

    Raises:
        ArrayError: wrong number of axes, dtype or d, or values that are NaN or infinite (counted, first row named).
    """
    array = np.asarray(vectors)
    if array.ndim != 2:
        raise ArrayError(f"{name} must have 2 axes (rows, dimensions), not shape {array.shape}.")
    if array.dtype.name not in VECTOR_DTYPES:
        raise ArrayError(f"{name} has dtype {array.dtype}; allowed: {', '.join(VECTOR_DTYPES)}.")
    if dim is not None and array.shape[1] != dim:
        raise ArrayError(f"{name} has {array.shape[1]} dimensions, expected {dim}.")
    bad = bad_rows(array)
    if len(bad):
        raise ArrayError(f"{name} has {len(bad)} rows with NaN or infinite values, the first is row {bad[0]}.")
    return array


def bad_rows(array: NDArray[Any]) -> NDArray[np.int64]:
    """Return the numbers of rows with NaN or infinite values, in bounded memory."""
    if array.dtype.kind != "f" or array.size == 0:
        return np.empty(0, np.int64)
    step = max(1, _CHECK_BYTES // max(1, array.shape[1] * array.itemsize))
    found = [
        start + np.flatnonzero(~np.isfinite(array[start : start + step]).all(axis=1))
        for start in range(0, len(array), step)
    ]
    return np.concatenate(found).astype(np.int64)


def unit_rows(vectors: NDArray[Any]) -> NDArray[np.float32]:
    """Return the rows at unit L2 length, ``(n, d)`` float32; a row of zeros becomes the constant 1/sqrt(d).

    The rule for zeros is that of Open Images-512 (IntelLabs VectorSearchDatasets); norms are taken in float64.
    """
    wide = vectors.astype(np.float64)
    norms = np.linalg.norm(wide, axis=1, keepdims=True)
    zero = norms[:, 0] == 0
    wide[zero] = 1.0
    norms[zero] = np.sqrt(vectors.shape[1])
    unit: NDArray[np.float32] = (wide / norms).astype(np.float32)
    return unit
