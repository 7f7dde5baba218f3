"""One door to every benchmark: `open_benchmark` tells the layout by what is there.

| what | address |
|---|---|
| ann-benchmarks, VIBE | `glove.hdf5` |
| SISAP 2025, 2026 | `pubmed.h5:itest`, `:otest`, `:test`, `:allknn`; a folder with `config.json` |
| SISAP 2023, 2024 | a folder; `folder:clip768-100K-public` |
| VectorDBBench | a folder; `folder:head_1p` for filtered answers |
| big-ann | a folder; `folder:base.1B.fbin.crop_nb_10000000` |
| TEXMEX | a folder; `folder:sift` |
| IntelLabs | a folder; `folder:1M`, `folder:1M-ood` |
| goldpan's releases and layouts | a folder |

The name after the colon is needed only where a place holds several benchmarks.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from goldpan.core.errors import FormatError, InputError
from goldpan.core.records import Metric, parse_metric
from goldpan.formats import ann_benchmarks
from goldpan.formats.benchmark import CARD, Benchmark, named_files, read_benchmark
from goldpan.formats.hdf5_file import dataset_names, reading_hdf5
from goldpan.formats.named_benchmark import (
    bigann_bases,
    intel_parts,
    read_bigann_folder,
    read_intel_folder,
    read_texmex_folder,
    texmex_parts,
)
from goldpan.formats.protocol import Address, VectorReader
from goldpan.formats.release import MANIFEST, read_manifest
from goldpan.formats.sisap_benchmark import read_sisap_folder, sisap_folder
from goldpan.formats.sisap_tasks import file_tasks, folder_tasks, read_task
from goldpan.formats.sparse_hdf5 import sparse_names
from goldpan.formats.vdbbench import is_vdbbench, read_vdbbench
from goldpan.formats.vectors import parse_address

__all__ = ["Benchmark", "open_benchmark"]


def open_benchmark(address: str | Path | Address, metric: str | Metric | None = None) -> Benchmark[VectorReader]:
    """Open a benchmark in any layout of the field; vectors are opened, truths are read.

    Args:
        address: a file or folder, and after a colon which benchmark of several; see the table above.
        metric: what "near" means, where no file says or another is meant. Distances of the truth become its values.

    Returns:
        Base, queries, truth (ids from 0; distances where the files have them), metric (None where nothing says), and
        what there is to learn from.

    Raises:
        InputError: there is no such place, several benchmarks could be meant, or its rows are sparse.
        UnknownName: no benchmark of that name is there.
        FormatError: it holds no benchmark that we know, or a file of it is damaged.
    """
    where = parse_address(address)
    known = None if metric is None else parse_metric(metric)
    if not where.path.exists():
        raise InputError(f"There is no benchmark {where.path}.")
    return _open_folder(where, known) if where.path.is_dir() else _open_file(where, known)


def _open_file(where: Address, metric: Metric | None) -> Benchmark[VectorReader]:
    path = where.path
    if path.suffix not in (".h5", ".hdf5"):
        raise FormatError(path, "a benchmark is a folder or an HDF5 file; name the folder that this file lies in.")
    with reading_hdf5(path) as file:
        names, sparse = dataset_names(file), sparse_names(file)
    if "train" in sparse:
        raise InputError(f"{path} holds sparse rows: open them with open_sparse, their answers with read_truth.")
    tasks = file_tasks(path, names)
    if tasks:
        return read_task(path, tasks, where.key, metric)
    _no_part(where)
    return ann_benchmarks.read_file(path, metric)


def _open_folder(where: Address, metric: Metric | None) -> Benchmark[VectorReader]:
    root = where.path
    own = any((root / name).is_file() for name in (MANIFEST, CARD)) or ann_benchmarks.file_in(root).is_file()
    for holds, read in () if own else _FOLDERS:
        if holds(root):
            return read(root, where.key, metric)
    _no_part(where)
    if (root / MANIFEST).is_file():
        metric = metric or read_manifest(root).metric
    return read_benchmark(root, metric)


def _read_named(root: Path, part: str | None, metric: Metric | None) -> Benchmark[VectorReader]:
    _no_part(Address(root, part))
    return read_benchmark(root, metric)


def _read_task(root: Path, part: str | None, metric: Metric | None) -> Benchmark[VectorReader]:
    return read_task(root, folder_tasks(root), part, metric)


_Read = Callable[[Path, str | None, Metric | None], Benchmark[VectorReader]]
# The files of VectorDBBench are also a layout of ours, in which ids are row numbers: first the stricter reader.
_FOLDERS: tuple[tuple[Callable[[Path], object], _Read], ...] = (
    (is_vdbbench, read_vdbbench),
    (named_files, _read_named),
    (sisap_folder, read_sisap_folder),
    (folder_tasks, _read_task),
    (texmex_parts, read_texmex_folder),
    (intel_parts, read_intel_folder),
    (bigann_bases, read_bigann_folder),
)


def _no_part(where: Address) -> None:
    if where.key is not None:
        raise InputError(f"{where.path} holds one benchmark; leave out ':{where.key}'.")
