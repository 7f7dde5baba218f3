"""Writing HDF5: several datasets of rows in one file, each in bounded memory, the file there whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import InputError
from goldpan.formats.atomic import replace_file
from goldpan.formats.hdf5_file import Stored, open_hdf5
from goldpan.formats.protocol import BLOCK_BYTES, Blocks, VectorShape

if TYPE_CHECKING:
    import h5py

WORDS = np.dtype(np.uint64)


class Hdf5Dataset(NamedTuple):
    """One dataset to write: packed bits become booleans or words where `stored` says so."""

    key: str
    shape: VectorShape
    blocks: Blocks
    stored: Stored = Stored.AS_IS


def write_hdf5(
    path: Path,
    datasets: Iterable[Hdf5Dataset],
    attributes: dict[str, str | int] | None = None,
    *,
    keep: bool = False,
    drop: tuple[str, ...] = (),
    columns: Mapping[str, NDArray[Any]] | None = None,
    about: Mapping[str, Mapping[str, str | int]] | None = None,
) -> list[int]:
    """Write a file of several datasets, each in bounded memory; return their numbers of rows.

    Args:
        path: the file, replaced as a whole.
        datasets: what to write, in order.
        attributes: attributes of the file.
        keep: carry over what the present file holds under other names.
        drop: names not to carry over, as they belong to something that is replaced.
        columns: small datasets of one axis, by name.
        about: attributes of datasets, by name.

    Raises:
        InputError: a name is a group of the present file, or lies below a dataset of it.
    """
    import h5py

    new = list(datasets)
    if keep and path.exists():
        with open_hdf5(path) as old:
            for dataset in new:
                check_place(path, old, dataset.key)
    with replace_file(path) as temporary, h5py.File(temporary, "w") as file:
        if keep and path.exists():
            with open_hdf5(path) as old:
                for name in sorted(set(old) - {dataset.key for dataset in new}):
                    old.copy(name, file)
                for name in drop:
                    if isinstance(file.get(name), h5py.Dataset):
                        del file[name]
                file.attrs.update(old.attrs)
        for name, value in (attributes or {}).items():
            file.attrs[name] = value
        rows = [_fill(file, dataset) for dataset in new]
        for name, values in (columns or {}).items():
            file.create_dataset(name, data=values)
        for name, known in (about or {}).items():
            file[name].attrs.update(known)
        return rows


def check_place(path: Path, file: h5py.File, key: str) -> None:
    """Raise InputError where a dataset named `key` would take the place of a group, or lie below a dataset."""
    import h5py

    names = [name for name in key.split("/") if name]
    if not names:
        raise InputError(f"{path}:{key} names no dataset; write {path}:train.")
    if isinstance(file.get("/".join(names)), h5py.Group):
        raise InputError(f"{path}:{key} is a group of datasets; name a dataset in it, such as {path}:{key}/train.")
    for end in range(1, len(names)):
        above = "/".join(names[:end])
        if isinstance(file.get(above), h5py.Dataset):
            raise InputError(f"{path}:{above} is a dataset, so it cannot hold {key}; choose another name.")


def _fill(file: h5py.File, dataset: Hdf5Dataset) -> int:
    shape = dataset.shape
    dtype, width = shape.dtype, shape.dim
    if dataset.stored is Stored.BITS:
        dtype, width = np.dtype(np.bool_), shape.dim * 8
    elif dataset.stored is Stored.WORDS:
        dtype, width = WORDS, shape.dim // 8
    if dataset.key in file:
        del file[dataset.key]
    if shape.n is None:  # HDF5 can grow chunked datasets only
        chunk = (max(1, BLOCK_BYTES // max(1, width * dtype.itemsize)), max(1, width))
        data = file.create_dataset(dataset.key, (0, width), dtype, maxshape=(None, width), chunks=chunk)
    else:
        data = file.create_dataset(dataset.key, (shape.n, width), dtype)
    done = 0
    for block in dataset.blocks:
        rows = np.ascontiguousarray(block)
        if dataset.stored is Stored.BITS:
            rows = np.unpackbits(rows, axis=1).astype(np.bool_)
        elif dataset.stored is Stored.WORDS:
            rows = rows.view("<u8")
        if shape.n is None:
            data.resize(done + len(rows), axis=0)
        data[done : done + len(rows)] = rows
        done += len(rows)
    return done
