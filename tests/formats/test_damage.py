"""Bytes changed at random: a file is read as something or refused in a sentence, and memory stays small."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.sparse import csr_array

from goldpan.core.errors import FormatError, InputError
from goldpan.formats.benchmark_open import open_benchmark
from goldpan.formats.range_truth import read_range_truth, write_range_truth
from goldpan.formats.runbook import Delete, Insert, Runbook, Search, read_runbook, write_runbook
from goldpan.formats.sparse import open_sparse, write_sparse
from goldpan.formats.step_truth import read_tags, write_tags
from goldpan.formats.truth import read_truth, write_truth

CHANGES = 200
IDS = np.array([[3, 1], [0, 2]])


@pytest.fixture(autouse=True)
def _little_memory() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    used = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_DATA, (used + (1 << 30), hard))
    yield
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def vdbbench(path: Path) -> None:
    vectors = list(np.eye(4, dtype=np.float32))
    for name in ("train", "test"):
        pq.write_table(pa.table({"id": [0, 1, 2, 3], "emb": vectors}), path.with_name(f"{name}.parquet"))
    pq.write_table(pa.table({"id": [0, 1, 2, 3], "neighbors_id": [[1, 2]] * 4}), path.with_name("neighbors.parquet"))


def read_vdbbench(path: Path) -> None:
    found = open_benchmark(path.parent)
    list(found.base.blocks())
    list(found.queries.blocks())


KINDS: list[tuple[str, Callable[[Path], object], Callable[[Path], object]]] = [
    ("r.yaml", lambda p: write_runbook(p, Runbook("a", 9, (Insert(0, 9), Search(), Delete(0, 5)))), read_runbook),
    ("range.bin", lambda p: write_range_truth(p, [0, 2, 3], [1, 5, 3], [1, 2, 3]), read_range_truth),
    ("a.tags", lambda p: write_tags(p, [1, 2, 3]), read_tags),
    ("a.gt2", lambda p: write_truth(p, IDS, IDS / 2), read_truth),
    (
        "a.spmat",
        lambda p: write_sparse(p, [csr_array(np.eye(4, dtype=np.float32))], dim=4, n=4),
        lambda p: list(open_sparse(p).blocks()),
    ),
    ("train.parquet", vdbbench, read_vdbbench),
    ("neighbors.parquet", vdbbench, read_vdbbench),
]


@pytest.mark.parametrize(("name", "write", "read"), KINDS, ids=[kind[0] for kind in KINDS])
def test_bytes_changed_at_random(
    tmp_path: Path, name: str, write: Callable[[Path], object], read: Callable[[Path], object]
) -> None:
    path = tmp_path / name
    write(path)
    read(path)
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(CHANGES):
        data = bytearray(whole)
        if rng.random() < 0.25:
            del data[rng.integers(len(data)) :]
        for place in rng.integers(len(data), size=rng.integers(1, 6)) if data else ():
            data[place] = rng.choice([0, 127, 128, 255, rng.integers(256)])
        path.write_bytes(data)
        try:
            read(path)
        except InputError:
            refused += 1
    assert refused > CHANGES // 4


@pytest.mark.parametrize("mark", [b"SNOD", b"TREE", b"HEAP"])
def test_a_damaged_table_of_contents_of_hdf5(tmp_path: Path, mark: bytes) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["train"], file["test"], file["neighbors"] = np.eye(4), np.eye(4), IDS
        for part in ("data", "indices", "indptr"):
            file[f"rows/{part}"] = np.zeros(3)
    path.write_bytes(path.read_bytes().replace(mark, b"XXXX"))
    for read in (open_benchmark, read_truth, lambda p: open_sparse(f"{p}:rows")):
        with pytest.raises(FormatError, match=r"x\.h5: (it is damaged|not a whole HDF5 file)"):
            read(path)
