"""A whole vector-search benchmark, written and read in the layout of a tool that is to run on it.

| layout | base, queries, learn | ground truth |
|---|---|---|
| fvecs | `base.fvecs` (uint8: `.bvecs`) ... | `gtruth.ivecs`, `learn_gtruth.ivecs`, ids only |
| fbin | `base.fbin` (`.u8bin`, `.i8bin`, `.hbin`; packed bits `.bbin`) ... | `gtruth.ibin` (big-ann) ... |
| ann-benchmarks, vibe | `benchmark.hdf5`: `train`, `test`, `learn` | `neighbors`, `distances`, `learn_...` |
| sisap | `base.h5` ... key `emb`; packed bits `hamming`, uint64 | `gold.h5`, `learn_gold.h5`, ids from 1 |
| npy | `base.npy` ... | `gtruth.npy`, `gtruth_distances.npy` ... |
| parquet | `train.parquet`, `test.parquet`, `learn.parquet` (VectorDBBench) | `neighbors.parquet` ... |
| laion | folders `base/`, `queries/`, `learn/` | as npy |

Beside the files of a folder lies `benchmark.json` with what they do not say themselves: the metric.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from goldpan.core.errors import FormatError, InputError, UnknownName
from goldpan.core.records import Metric, parse_metric
from goldpan.formats import ann_benchmarks, npy, parquet
from goldpan.formats.atomic import replace_file
from goldpan.formats.benchmark_record import Benchmark
from goldpan.formats.casts import fitting_dtype
from goldpan.formats.hdf5 import DTYPES as HDF5_DTYPES
from goldpan.formats.hdf5_file import dataset_names, reading_hdf5
from goldpan.formats.protocol import Address, VectorReader, VectorSource
from goldpan.formats.truth import Truth, read_truth, write_truth
from goldpan.formats.vectors import open_vectors, write_vectors

__all__ = ["CARD", "LAYOUTS", "Benchmark", "read_benchmark", "write_benchmark"]

CARD = "benchmark.json"
_SETS = ("base", "queries", "learn")
_TRUTHS = ("truth", "learn_truth")


class _Layout(NamedTuple):
    """File names: of the three sets, of the two truths, and the ending for a dtype and for packed bits."""

    sets: tuple[str, str, str]
    truths: tuple[str, str]
    endings: dict[str, str]
    bits: str | None = None

    def ending(self, source: VectorSource, metric: Metric | None) -> tuple[np.dtype[Any], str]:
        """Return the type in the file and the ending of its name.

        Raises:
            InputError: no type of this layout takes all the values.
        """
        dtype = fitting_dtype(source.dtype, self.endings)
        if dtype is None:
            raise InputError(f"This layout has no file for {source.dtype}; it has {', '.join(self.endings)}.")
        if metric is Metric.HAMMING and self.bits and dtype == np.uint8:
            return dtype, self.bits
        return dtype, self.endings[dtype.name]


_FILE_LAYOUTS = {
    "fvecs": _Layout(_SETS, ("gtruth.ivecs", "learn_gtruth.ivecs"), {"float32": ".fvecs", "uint8": ".bvecs"}),
    "fbin": _Layout(
        _SETS,
        ("gtruth.ibin", "learn_gtruth.ibin"),
        {"float32": ".fbin", "uint8": ".u8bin", "int8": ".i8bin", "float16": ".hbin"},
        bits=".bbin",
    ),
    "sisap": _Layout(_SETS, ("gold.h5", "learn_gold.h5"), dict.fromkeys(HDF5_DTYPES, ".h5:emb"), bits=".h5:hamming"),
    "npy": _Layout(_SETS, ("gtruth.npy", "learn_gtruth.npy"), dict.fromkeys(npy.DTYPES, ".npy")),
    "parquet": _Layout(
        ("train", "test", "learn"),
        ("neighbors.parquet", "learn_neighbors.parquet"),
        dict.fromkeys(parquet.DTYPES, ".parquet"),
    ),
    "laion": _Layout(_SETS, ("gtruth.npy", "learn_gtruth.npy"), dict.fromkeys(npy.DTYPES, "")),
}
_ONE_FILE = ("ann-benchmarks", "vibe")
LAYOUTS = (*_FILE_LAYOUTS, *_ONE_FILE)


def write_benchmark(folder: str | Path, benchmark: Benchmark[VectorSource], layout: str) -> list[Path]:
    """Write a benchmark, each of its files whole or not at all, the base in bounded memory.

    Args:
        folder: where to; for "ann-benchmarks" and "vibe" the name of one file (.hdf5, .h5) is taken too.
        benchmark: what to write. A source of blocks is passed over once.
        layout: one of `LAYOUTS`.

    Returns:
        The files written, in order; `benchmark.json` comes last, so where it is all of them are.

    Raises:
        UnknownName: no such layout.
        InputError: the layout has no file for the vectors' type.
    """
    root = Path(folder)
    if layout in _ONE_FILE:
        return [ann_benchmarks.write_file(ann_benchmarks.file_in(root), benchmark, vibe=layout == "vibe")]
    if layout not in _FILE_LAYOUTS:
        raise UnknownName("benchmark layout", layout, LAYOUTS)
    names = _FILE_LAYOUTS[layout]
    (root / CARD).unlink(missing_ok=True)
    files: dict[str, str] = {}
    for role, stem in zip(_SETS, names.sets, strict=True):
        source: VectorSource | None = getattr(benchmark, role)
        if source is not None:
            dtype, ending = names.ending(source, benchmark.metric)
            files[role] = stem + ending
            write_vectors(_at(root, files[role]), source.blocks(), dim=source.dim, dtype=dtype, n=source.n)
    for role, name in zip(_TRUTHS, names.truths, strict=True):
        truth: Truth | None = getattr(benchmark, role)
        if truth is not None:
            files |= _write_truth(root, role, name, truth, benchmark.metric)
    card = {"layout": layout, "metric": benchmark.metric and str(benchmark.metric), "files": files}
    with replace_file(root / CARD) as temporary:
        temporary.write_text(json.dumps(card, indent=2) + "\n", "utf-8")
    return [_at(root, name).path for name in (*files.values(), CARD)]


def _write_truth(root: Path, role: str, name: str, truth: Truth, metric: Metric | None) -> dict[str, str]:
    write_truth(root / name, truth.ids, truth.distances, metric=metric)
    beside = f"{name.removesuffix('.npy')}_distances.npy"
    if truth.distances is None or not name.endswith(".npy"):
        (root / beside).unlink(missing_ok=True)
        return {role: name}
    write_vectors(root / beside, [truth.distances], dim=truth.distances.shape[1], dtype=np.float64)
    return {role: name, f"{role}_distances": beside}


def read_benchmark(path: str | Path, metric: str | Metric | None = None) -> Benchmark[VectorReader]:
    """Open a benchmark in any of the `LAYOUTS`; vectors are opened, truths are read.

    Args:
        path: a folder, or an HDF5 file in the layout of ann-benchmarks.
        metric: the metric, where no file says.

    Raises:
        InputError: there is no such folder or file.
        FormatError: it holds no benchmark that we know, or a file of it is damaged.
    """
    root = Path(path)
    if not root.exists():
        raise InputError(f"There is no benchmark {root}.")
    known = None if metric is None else parse_metric(metric)
    if ann_benchmarks.file_in(root).is_file():
        return ann_benchmarks.read_file(ann_benchmarks.file_in(root), known)
    files = named_files(root) if root.is_dir() else {}
    if (root / CARD).is_file():
        said, files = _read_card(root / CARD)
        known = known or said
    if not {"base", "queries", "truth"} <= set(files):
        raise FormatError(root, f"no benchmark of the layouts {', '.join(LAYOUTS)}: base, queries or truth is missing.")
    return Benchmark(
        open_vectors(_at(root, files["base"])),
        open_vectors(_at(root, files["queries"])),
        _read_truth(root, files, "truth", known),
        known,
        open_vectors(_at(root, files["learn"])) if "learn" in files else None,
        _read_truth(root, files, "learn_truth", known) if "learn_truth" in files else None,
    )


def _read_card(path: Path) -> tuple[Metric | None, dict[str, str]]:
    """Return the metric and the files by role.

    Raises:
        FormatError: no card that we wrote, or one that names a file elsewhere.
    """
    try:
        card = json.loads(path.read_text("utf-8"))
        metric = parse_metric(card["metric"]) if card["metric"] else None
        files = {str(role): str(name) for role, name in card["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FormatError(path, f"not a benchmark's card ({type(error).__name__}: {error}).") from None
    outside = [name for name in files.values() if Path(name).is_absolute() or ".." in Path(name).parts]
    if outside:
        raise FormatError(path, f"{outside[0]!r} lies outside the folder.")
    return metric, files


def _read_truth(root: Path, files: dict[str, str], role: str, metric: Metric | None) -> Truth:
    truth = read_truth(_at(root, files[role]), metric)
    beside = files.get(f"{role}_distances")
    if beside is None:
        return truth
    distances = open_vectors(_at(root, beside))
    return Truth(truth.ids, np.array(distances.read(0, distances.n)))


def named_files(root: Path) -> dict[str, str]:
    """Return the files, by role, of the first layout whose base, queries and truth are there; none if no such."""
    for layout in _FILE_LAYOUTS.values():
        endings = {*layout.endings.values(), *([layout.bits] if layout.bits else [])}
        files = {
            role: stem + ending
            for role, stem in zip(_SETS, layout.sets, strict=True)
            for ending in endings
            if _is_there(root, stem + ending)
        }
        for role, name in zip(_TRUTHS, layout.truths, strict=True):
            beside = f"{name.removesuffix('.npy')}_distances.npy"
            files |= {role: name} if (root / name).is_file() else {}
            files |= {f"{role}_distances": beside} if name.endswith(".npy") and (root / beside).is_file() else {}
        if {"base", "queries", "truth"} <= set(files):
            return files
    return {}


def _is_there(root: Path, name: str) -> bool:
    path, key = _at(root, name)
    if key is None or not path.is_file():
        return key is None and path.exists()
    with reading_hdf5(path) as file:
        return key in dataset_names(file)


def _at(root: Path, name: str) -> Address:
    """Return the address of a file of the benchmark: ``base.h5:emb`` is a dataset of base.h5."""
    file, _, key = name.partition(":")
    return Address(root / file, key or None)
