"""Change the type of values without losing any, unless that was asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from goldpan.core.arrays import VECTOR_DTYPES
from goldpan.core.errors import ArrayError, UnknownName


def parse_dtype(name: DTypeLike) -> np.dtype[Any]:
    """Return the dtype a name stands for, in the byte order of this machine.

    Raises:
        UnknownName: NumPy knows none of that name.
    """
    try:
        return np.dtype(name).newbyteorder("=")
    except TypeError:
        raise UnknownName("dtype", str(name), VECTOR_DTYPES) from None


def is_lossless(source: np.dtype[Any], target: np.dtype[Any]) -> bool:
    """Return whether every value of `source` is one of `target`."""
    return np.can_cast(source, target, "safe")


def fitting_dtype(source: np.dtype[Any], allowed: Iterable[str]) -> np.dtype[Any] | None:
    """Return `source` if it is allowed, else the first allowed type that takes all its values, else None."""
    fitting = [name for name in allowed if is_lossless(source, np.dtype(name))]
    if source.name in fitting:
        return source
    return np.dtype(fitting[0]) if fitting else None


def as_float64(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return a copy in float64, without NumPy's warning where bits of a damaged file are a signaling NaN."""
    with np.errstate(invalid="ignore"):
        return values.astype(np.float64)


def cast_rows(rows: NDArray[Any], dtype: np.dtype[Any], first_row: int) -> NDArray[Any]:
    """Return `rows` as `dtype`, ``(n, d)``; the same array where it has that dtype.

    A float type rounds to the nearest value it has. A whole-number type takes whole numbers within its range
    only: scaling is not a matter of file formats.

    Raises:
        ArrayError: a value is too large for a float type, or is none that a whole-number type has; row named.
    """
    if rows.dtype == dtype:
        return rows
    with np.errstate(over="ignore", invalid="ignore"):
        cast = rows.astype(dtype)
        if is_lossless(rows.dtype, dtype):
            return cast
        if dtype.kind == "f":
            wrong = ~np.isfinite(cast) & np.isfinite(rows)
        else:
            limits = np.iinfo(dtype)
            wrong = (rows < limits.min) | (rows > limits.max) | (cast.astype(rows.dtype) != rows)
    if wrong.any():
        row, column = (int(place[0]) for place in np.nonzero(wrong))
        value = rows[row, column]
        raise ArrayError(f"Row {first_row + row} holds {value}, which {dtype} does not have; scale the vectors first.")
    return cast
