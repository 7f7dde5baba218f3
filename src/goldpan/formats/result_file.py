"""What the result files of all benchmarks share: tables and attributes in HDF5, read without trust."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from goldpan.core.errors import ArrayError, FormatError, InputError
from goldpan.core.records import Floats, Ids
from goldpan.formats.casts import as_float64, cast_rows
from goldpan.formats.hdf5_file import attribute, check_stored, plain

if TYPE_CHECKING:
    import h5py

Plain = str | int | float | bool


def fill(group: h5py.Group, attributes: Mapping[str, Any], tables: Mapping[str, NDArray[Any]]) -> None:
    """Write attributes, leaving out those that are None, and tables."""
    for name, value in attributes.items():
        if value is not None:
            group.attrs[name] = value
    for name, table in tables.items():
        group.create_dataset(name, data=table)


def stored_ids(ids: ArrayLike, first_id: int = 0, missing: int = -1) -> NDArray[np.int32]:
    """Return ids from 0, -1 for a missing neighbor, as a file counts them, ``(n_queries, k)`` int32.

    Raises:
        ArrayError: no whole numbers in two axes, or one that int32 does not have.
    """
    rows = np.asarray(ids)
    if rows.ndim != 2 or rows.dtype.kind not in "iu" or (rows.size and rows.min() < -1):
        raise ArrayError(f"Ids must be whole numbers from -1 on in 2 axes, not {rows.dtype} of shape {rows.shape}.")
    wide = rows.astype(np.int64)
    return cast_rows(np.where(wide == -1, missing, wide + first_id), np.dtype(np.int32), 0)


def stored_distances(distances: ArrayLike, ids: NDArray[Any]) -> NDArray[np.float32]:
    """Return distances as float32, of the shape of `ids`.

    Raises:
        ArrayError: another shape, or a number beyond float32.
    """
    values = np.asarray(distances, np.float64)
    if values.shape != ids.shape:
        raise ArrayError(f"Distances have shape {values.shape}, ids {ids.shape}; they must be the same.")
    return cast_rows(values, np.dtype(np.float32), 0)


def read_ids(path: Path, group: h5py.Group, name: str, first_id: int = 0, missing: int = -1) -> Ids:
    """Return ids from 0, -1 for a missing neighbor, ``(n_queries, k)`` int64.

    Raises:
        FormatError: no such table, no whole numbers, or an id below the first.
    """
    stored = read_table(path, group, name, "iu", 2).astype(np.int64)
    absent = stored == missing
    ids = stored - first_id
    wrong = (ids < 0) & ~absent
    if wrong.any():
        row = int(np.flatnonzero(wrong.any(axis=1))[0])
        raise FormatError(path, f"{name} holds {stored[wrong][0]}; its ids count from {first_id}.", row=row)
    ids[absent] = -1
    return ids


def read_distances(path: Path, group: h5py.Group, name: str, ids: Ids) -> Floats | None:
    """Return distances beside ids, ``(n_queries, k)`` float64, or None where there are none.

    Raises:
        FormatError: no numbers, or of another shape than the ids.
    """
    if name not in group:
        return None
    values = as_float64(read_table(path, group, name, "fiu", 2))
    if values.shape != ids.shape:
        raise FormatError(path, f"{name} has shape {values.shape}, the ids {ids.shape}.")
    return values


def read_table(path: Path, group: h5py.Group, name: str, kinds: str, axes: int) -> NDArray[Any]:
    """Return a dataset whole.

    Raises:
        FormatError: there is none, of other axes or values, or not all of it is there.
    """
    import h5py

    data = group.get(name)
    if not isinstance(data, h5py.Dataset) or data.ndim != axes or data.dtype.kind not in kinds:
        raise FormatError(path, f"{group.name.rstrip('/')}/{name} is no table of numbers with {axes} axes.")
    check_stored(path, data)
    try:
        return np.asarray(data[()])
    except OSError as error:
        raise FormatError(path, f"{name} cannot be read ({error}).") from None


def number(path: Path, group: h5py.Group, name: str) -> float:
    """Return an attribute, or a scalar dataset, that must be a number.

    Raises:
        FormatError: it is missing or none.
    """
    value = optional_number(path, group, name)
    if value is None:
        raise FormatError(path, f"the attribute {name} is missing.")
    return value


def optional_number(path: Path, group: h5py.Group, name: str) -> float | None:
    """Return an attribute that is a number where it is there; texts that spell a number count."""
    value = attribute(group, name)
    if value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        raise FormatError(path, f"the attribute {name} must be a number, not {str(value)[:60]!r}.") from None


def text(path: Path, group: h5py.Group, name: str) -> str:
    """Return an attribute, or a scalar dataset, that must be there, as text.

    Raises:
        FormatError: it is missing.
    """
    value = attribute(group, name)
    if value is None:
        raise FormatError(path, f"the attribute {name} is missing.")
    return str(value)


def optional_text(group: h5py.Group, name: str) -> str | None:
    """Return an attribute as text where it is there."""
    value = attribute(group, name)
    return None if value is None else str(value)


def other_attributes(group: h5py.Group, known: set[str]) -> dict[str, Plain]:
    """Return the attributes beside the known ones that are plain values."""
    values = {name: plain(value) for name, value in group.attrs.items() if isinstance(name, str) and name not in known}
    return {name: value for name, value in sorted(values.items()) if isinstance(value, str | int | float | bool)}


def check_finite(**values: float) -> None:
    """Raise InputError for a time or count that is negative or no number."""
    for name, value in values.items():
        if not math.isfinite(value) or value < 0:
            raise InputError(f"{name} must be a number from 0 on, not {value}.")
