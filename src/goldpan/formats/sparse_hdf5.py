"""Sparse rows in HDF5: groups of three arrays as in SISAP 2026, and the sets of ann-benchmarks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from goldpan.core.errors import FormatError, InputError, UnknownName
from goldpan.formats.atomic import replace_file
from goldpan.formats.hdf5_file import attribute, check_stored, hdf5_errors, open_hdf5, reading_hdf5
from goldpan.formats.hdf5_write import check_place
from goldpan.formats.protocol import Address
from goldpan.formats.sparse import Csr, SparseReader

if TYPE_CHECKING:
    import h5py
    from scipy.sparse import csr_array

_PARTS = ("data", "indices", "indptr")
_CHUNK = 1 << 15
_SCAN = 1 << 20
_SETS_PREFIX = "size_"


def sparse_names(file: h5py.File) -> list[str]:
    """Return the names of all sparse rows in a file, sorted."""
    import h5py

    found = [name.removeprefix(_SETS_PREFIX) for name in file if name.startswith(_SETS_PREFIX)]
    found = [name for name in found if isinstance(file.get(name), h5py.Dataset) and file[name].ndim == 1]

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Group) and set(_PARTS) <= set(item):
            found.append(name)

    file.visititems(visit)
    return sorted(found)


def holds_sparse(address: Address) -> bool:
    """Return whether an address names sparse rows; without a name, whether the file's `train` is sparse."""
    with reading_hdf5(address.path) as file:
        return (address.key or "train").strip("/") in sparse_names(file)


def open_group(address: Address) -> SparseReader:
    """Open the sparse rows of an address; the file stays open as long as the reader lives.

    Raises:
        UnknownName: no such sparse rows.
        InputError: several could be meant.
        FormatError: parts that do not fit together.
    """
    file = open_hdf5(address.path)
    with hdf5_errors(address.path):
        return SparseReader(address.path, _find(address, file))


def _find(address: Address, file: h5py.File) -> Csr:
    import h5py

    names = sparse_names(file)
    if address.key is None and "train" not in names and len(names) != 1:
        if names:
            raise InputError(f"{address.path} holds {', '.join(names)}; name one: {address.path}:{names[0]}.")
        raise FormatError(address.path, "it holds no sparse rows: no group of data, indices and indptr.")
    usual = "train" if "train" in names else names[0] if names else ""
    key = usual if address.key is None else address.key.strip("/")
    if key not in names:
        raise UnknownName("sparse rows", key, names)
    sets = isinstance(file[key], h5py.Dataset)
    return _sets(address.path, file, key) if sets else _group(address.path, file[key])


def _group(path: Path, group: Any) -> Csr:
    data, indices, indptr = (group[name] for name in _PARTS)
    for part, kinds in ((data, "fiub"), (indices, "iu"), (indptr, "iu")):
        if getattr(part, "ndim", 0) != 1 or part.dtype.kind not in kinds:
            raise FormatError(path, f"{part.name} is no array of numbers with one axis.")
        check_stored(path, part)
    shape = attribute(group, "shape")
    if not isinstance(shape, np.ndarray) or shape.shape != (2,) or shape.dtype.kind not in "iu":
        raise FormatError(path, f"{group.name} has no attribute shape of two whole numbers (rows, columns).")
    n, dim = (int(length) for length in shape)
    if len(indptr) != n + 1:
        raise FormatError(path, f"{group.name} has shape {n} x {dim} and {len(indptr)} starts of rows.")
    return Csr(indptr, indices, data, dim)


def _sets(path: Path, file: h5py.File, key: str) -> Csr:
    """Return sets as rows of ones: entries are the members, lengths lie beside."""
    members, lengths = file[key], file[_SETS_PREFIX + key]
    for part in (members, lengths):
        if getattr(part, "ndim", 0) != 1 or part.dtype.kind not in "iu":
            raise FormatError(path, f"{part.name} is no array of whole numbers with one axis.")
        check_stored(path, part)
    indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths[:], dtype=np.int64)])
    dim = attribute(file, "dimension")
    if not isinstance(dim, int):
        steps = range(0, len(members), _SCAN)
        dim = 1 + max((int(members[start : start + _SCAN].max()) for start in steps), default=-1)
    return Csr(indptr, members, None, dim)


def write_group(address: Address, blocks: Iterator[csr_array], dim: int, n: int) -> int:
    """Write checked blocks as a group; what else the file holds stays where the address names the group.

    Raises:
        InputError: the name is that of a group of other datasets, or lies below a dataset.
    """
    import h5py

    key = address.key or "train"
    keep = address.key is not None and address.path.exists()
    with replace_file(address.path) as temporary, h5py.File(temporary, "w") as file:
        if keep:
            with open_hdf5(address.path) as old:
                if key.strip("/") not in sparse_names(old):
                    check_place(address.path, old, key)
                for name in set(old) - {key}:
                    old.copy(name, file)
                file.attrs.update(old.attrs)
            for stale in (key, _SETS_PREFIX + key):
                if stale in file:
                    del file[stale]
        return _fill(file.create_group(key), blocks, dim, n)


def _fill(group: h5py.Group, blocks: Iterator[csr_array], dim: int, n: int) -> int:
    group.attrs["shape"] = np.array([n, dim], np.int64)
    starts = group.create_dataset("indptr", (n + 1,), np.int64)
    starts[0] = done = nnz = 0
    for block in blocks:
        for name, part in (("indices", block.indices), ("data", block.data)):
            if name not in group:
                dtype = np.dtype(np.int32 if dim < 2**31 else np.int64) if name == "indices" else part.dtype
                group.create_dataset(name, (0,), dtype, maxshape=(None,), chunks=(_CHUNK,))
            group[name].resize(nnz + len(part), axis=0)
            group[name][nnz:] = part
        starts[done + 1 : done + 1 + block.shape[0]] = block.indptr[1:].astype(np.int64) + nnz
        done += block.shape[0]
        nnz += block.nnz
    for name, dtype in (("indices", np.int32), ("data", np.float32)):
        if name not in group:
            group.create_dataset(name, (0,), dtype)
    return nnz
