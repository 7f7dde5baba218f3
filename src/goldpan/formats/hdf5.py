"""HDF5 as ann-benchmarks, VIBE and the SISAP challenges lay it out: one dataset ``(n, d)`` for each set of vectors.

- ann-benchmarks: `train`, `test`, `neighbors`, `distances`; the file's attributes name the distance.
- SISAP 2023/24: `emb`, `pca32`, `pca96`, or `hamming` (uint64 words), one a file; 2025/26: `train`,
  `itest/queries`, `otest/queries`. Files written by Julia (JLD2) hold further groups (`_types`), which are passed
  over; a Julia matrix of ``(d, n)`` is ``(n, d)`` here.

Packed bits are ``(n, bytes)`` uint8 in goldpan. A dataset of booleans is packed on the way in (first bit highest,
`numpy.packbits`), one of uint64 words is seen as its bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from goldpan.core.errors import FormatError, InputError, UnknownName
from goldpan.core.records import Metric
from goldpan.formats.hdf5_file import Stored, attribute, check_stored, dataset_names, hdf5_errors, open_hdf5
from goldpan.formats.hdf5_write import WORDS, Hdf5Dataset, write_hdf5
from goldpan.formats.protocol import (
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
        with hdf5_errors(address.path):
            self._data = _find(self._file, address)
            check_stored(address.path, self._data)
            distance = attribute(self._file, "distance")
            stored = self._data.dtype
        self.metric = Metric.COSINE if distance == "normalized" else metric_hint(distance)  # VIBE's word
        self._form = Stored.AS_IS
        if stored == np.bool_:
            self._form = Stored.BITS
        elif stored == WORDS and packed:
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
        with hdf5_errors(self.path, start):
            rows = self._data[start:stop]
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
        raise FormatError(
            address.path, f"{address.key} is a sparse matrix (CSR), not vectors; open it with open_sparse."
        )
    if not isinstance(item, h5py.Dataset):
        raise UnknownName("dataset", address.key, names)
    if item.ndim == 1 and f"size_{address.key}" in file:
        raise FormatError(address.path, f"{address.key} holds sets, not vectors; open it with open_sparse.")
    if item.ndim != 2:
        raise FormatError(address.path, f"{address.key} has {item.ndim} axes; vectors have 2 (rows, dimensions).")
    return item


def _write(address: Address, shape: VectorShape, blocks: Blocks, columns: Columns | None) -> int:
    key = address.key or "train"
    words = key.endswith("hamming") and shape.dtype == np.uint8 and shape.dim % 8 == 0
    dataset = Hdf5Dataset(key, shape, blocks, Stored.WORDS if words else Stored.AS_IS)
    return write_hdf5(address.path, [dataset], keep=address.key is not None)[0]


HDF5 = VectorFormat(".h5", DTYPES, Hdf5Reader, _write, has_keys=True)
