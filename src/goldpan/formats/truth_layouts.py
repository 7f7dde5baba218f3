"""How each format lays out ground truth: where ids and distances lie, what the first id is, what a distance means.

| layout | ids | first id | distances |
|---|---|---|---|
| .ivecs, .npy | int32, int64 | 0 | none |
| big-ann (.ibin, .bin, .gt100 ...) | uint32 | 0 | float32; L2 squared, similarities as they are |
| SISAP (.h5: `knns`, `dists`) | int32 | **1** | float32, ascending; 1 - similarity |
| ann-benchmarks (.h5: `neighbors`, `distances`) | int32 | 0 | float64, ascending; 1 - cosine, -inner product |
| .parquet (`id`, `neighbors_id`, `distances`) | int64 | 0 | float64, the metric's value |

A missing neighbor (fewer than k rows in the base) is -1 in memory: 2**32 - 1 in big-ann files, 0 in SISAP files.
Sources: big-ann-benchmarks `make_groundtruth.py`, DiskANN, SISAP challenges 2023-2026 (`eval.py`; the text of 2024
has descending similarities, which are told by their order), ann-benchmarks and VIBE `distance.py`, VectorDBBench.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import FormatError
from goldpan.core.records import Metric
from goldpan.formats import bigann
from goldpan.formats.arrow_rows import rows_as_lists
from goldpan.formats.atomic import replace_file
from goldpan.formats.hdf5 import Hdf5Reader
from goldpan.formats.hdf5_file import dataset_names, open_hdf5
from goldpan.formats.hdf5_write import Hdf5Dataset, write_hdf5
from goldpan.formats.mapped import FileMap, MappedReader, row_dtype
from goldpan.formats.npy import open_npy, write_npy
from goldpan.formats.parquet import ParquetReader, TableFile
from goldpan.formats.protocol import Address, VectorReader, VectorShape
from goldpan.formats.xvecs import IVECS

if TYPE_CHECKING:
    import pyarrow as pa

Values = NDArray[np.float64]
_INT32 = np.dtype(np.int32)
_MISSING_UINT32 = 2**32 - 1
_PARQUET_GROUP_ROWS = 1 << 16


class TruthFiles(NamedTuple):
    """An open truth as two tables: ids as stored and, where there are any, distances as stored."""

    ids: VectorReader
    distances: VectorReader | None


class TruthBlocks(NamedTuple):
    """A truth to write: `n` queries with `k` neighbors, ids and distances ready to store, each in order.

    `columns` ``(n,)`` a name and `attributes` say more of it, where the layout has a place for them: HDF5 alone.
    """

    n: int
    k: int
    ids: Iterator[NDArray[Any]]
    distances: Iterator[NDArray[Any]] | None
    columns: Mapping[str, NDArray[Any]] = MappingProxyType({})
    attributes: Mapping[str, str | int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class TruthLayout:
    """One way to lay out ground truth.

    Attributes:
        name: what a message calls it.
        id_dtype: type of the ids in a new file.
        distance_dtype: type of the distances in a new file; None where the layout has none.
        open: opens an address.
        write: writes blocks of those types.
        first_id: the id of the first row of the base.
        missing: the stored id of a missing neighbor.
        to_stored: from (metric, values of that metric) to what the file holds.
        from_stored: the way back.
    """

    name: str
    id_dtype: str
    distance_dtype: str | None
    open: Callable[[Address], TruthFiles]
    write: Callable[[Address, TruthBlocks], None]
    first_id: int = 0
    missing: int = -1
    to_stored: Callable[[Metric, Values], Values] = lambda _, values: values
    from_stored: Callable[[Metric, Values], Values] = lambda _, stored: stored


def _write_ivecs(address: Address, blocks: TruthBlocks) -> None:
    if IVECS.write is not None:
        IVECS.write(address, VectorShape(blocks.n, blocks.k, _INT32), blocks.ids, None)


def _write_npy(address: Address, blocks: TruthBlocks) -> None:
    write_npy(address, VectorShape(blocks.n, blocks.k, np.dtype(np.int64)), blocks.ids)


def _open_bigann(address: Address) -> TruthFiles:
    path = address.path
    file = FileMap(path)
    n, k = bigann.read_header(path, file)
    start, half = bigann.HEADER_BYTES, 4 * n * k
    if file.size not in (start + half, start + 2 * half):
        problem = (
            f"the header says {n} queries with {k} neighbors, {start + 2 * half} bytes with distances "
            f"and {start + half} without; the file has {file.size}."
        )
        if file.size == start + 4 * n + 8 * k:
            problem += " That is the size of range truth: read it with read_range_truth."
        row = min(n, max(0, file.size - start) // max(1, 4 * k))
        raise FormatError(path, problem, row=row, offset=start + row * 4 * k)
    ids = MappedReader(path, file, start, n, row_dtype(path, np.dtype("<u4"), k))
    if file.size == start + half:
        return TruthFiles(ids, None)
    return TruthFiles(ids, MappedReader(path, file, start + half, n, row_dtype(path, np.dtype("<f4"), k)))


def _write_bigann(address: Address, blocks: TruthBlocks) -> None:
    with replace_file(address.path) as temporary, temporary.open("wb") as file:
        file.write(bigann.header(blocks.n, blocks.k))
        for ids in blocks.ids:
            file.write(np.ascontiguousarray(ids, "<u4").data)
        for distances in blocks.distances or ():
            file.write(np.ascontiguousarray(distances, "<f4").data)


def _bigann_stored(metric: Metric, values: Values) -> Values:
    return values**2 if metric is Metric.L2 else values


def _bigann_values(metric: Metric, stored: Values) -> Values:
    return np.sqrt(np.maximum(stored, 0)) if metric is Metric.L2 else stored


# What stands beside ids and distances, a value a query: it goes when they are replaced.
HDF5_COLUMNS = ("gaps", "ties", "survivors", "fallback")
# The dataset of distances that goes with a dataset of ids.
HDF5_PAIRS = {"knns": "dists", "neighbors": "distances", "learn_neighbors": "learn_distances"}


def hdf5_ids_key(key: str | None, names: list[str] | None = None) -> str | None:
    """Return the dataset of ids that `key` means: itself, or the one in the group `key`.

    Args:
        key: as typed after the colon, such as ``knns``, ``itest`` or ``learn_neighbors``.
        names: the datasets of a file to read, which the answer must be one of; None where one is written.
    """
    if key is not None and key.rpartition("/")[2] in HDF5_PAIRS:
        candidates = [key]
    else:
        candidates = [f"{key}/{ids}" if key else ids for ids in ("knns", "neighbors")]
    return next((ids for ids in candidates if names is None or ids in names), None)


def _distances_key(ids_key: str) -> str:
    group, slash, last = ids_key.rpartition("/")
    return group + slash + HDF5_PAIRS[last]


def _open_hdf5(address: Address) -> TruthFiles:
    """Open the datasets of ids `address.key` and of the distances beside it."""
    ids_key = address.key or ""
    ids = Hdf5Reader(address, packed=False)
    with open_hdf5(address.path) as file:
        distances_key = _distances_key(ids_key)
        if distances_key not in dataset_names(file):
            return TruthFiles(ids, None)
    distances = Hdf5Reader(Address(address.path, distances_key))
    if (distances.n, distances.dim) != (ids.n, ids.dim):
        problem = f"{distances_key} is {distances.n} x {distances.dim}, {ids_key} is {ids.n} x {ids.dim}."
        raise FormatError(address.path, problem)
    return TruthFiles(ids, distances)


def hdf5_datasets(ids_key: str, blocks: TruthBlocks, distance_dtype: str) -> Iterator[Hdf5Dataset]:
    """Yield the one or two datasets of a truth, to be written in this order."""
    yield Hdf5Dataset(ids_key, VectorShape(blocks.n, blocks.k, _INT32), blocks.ids)
    if blocks.distances is not None:
        shape = VectorShape(blocks.n, blocks.k, np.dtype(distance_dtype))
        yield Hdf5Dataset(_distances_key(ids_key), shape, blocks.distances)


def _write_hdf5(distance_dtype: str, address: Address, blocks: TruthBlocks) -> None:
    """Write into a file that may hold other datasets already, which stay; distances of ids that go do not."""
    ids_key = address.key or ""
    group = ids_key.rpartition("/")[0]
    columns = {f"{group}/{name}".lstrip("/"): values for name, values in blocks.columns.items()}
    stale = (_distances_key(ids_key), *(f"{group}/{name}".lstrip("/") for name in HDF5_COLUMNS))
    datasets = hdf5_datasets(ids_key, blocks, distance_dtype)
    about = {ids_key: blocks.attributes}
    write_hdf5(address.path, datasets, keep=True, drop=stale, columns=columns, about=about)


def _sisap_stored(metric: Metric, values: Values) -> Values:
    return 1 - values if metric.is_similarity else values


def _sisap_values(metric: Metric, stored: Values) -> Values:
    descending = stored.size > 0 and (stored[:, 0] > stored[:, -1]).sum() > (stored[:, 0] < stored[:, -1]).sum()
    return 1 - stored if metric.is_similarity and not descending else stored


def _ann_benchmarks_stored(metric: Metric, values: Values) -> Values:
    if metric is Metric.SQEUCLIDEAN:
        return np.sqrt(values)
    return {Metric.COSINE: 1 - values, Metric.IP: -values}.get(metric, values)


def _ann_benchmarks_values(metric: Metric, stored: Values) -> Values:
    if metric is Metric.SQEUCLIDEAN:
        return stored**2
    return {Metric.COSINE: 1 - stored, Metric.IP: -stored}.get(metric, stored)


def _open_parquet(address: Address) -> TruthFiles:
    ids = ParquetReader(Address(address.path, "neighbors_id"))
    if "distances" not in ids.columns:
        return TruthFiles(ids, None)
    return TruthFiles(ids, ParquetReader(Address(address.path, "distances")))


def _write_parquet(address: Address, blocks: TruthBlocks) -> None:
    done = 0
    with replace_file(address.path) as temporary:
        file = TableFile(temporary, _PARQUET_GROUP_ROWS)
        for ids in blocks.ids:
            file.append(_parquet_rows(done, ids, next(blocks.distances) if blocks.distances else None))
            done += len(ids)
        if done == 0:
            nothing = np.empty((0, blocks.k))
            file.append(_parquet_rows(0, nothing.astype(np.int64), nothing if blocks.distances else None))
        file.close()


def _parquet_rows(first: int, ids: NDArray[Any], distances: NDArray[Any] | None) -> pa.Table:
    import pyarrow as pa

    rows = {"id": pa.array(np.arange(first, first + len(ids))), "neighbors_id": rows_as_lists(ids)}
    if distances is not None:
        rows["distances"] = rows_as_lists(distances)
    return pa.table(rows)


def _vectors_ids(reader: Callable[[Address], VectorReader]) -> Callable[[Address], TruthFiles]:
    return lambda address: TruthFiles(reader(address), None)


IVECS_TRUTH = TruthLayout(".ivecs", "int32", None, _vectors_ids(IVECS.open), _write_ivecs)
NPY_TRUTH = TruthLayout(".npy", "int64", None, _vectors_ids(open_npy), _write_npy)
BIGANN_TRUTH = TruthLayout(
    "big-ann truth",
    "uint32",
    "float32",
    _open_bigann,
    _write_bigann,
    missing=_MISSING_UINT32,
    to_stored=_bigann_stored,
    from_stored=_bigann_values,
)
SISAP_TRUTH = TruthLayout(
    "SISAP gold",
    "int32",
    "float32",
    _open_hdf5,
    partial(_write_hdf5, "float32"),
    first_id=1,
    missing=0,
    to_stored=_sisap_stored,
    from_stored=_sisap_values,
)
ANN_BENCHMARKS_TRUTH = TruthLayout(
    "ann-benchmarks truth",
    "int32",
    "float64",
    _open_hdf5,
    partial(_write_hdf5, "float64"),
    to_stored=_ann_benchmarks_stored,
    from_stored=_ann_benchmarks_values,
)
PARQUET_TRUTH = TruthLayout("neighbors .parquet", "int64", "float64", _open_parquet, _write_parquet)
