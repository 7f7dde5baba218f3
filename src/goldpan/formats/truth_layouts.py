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

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import FormatError
from goldpan.core.records import Metric
from goldpan.formats import bigann
from goldpan.formats.arrow_rows import rows_as_lists
from goldpan.formats.atomic import replace_file
from goldpan.formats.mapped import FileMap, MappedReader, row_dtype
from goldpan.formats.npy import open_npy, write_npy
from goldpan.formats.parquet import ParquetReader, TableFile
from goldpan.formats.protocol import Address, VectorReader, VectorShape
from goldpan.formats.truth_hdf5 import (
    ANN_BENCHMARKS_TRUTH,
    HDF5_COLUMNS,
    HDF5_PAIRS,
    SISAP_TRUTH,
    hdf5_datasets,
    hdf5_ids_key,
)
from goldpan.formats.truth_record import TruthBlocks, TruthFiles, TruthLayout, Values
from goldpan.formats.xvecs import IVECS

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "ANN_BENCHMARKS_TRUTH",
    "BIGANN_TRUTH",
    "HDF5_COLUMNS",
    "HDF5_PAIRS",
    "IVECS_TRUTH",
    "NPY_TRUTH",
    "PARQUET_TRUTH",
    "SISAP_TRUTH",
    "TruthBlocks",
    "TruthFiles",
    "TruthLayout",
    "hdf5_datasets",
    "hdf5_ids_key",
]

_INT32 = np.dtype(np.int32)
_MISSING_UINT32 = 2**32 - 1
_PARQUET_GROUP_ROWS = 1 << 16


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
PARQUET_TRUTH = TruthLayout("neighbors .parquet", "int64", "float64", _open_parquet, _write_parquet)
