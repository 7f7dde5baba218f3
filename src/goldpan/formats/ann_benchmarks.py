"""A benchmark as one HDF5 file, as ann-benchmarks and VIBE read it.

Datasets `train`, `test`, `neighbors`, `distances`, and VIBE's `learn`, `learn_neighbors`, `learn_distances`;
attributes type, distance, dimension, point_type. Packed bits are booleans there, and a Hamming distance is the share
of bits that differ. Squared L2 is written as their euclidean, its root.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from goldpan.core.errors import FormatError
from goldpan.core.records import Floats, Metric
from goldpan.formats.benchmark_record import Benchmark
from goldpan.formats.hdf5 import Hdf5Reader
from goldpan.formats.hdf5_file import Stored, dataset_names, reading_hdf5
from goldpan.formats.hdf5_write import Hdf5Dataset, write_hdf5
from goldpan.formats.protocol import Address, VectorReader, VectorShape, VectorSource
from goldpan.formats.result_file import read_table
from goldpan.formats.truth import Truth, read_truth, truth_blocks
from goldpan.formats.truth_layouts import ANN_BENCHMARKS_TRUTH, hdf5_datasets
from goldpan.formats.vectors import checked_blocks

_FILE = "benchmark.hdf5"
DISTANCES = {
    Metric.L2: "euclidean",
    Metric.SQEUCLIDEAN: "euclidean",
    Metric.COSINE: "angular",
    Metric.IP: "ip",
    Metric.HAMMING: "hamming",
}


_VIBE_DISTANCES = {**DISTANCES, Metric.COSINE: "cosine"}


def file_in(path: Path) -> Path:
    """Return the file of a benchmark: `path` itself where it names an HDF5 file, else one in the folder `path`."""
    return path if path.suffix in (".h5", ".hdf5") else path / _FILE


def write_file(path: Path, benchmark: Benchmark[VectorSource], *, vibe: bool = False) -> Path:
    """Write a benchmark, the base in bounded memory; return `path`.

    Args:
        path: the file.
        benchmark: what to write.
        vibe: as VIBE wants it: "cosine" for "angular", bits packed, and Hamming distances as numbers of bits.
    """
    bits = benchmark.metric is Metric.HAMMING and benchmark.base.dtype == np.uint8
    numbers = "float" if benchmark.base.dtype.kind == "f" else benchmark.base.dtype.name
    attributes: dict[str, str | int] = {
        "type": "dense",
        "dimension": benchmark.base.dim * (8 if bits else 1),
        "point_type": numbers if not bits else "binary" if vibe else "bit",
    }
    if benchmark.metric is not None:
        attributes["distance"] = (_VIBE_DISTANCES if vibe else DISTANCES)[benchmark.metric]
    write_hdf5(path, _datasets(benchmark, Stored.BITS if bits and not vibe else Stored.AS_IS), attributes)
    return path


def _datasets(benchmark: Benchmark[VectorSource], stored: Stored) -> Iterator[Hdf5Dataset]:
    sets = {"train": benchmark.base, "test": benchmark.queries, "learn": benchmark.learn}
    for name, source in sets.items():
        if source is not None:
            shape = VectorShape(source.n, source.dim, source.dtype)
            yield Hdf5Dataset(name, shape, checked_blocks(source.blocks(), shape), stored)
    for name, truth in {"neighbors": benchmark.truth, "learn_neighbors": benchmark.learn_truth}.items():
        if truth is not None:
            distances = truth.distances
            if stored is Stored.BITS and distances is not None:
                distances = distances / (benchmark.base.dim * 8)
            blocks = truth_blocks(ANN_BENCHMARKS_TRUTH, truth.ids, distances, benchmark.metric)
            yield from hdf5_datasets(name, blocks, "float64")


def read_file(path: Path, metric: Metric | None = None) -> Benchmark[VectorReader]:
    """Open a benchmark; vectors are opened, truths are read.

    Raises:
        FormatError: no HDF5 file, or `train`, `test` or `neighbors` is missing.
    """
    with reading_hdf5(path) as file:
        names = dataset_names(file)
    missing = [name for name in ("train", "test", "neighbors") if name not in names]
    if missing:
        raise FormatError(path, f"no benchmark: {missing[0]} is missing; it holds {', '.join(names) or 'no tables'}.")
    base, queries = Hdf5Reader(Address(path, "train")), Hdf5Reader(Address(path, "test"))
    known = metric or base.metric
    bits = base.dim * 8 if base.form is Stored.BITS else 1
    return Benchmark(
        base,
        queries,
        _truth(path, "neighbors", known, bits),
        known,
        Hdf5Reader(Address(path, "learn")) if "learn" in names else None,
        _truth(path, "learn_neighbors", known, bits) if "learn_neighbors" in names else None,
    )


def _truth(path: Path, key: str, metric: Metric | None, bits: int) -> Truth:
    """Read one truth; a share of differing bits becomes their number."""
    truth = read_truth(Address(path, key), metric)
    if bits == 1 or truth.distances is None:
        return truth
    return Truth(truth.ids, np.rint(truth.distances * bits))


def read_mean_distances(path: str | Path) -> Floats | None:
    """Return the mean distance of each query to the whole base, ``(n_queries,)``, where the file has it as VIBE does.

    Divided by the distance to the k-th neighbor it is the relative contrast, by which VIBE tells hard queries from
    easy ones.

    Raises:
        FormatError: no HDF5 file, or a table of another kind.
    """
    where = Path(path)
    with reading_hdf5(where) as file:
        if "avg_distances" not in file:
            return None
        return read_table(where, file, "avg_distances", "f", 1).astype(np.float64)
