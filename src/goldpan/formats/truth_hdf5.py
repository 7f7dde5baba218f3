"""Ground truth in HDF5: SISAP's `knns` and `dists`, and `neighbors` and `distances` of ann-benchmarks and VIBE."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import FormatError
from goldpan.core.records import Metric
from goldpan.formats.hdf5 import Hdf5Reader
from goldpan.formats.hdf5_file import dataset_names, reading_hdf5
from goldpan.formats.hdf5_write import Hdf5Dataset, write_hdf5
from goldpan.formats.protocol import Address, VectorShape
from goldpan.formats.truth_record import TruthBlocks, TruthFiles, TruthLayout, Values

_INT32 = np.dtype(np.int32)
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
    with reading_hdf5(address.path) as file:
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
    return 1 - stored if metric.is_similarity else stored


def descent(stored: NDArray[Any]) -> int:
    """Return by how many more rows go down from their first distance to their last than go up.

    Above 0 the numbers are similarities, as the gold of 2024 has them.
    """
    if stored.size == 0:
        return 0
    return int((stored[:, 0] > stored[:, -1]).sum()) - int((stored[:, 0] < stored[:, -1]).sum())


def _ann_benchmarks_stored(metric: Metric, values: Values) -> Values:
    if metric is Metric.SQEUCLIDEAN:
        return np.sqrt(values)
    return {Metric.COSINE: 1 - values, Metric.IP: -values}.get(metric, values)


def _ann_benchmarks_values(metric: Metric, stored: Values) -> Values:
    if metric is Metric.SQEUCLIDEAN:
        return stored**2
    return {Metric.COSINE: 1 - stored, Metric.IP: -stored}.get(metric, stored)


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
    may_descend=True,
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
