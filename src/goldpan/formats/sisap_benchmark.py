"""The benchmarks of SISAP 2023 and 2024: a folder of files that belong together by their names.

Vectors (``laion2B-en-clip768v2-n=100K.h5``), queries (``public-queries-10k-clip768v2.h5``) and gold
(``laion2B-en-public-gold-standard-v2-100K.h5``, with ``-F64-IEEE754`` where it was computed in float64; in 2024
``gold-standard-dbsize=100M--private-queries-2024-laion2B-en-clip768v2-n=10k-epsilon=0.2.h5``). The gold of the
projections (pca32, pca96, hamming) is that of the vectors they were made of. Distances are 1 - similarity, or
similarities in descending order (2024); which, the numbers tell.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from goldpan.core.records import Metric
from goldpan.formats.benchmark_parts import checked, choose
from goldpan.formats.benchmark_record import Benchmark
from goldpan.formats.hdf5 import Hdf5Reader
from goldpan.formats.protocol import Address, VectorReader
from goldpan.formats.truth import Truth, read_truth

_KIND = re.compile(r"clip768|pca32|pca96|hamming")
_SIZE = re.compile(r"(?:v2-|n=|dbsize=)(\d+[KM])\b")
_PCA = Metric.SQEUCLIDEAN
_METRICS = {"clip768": Metric.COSINE, "pca32": _PCA, "pca96": _PCA, "hamming": Metric.HAMMING}


class _Named(NamedTuple):
    path: Path
    kind: str
    size: str
    public: str


class SisapFiles(NamedTuple):
    """The files of one benchmark, and the kind of its vectors."""

    kind: str
    base: Path
    queries: Path
    gold: Path


def sisap_folder(folder: Path) -> dict[str, SisapFiles]:
    """Return the benchmarks in a folder of 2023 or 2024 by name, such as ``clip768-100K-public``."""
    return sisap_files(sorted(folder.glob("*.h5")))


def sisap_files(paths: Iterable[Path]) -> dict[str, SisapFiles]:
    """Return the benchmarks among files of 2023 or 2024, told by the names of these; of several golds the best."""
    named = [_named(path) for path in paths]
    golds = [file for file in named if "gold-standard" in file.path.name]
    queries = [file for file in named if "queries" in file.path.name and file not in golds]
    bases = [file for file in named if file.kind and file.size and file not in (*golds, *queries)]
    found: dict[str, SisapFiles] = {}
    for base in bases:
        for query in queries:
            fitting = [gold for gold in golds if (gold.size, gold.public) == (base.size, query.public)]
            if query.kind == base.kind and fitting:
                gold = max(fitting, key=lambda file: ("F64" in file.path.name, file.path.name))
                found[f"{base.kind}-{base.size}-{query.public}"] = SisapFiles(
                    base.kind, base.path, query.path, gold.path
                )
    return found


def _named(path: Path) -> _Named:
    kind, sizes = _KIND.search(path.name), _SIZE.findall(path.name)
    public = "private" if "private" in path.name else "public"
    return _Named(path, kind[0] if kind else "", sizes[0] if sizes else "", public)


def read_sisap_folder(folder: Path, part: str | None = None, metric: Metric | None = None) -> Benchmark[VectorReader]:
    """Open a benchmark of 2023 or 2024.

    Args:
        folder: where the files are.
        part: which, where there are several: ``clip768-100K-public``.
        metric: that of the vectors; where None cosine for CLIP, squared L2 for PCA, Hamming for sketches.

    Raises:
        UnknownName: no such part.
        InputError: several could be meant.
        FormatError: a damaged file, or a gold of another number of queries.
    """
    files = choose(folder, part, sisap_folder(folder))
    own = _METRICS[files.kind]
    base, queries = Hdf5Reader(Address(files.base)), Hdf5Reader(Address(files.queries))
    truth = read_truth(files.gold, metric or own)
    if files.kind != "clip768":  # the gold's distances are between the vectors, not the projections
        truth = Truth(truth.ids, None)
    return checked(files.gold, Benchmark(base, queries, truth, metric or own))
