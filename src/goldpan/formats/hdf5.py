"""HDF5 as ann-benchmarks, VIBE and the SISAP challenges lay it out: one dataset ``(n, d)`` for each set of vectors.

- ann-benchmarks: `train`, `test`, `neighbors`, `distances`; the file's attributes name the distance.
- SISAP 2023/24: `emb`, `pca32`, `pca96`, or `hamming` (uint64 words), one a file; 2025/26: `train`,
  `itest/queries`, `otest/queries`. Files written by Julia (JLD2) hold further groups (`_types`), which are passed
  over; a Julia matrix of ``(d, n)`` is ``(n, d)`` here.

Packed bits are ``(n, bytes)`` uint8 in goldpan. A dataset of booleans is packed on the way in (first bit highest,
`numpy.packbits`), one of uint64 words is seen as its bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from goldpan.core.errors import FormatError, InputError, UnknownName
from goldpan.core.records import Metric
from goldpan.formats.atomic import replace_file
from goldpan.formats.protocol import (
    BLOCK_BYTES,
    Address,
    Blocks,
    Columns,
    VectorFormat,
    VectorShape,
    check_ids,
    check_span,
    metric_hint,
    rows_per_block,
    spans,
)

if TYPE_CHECKING:
    import h5py
    import pyarrow as pa

DTYPES = ("float32", "float16", "float64", "uint8", "int8", "int32", "int64", "uint32")
USUAL_KEYS = ("train", "emb", "pca32", "pca96", "hamming", "queries", "test")
_WORDS = np.dtype(np.uint64)


class Stored(StrEnum):
    """How rows lie in the file."""

    AS_IS = "as is"
    BITS = "one boolean a bit"
    WORDS = "eight bytes a uint64"


class Hdf5Reader:
    """A `VectorReader` over one dataset of an HDF5 file, which stays open as long as the reader lives.

    Args:
        address: the file and the dataset's name; without a name the first of `USUAL_KEYS` that is there, or the
            only dataset of two axes.
        packed: see uint64 as packed bits; False for row numbers.

    Raises:
        FormatError: no HDF5 file, a damaged one, or a dataset that holds no rows of numbers.
        InputError: several datasets could be meant.
        UnknownName: no such dataset.
    """

    columns: tuple[str, ...] = ()

    def __init__(self, address: Address, *, packed: bool = True) -> None:
        self.path = address.path
        self._file = open_hdf5(address.path)
        self._data = _find(self._file, address)
        _check_stored(address.path, self._data)
        distance = self._file.attrs.get("distance", "")
        self.metric = Metric.COSINE if distance == "normalized" else metric_hint(distance)  # VIBE's word
        stored = self._data.dtype
        self._form = Stored.AS_IS
        if stored == np.bool_:
            self._form = Stored.BITS
        elif stored == _WORDS and packed:
            self._form = Stored.WORDS
        self.dtype = np.dtype(stored.newbyteorder("=") if self._form is Stored.AS_IS else np.uint8)
        if self.dtype.name not in (*DTYPES, "uint64"):
            raise FormatError(self.path, f"{self._data.name} holds {stored}; allowed: {', '.join(DTYPES)}.")
        self.n = int(self._data.shape[0])
        width = int(self._data.shape[1])
        self.dim = {Stored.AS_IS: width, Stored.BITS: -(-width // 8), Stored.WORDS: width * 8}[self._form]

    @property
    def form(self) -> Stored:
        """How the rows lie in the file."""
        return self._form

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return rows start to stop, read into new memory."""
        check_span(self, start, stop)
        try:
            rows = self._data[start:stop]
        except OSError as error:
            raise FormatError(self.path, f"{self._data.name} cannot be read ({error}).", row=start) from None
        if self._form is Stored.BITS:
            return np.packbits(rows, axis=1)
        if self._form is Stored.WORDS:
            return np.ascontiguousarray(rows, "<u8").view(np.uint8)
        return np.asarray(rows, self.dtype)

    def take(self, ids: ArrayLike) -> NDArray[Any]:
        """Return the rows numbered `ids`: each is read once, neighbors in the file together."""
        wanted, back = np.unique(check_ids(self, ids), return_inverse=True)
        runs = np.split(wanted, np.flatnonzero(np.diff(wanted) > 1) + 1)
        rows = [self.read(int(run[0]), int(run[-1]) + 1) for run in runs if run.size]
        return np.concatenate(rows)[back] if rows else np.empty((0, self.dim), self.dtype)

    def blocks(self, rows: int | None = None) -> Iterator[NDArray[Any]]:
        """Pass over all rows."""
        for start, stop in spans(self.n, rows_per_block(self, rows)):
            yield self.read(start, stop)

    def metadata(self, rows: int | None = None) -> Iterator[pa.Table]:
        """There is none."""
        return iter(())


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


def dataset_names(file: h5py.File) -> list[str]:
    """Return the names of all datasets with two axes, groups of JLD2 passed over, sorted."""
    import h5py

    found: list[str] = []

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and item.ndim == 2 and not name.startswith("_types"):
            found.append(name)

    file.visititems(visit)
    return sorted(found)


def _find(file: h5py.File, address: Address) -> Any:
    import h5py

    names = dataset_names(file)
    if address.key is None:
        if not names:
            raise FormatError(address.path, "it holds no dataset of two axes.")
        usual = [key for key in USUAL_KEYS if key in names] or names
        if len(usual) > 1 and usual is names:
            raise InputError(f"{address.path} holds {', '.join(names)}; name one: {address.path}:{names[0]}.")
        return file[usual[0]]
    item = file.get(address.key.strip("/"))
    if isinstance(item, h5py.Group) and {"data", "indices", "indptr"} <= set(item):
        raise FormatError(address.path, f"{address.key} is a sparse matrix (CSR); only dense vectors are read.")
    if not isinstance(item, h5py.Dataset):
        raise UnknownName("dataset", address.key, names)
    if item.ndim != 2:
        raise FormatError(address.path, f"{address.key} has {item.ndim} axes; vectors have 2 (rows, dimensions).")
    return item


def _check_stored(path: Path, data: Any) -> None:
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
) -> list[int]:
    """Write a file of several datasets, each in bounded memory; return their numbers of rows.

    Args:
        path: the file, replaced as a whole.
        datasets: what to write, in order.
        attributes: attributes of the file.
        keep: carry over what the present file holds under other names.
        drop: names not to carry over, as they belong to something that is replaced.

    Raises:
        InputError: a name is a group of the present file, or lies below a dataset of it.
    """
    import h5py

    new = list(datasets)
    if keep and path.exists():
        with open_hdf5(path) as old:
            for dataset in new:
                _check_place(path, old, dataset.key)
    with replace_file(path) as temporary, h5py.File(temporary, "w") as file:
        if keep and path.exists():
            with open_hdf5(path) as old:
                for name in sorted(set(old) - {dataset.key for dataset in new}):
                    old.copy(name, file)
                for name in set(drop) & set(dataset_names(file)):
                    del file[name]
                file.attrs.update(old.attrs)
        for name, value in (attributes or {}).items():
            file.attrs[name] = value
        return [_fill(file, dataset) for dataset in new]


def _check_place(path: Path, file: h5py.File, key: str) -> None:
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
        dtype, width = _WORDS, shape.dim // 8
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


def _write(address: Address, shape: VectorShape, blocks: Blocks, columns: Columns | None) -> int:
    key = address.key or "train"
    words = key.endswith("hamming") and shape.dtype == np.uint8 and shape.dim % 8 == 0
    dataset = Hdf5Dataset(key, shape, blocks, Stored.WORDS if words else Stored.AS_IS)
    return write_hdf5(address.path, [dataset], keep=address.key is not None)[0]


HDF5 = VectorFormat(".h5", DTYPES, Hdf5Reader, _write, has_keys=True)
