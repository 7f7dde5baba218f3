"""HDF5 files as the field writes them: opened with care, their datasets listed, their attributes found.

Files of Julia's JLD2 are HDF5 with a line of text before, groups of types (`_types`), and scalar datasets where other
tools write attributes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from goldpan.core.errors import FormatError

if TYPE_CHECKING:
    import h5py


class Stored(StrEnum):
    """How rows lie in the file."""

    AS_IS = "as is"
    BITS = "one boolean a bit"
    WORDS = "eight bytes a uint64"


def open_hdf5(path: Path) -> h5py.File:
    """Open a file for reading.

    Raises:
        FormatError: it is no HDF5 file, or is cut short.
    """
    import h5py

    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise FormatError(path, f"not a whole HDF5 file ({error}).") from None


@contextlib.contextmanager
def reading_hdf5(path: Path) -> Iterator[h5py.File]:
    """Open a file for reading and close it at the end; whatever is damaged in it is a FormatError."""
    with open_hdf5(path) as file, hdf5_errors(path):
        yield file


@contextlib.contextmanager
def hdf5_errors(path: Path, row: int | None = None) -> Iterator[None]:
    """Turn what h5py raises on a damaged file, which is nearly anything, into a FormatError."""
    try:
        yield
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError) as error:
        problem = f"it is damaged ({' '.join(str(error).split())})."
        raise FormatError(path, problem, row=row) from error


def dataset_names(file: h5py.File) -> list[str]:
    """Return the names of all datasets with two axes, groups of JLD2 passed over, sorted."""
    import h5py

    found: list[str] = []

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and item.ndim == 2 and not name.startswith("_types"):
            found.append(name)

    file.visititems(visit)
    return sorted(found)


def attribute(group: h5py.Group, name: str) -> Any:
    """Return an attribute, or the scalar dataset of that name, as a plain value; None where there is neither.

    Texts come as str however they are stored, numbers and booleans as Python's; arrays of several values as NumPy's.
    """
    import h5py

    value = group.attrs.get(name)
    if value is None and isinstance(group.get(name), h5py.Dataset):
        dataset = group[name]
        value = dataset[()] if dataset.size == 1 else None
    return plain(value)


def plain(value: Any) -> Any:
    """Return a value of h5py as Python's own, bytes as text; an array of one value is that value."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").rstrip("\0")
    return value.item() if isinstance(value, np.generic) else value


def check_stored(path: Path, data: Any) -> None:
    """Raise FormatError where HDF5 would make up zeros for rows that were never written."""
    if data.is_virtual or data.external:
        return
    if data.chunks:
        stored, needed, unit = data.id.get_num_chunks(), 1, "chunks"
        for length, chunk in zip(data.shape, data.chunks, strict=True):
            needed *= -(-length // chunk)
    else:
        stored, needed, unit = data.id.get_storage_size(), data.size * data.dtype.itemsize, "bytes"
    if stored != needed:
        size = " x ".join(map(str, data.shape))
        problem = f"{data.name} says it is {size}; {stored} of {needed} {unit} of it are there."
        raise FormatError(path, problem)
