"""Sparse rows: big-ann's files, SISAP's groups, ann-benchmarks' sets; in blocks, and never trusted."""

from __future__ import annotations

import struct
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.sparse import csr_array, random_array, vstack

from goldpan.core.errors import ArrayError, FormatError, InputError, UnknownName
from goldpan.formats.convert import convert
from goldpan.formats.sparse import open_sparse, write_sparse
from goldpan.formats.vectors import open_vectors

ROWS = csr_array(np.array([[0, 1.5, 0, 2], [0, 0, 0, 0], [3, 0, -1, 0]], np.float32))
BYTES = struct.pack("<3q4q4i4f", 3, 4, 4, 0, 2, 2, 4, 1, 3, 0, 2, 1.5, 2, 3, -1)
ADDRESSES = ["a.spmat", "a.csr", "a.h5", "a.hdf5:test/queries"]


def sample(n: int = 500, dim: int = 3000) -> csr_array:
    return csr_array(random_array((n, dim), density=0.01, rng=np.random.default_rng(0), dtype=np.float32, format="csr"))


def same(found: csr_array, given: csr_array) -> None:
    assert found.shape == given.shape
    np.testing.assert_array_equal(found.indptr, given.indptr)
    np.testing.assert_array_equal(found.indices, given.indices)
    np.testing.assert_array_equal(found.data, given.data)


def test_bytes_of_big_ann(tmp_path: Path) -> None:
    path = tmp_path / "x.spmat"
    assert write_sparse(path, [ROWS[:2], ROWS[2:]], dim=4, n=3) == 4
    assert path.read_bytes() == BYTES
    reader = open_sparse(path)
    assert (reader.n, reader.dim, reader.nnz, reader.dtype) == (3, 4, 4, np.float32)
    same(reader.read(1, 3), ROWS[1:])


@pytest.mark.parametrize("name", ADDRESSES)
@pytest.mark.parametrize("rows", [None, 1, 7, 5000])
def test_blocks_make_the_whole(tmp_path: Path, name: str, rows: int | None) -> None:
    given = sample()
    write_sparse(f"{tmp_path}/{name}", [given[:123], given[123:]], dim=3000, n=500)
    blocks = list(open_sparse(f"{tmp_path}/{name}").blocks(rows))
    assert rows is None or all(block.shape[0] <= rows for block in blocks)
    same(csr_array(vstack(blocks, format="csr")), given)


@pytest.mark.parametrize("name", ADDRESSES)
def test_no_rows_and_rows_of_nothing(tmp_path: Path, name: str) -> None:
    for n in (0, 3):
        empty = csr_array((n, 5), dtype=np.float32)
        write_sparse(f"{tmp_path}/{name}", [empty] if n else [], dim=5, n=n)
        reader = open_sparse(f"{tmp_path}/{name}")
        assert (reader.n, reader.nnz) == (n, 0)
        assert sum(block.shape[0] for block in reader.blocks()) == n


def test_a_block_stays_small_where_rows_are_long(tmp_path: Path) -> None:
    long = csr_array(np.ones((40, 20_000), np.float32))
    write_sparse(tmp_path / "x.spmat", [long], dim=20_000, n=40)
    sizes = [block.nnz for block in open_sparse(tmp_path / "x.spmat").blocks()]
    assert len(sizes) == 4
    assert max(sizes) * 8 <= 2 << 20


def test_the_group_of_sisap_2026(tmp_path: Path) -> None:
    path = tmp_path / "nq.h5"
    with h5py.File(path, "w") as file:
        for name, part in (("data", ROWS.data), ("indices", ROWS.indices), ("indptr", ROWS.indptr)):
            file.create_dataset(f"train/{name}", data=part)
        file["train"].attrs["shape"] = (3, 4)
        file["test/knns"] = np.ones((2, 2), np.int32)
    same(open_sparse(path).read(0, 3), ROWS)
    with pytest.raises(FormatError, match="train is a sparse matrix"):
        open_vectors(f"{path}:train")
    write_sparse(f"{path}:train", [ROWS[:1]], dim=4, n=1)
    assert open_sparse(path).n == 1
    with h5py.File(path) as file:
        assert file["test/knns"].shape == (2, 2)
    with pytest.raises(InputError, match="is a group of datasets"):
        write_sparse(f"{path}:test", [ROWS], dim=4, n=3)
    with pytest.raises(UnknownName, match="Known: train"):
        open_sparse(f"{path}:queries")


def test_the_sets_of_ann_benchmarks(tmp_path: Path) -> None:
    path = tmp_path / "kosarak-jaccard.hdf5"
    with h5py.File(path, "w") as file:
        file.attrs.update({"type": "sparse", "distance": "jaccard", "dimension": 9, "point_type": "bit"})
        file["train"], file["size_train"] = np.array([1, 4, 8, 0]), np.array([2, 0, 2])
        file["test"], file["size_test"] = np.array([3]), np.array([1])
        file["neighbors"] = np.zeros((1, 2), np.int32)
    reader = open_sparse(path)
    assert reader.read(0, 3).toarray().tolist() == [[0, 1, 0, 0, 1, 0, 0, 0, 0], [0] * 9, [1, *[0] * 7, 1]]
    assert open_sparse(f"{path}:test").n == 1
    with pytest.raises(FormatError, match="holds sets, not vectors"):
        open_vectors(f"{path}:train")
    assert convert(path, tmp_path / "x.spmat").kind == "sparse"
    same(open_sparse(tmp_path / "x.spmat").read(0, 3), reader.read(0, 3))
    older = tmp_path / "older.hdf5"
    with h5py.File(older, "w") as file:
        file["train"], file["size_train"] = np.array([1, 4, 8, 0]), np.array([2, 0, 2])
    assert open_sparse(older).dim == 9


def test_conversion_there_and_back(tmp_path: Path) -> None:
    write_sparse(tmp_path / "a.spmat", [sample()], dim=3000, n=500)
    done = convert(tmp_path / "a.spmat", f"{tmp_path}/b.h5:train")
    assert (done.kind, done.n, done.dim, done.dtype) == ("sparse", 500, 3000, "float32")
    convert(f"{tmp_path}/b.h5:train", tmp_path / "c.csr", block_rows=99)
    assert (tmp_path / "a.spmat").read_bytes() == (tmp_path / "c.csr").read_bytes()
    with pytest.raises(UnknownName, match=r"sparse rows 'fvecs'"):
        convert(tmp_path / "a.spmat", tmp_path / "a.fvecs")
    with pytest.raises(InputError, match="leave out --dtype"):
        convert(tmp_path / "a.spmat", tmp_path / "b.spmat", dtype="float32")


def with_numbers(**places: int) -> bytes:
    data = bytearray(BYTES)
    for name, value in places.items():
        kind, place = name.split("_")
        struct.pack_into("<q" if kind == "q" else "<i", data, int(place), value)
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "too few for the header"),
        (BYTES[:-1], "88 bytes in all; the file has 87"),
        (BYTES + b"\0", "the file has 89"),
        (with_numbers(q_0=2**62), "4611686018427387904 rows"),
        (with_numbers(q_16=2**60), "entries"),
        (with_numbers(q_0=-1), "-1 rows"),
        (with_numbers(q_24=1), r"rows go from \[1, 4\]"),
        (with_numbers(q_48=3), r"rows go from \[0, 3\]"),
        (with_numbers(q_32=3), "at row 1: it goes from entry 3 to 2 of 4"),
        (with_numbers(q_32=9), "at row 0: it goes from entry 0 to 9 of 4"),
        (with_numbers(i_64=4), "at row 2: column 4 of 4"),
        (with_numbers(i_56=-1), "at row 0: column -1 of 4"),
    ],
)
def test_damaged_files(tmp_path: Path, data: bytes, problem: str) -> None:
    path = tmp_path / "x.spmat"
    path.write_bytes(data)
    with pytest.raises(FormatError, match=problem):
        list(open_sparse(path).blocks())


def test_damaged_groups(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    for change, problem in (
        ({"shape": None}, "no attribute shape"),
        ({"shape": (9, 4)}, "shape 9 x 4 and 4 starts"),
        ({"data": np.zeros(3)}, "4 columns and 3 values"),
        ({"indptr": np.zeros((2, 2))}, "is no array of numbers with one axis"),
        ({"indices": np.array(["a"] * 4, "S1")}, "is no array of numbers"),
    ):
        parts = {"data": ROWS.data, "indices": ROWS.indices, "indptr": ROWS.indptr, "shape": (3, 4), **change}
        with h5py.File(path, "w") as file:
            for name in ("data", "indices", "indptr"):
                file[f"train/{name}"] = parts[name]
            if parts["shape"]:
                file["train"].attrs["shape"] = parts["shape"]
        with pytest.raises(FormatError, match=problem):
            open_sparse(path)
    with h5py.File(path, "w") as file:
        file.create_dataset("train/indptr", (2**40,), np.int64)
        file["train/data"], file["train/indices"] = ROWS.data, ROWS.indices
        file["train"].attrs["shape"] = (2**40 - 1, 4)
    with pytest.raises(FormatError, match="0 of 8796093022208 bytes of it are there"):
        open_sparse(path)


def test_what_is_announced_must_come(tmp_path: Path) -> None:
    path = tmp_path / "x.spmat"
    for blocks, dim, n in (([ROWS], 5, 3), ([ROWS], 4, 2), ([ROWS], 4, 4)):
        with pytest.raises(ArrayError):
            write_sparse(path, blocks, dim=dim, n=n)
    with pytest.raises(ArrayError, match="values of float64, the one before it of float32"):
        write_sparse(path, [ROWS, ROWS.astype(np.float64)], dim=4, n=6)
    with pytest.raises(ArrayError, match="do not fit this format"):
        write_sparse(path, [], dim=2**31, n=0)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="There is no file"):
        open_sparse(path)
    with pytest.raises(UnknownName, match="format of sparse rows 'npy'"):
        write_sparse(tmp_path / "x.npy", [ROWS], dim=4, n=3)
