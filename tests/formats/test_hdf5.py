"""HDF5 of ann-benchmarks and the SISAP challenges: which dataset, packed bits, damage."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from goldpan.core.errors import FormatError, InputError, UnknownName
from goldpan.core.records import Metric
from goldpan.formats.vectors import open_vectors, write_vectors

ROWS = np.arange(20, dtype=np.float16).reshape(5, 4)


def test_ann_benchmarks_names_its_metric(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        file.attrs["distance"] = "angular"
        file["train"], file["test"] = ROWS, ROWS[:2]
        file["neighbors"] = np.zeros((2, 3), np.int32)
    assert open_vectors(tmp_path / "x.hdf5").n == 5
    assert open_vectors(f"{tmp_path}/x.hdf5:test").n == 2
    assert open_vectors(tmp_path / "x.hdf5").metric is Metric.COSINE


def test_sisap_of_julia_is_read_past_its_types(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "laion.h5", "w") as file:
        file["_types/00000001"] = np.zeros((3, 3))
        file["emb"] = ROWS
    reader = open_vectors(tmp_path / "laion.h5")
    assert (reader.n, reader.dim, reader.dtype) == (5, 4, np.float16)


def test_groups_of_sisap_2025(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "pubmed.h5", "w") as file:
        file["train"] = ROWS
        file["itest/queries"] = ROWS[:3]
        file["otest/queries"] = ROWS[3:]
    assert open_vectors(f"{tmp_path}/pubmed.h5:otest/queries").read(0, 2).tolist() == ROWS[3:].tolist()


def test_words_of_bits_are_seen_as_bytes_and_written_back(tmp_path: Path) -> None:
    words = np.random.default_rng(3).integers(0, 2**64, (6, 16), np.uint64)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["hamming"] = words
    reader = open_vectors(tmp_path / "x.h5")
    assert (reader.dim, reader.dtype) == (128, np.uint8)
    np.testing.assert_array_equal(reader.read(0, 6), words.view(np.uint8))
    write_vectors(f"{tmp_path}/y.h5:hamming", reader.blocks(4), dim=128, dtype="uint8", n=6)
    with h5py.File(tmp_path / "y.h5") as file:
        assert file["hamming"].dtype == np.uint64
        np.testing.assert_array_equal(file["hamming"][:], words)


def test_booleans_are_packed_first_bit_highest(tmp_path: Path) -> None:
    bits = np.zeros((2, 12), bool)
    bits[0, [0, 9]] = True
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        file["train"] = bits
    reader = open_vectors(tmp_path / "x.hdf5")
    assert reader.dim == 2
    assert reader.read(0, 2).tolist() == [[0b10000000, 0b01000000], [0, 0]]


def test_big_endian_values_come_in_the_order_of_this_machine(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["emb"] = ROWS.astype(">f4")
    reader = open_vectors(tmp_path / "x.h5")
    assert reader.dtype == np.dtype("f4")
    assert reader.read(0, 5).dtype.isnative
    np.testing.assert_array_equal(reader.read(0, 5), ROWS)


def test_compressed_chunks_and_scattered_rows(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).standard_normal((500, 8)).astype(np.float32)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("emb", data=rows, chunks=(64, 8), compression="gzip")
    ids = np.random.default_rng(1).integers(0, 500, 200)
    np.testing.assert_array_equal(open_vectors(tmp_path / "x.h5").take(ids), rows[ids])


def test_a_named_dataset_joins_a_file_and_an_unnamed_one_replaces_it(tmp_path: Path) -> None:
    address = f"{tmp_path}/all.h5"
    with h5py.File(address, "w") as file:
        file.attrs["distance"] = "ip"
        file["neighbors"] = np.zeros((2, 3), np.int32)
    for key, rows in (("train", ROWS), ("group/test", ROWS[:2]), ("group/test", ROWS[:1])):
        write_vectors(f"{address}:{key}", [rows], dim=4, dtype="float16", n=len(rows))
    with h5py.File(address) as file:
        assert sorted(file) == ["group", "neighbors", "train"]
        assert file.attrs["distance"] == "ip"
    assert open_vectors(f"{address}:group/test").n == 1
    write_vectors(address, [ROWS], dim=4, dtype="float16")
    with h5py.File(address) as file:
        assert sorted(file) == ["train"]


def test_which_dataset_must_be_said_where_several_could_be_meant(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["left"], file["right"] = ROWS, ROWS
    with pytest.raises(InputError, match=r"holds left, right; name one: .*x\.h5:left"):
        open_vectors(tmp_path / "x.h5")
    with pytest.raises(UnknownName, match="Did you mean 'left'"):
        open_vectors(f"{tmp_path}/x.h5:lefd")


def test_what_is_no_table_of_numbers_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["line"] = np.arange(3.0)
        file["names"] = np.array([[b"a", b"b"]])
        for part in ("data", "indices", "indptr"):
            file[f"sparse/{part}"] = np.arange(3)
    for key, sentence in (("line", "1 axes"), ("names", "allowed"), ("sparse", "sparse matrix")):
        with pytest.raises(FormatError, match=sentence):
            open_vectors(f"{tmp_path}/x.h5:{key}")


@pytest.mark.parametrize("chunks", [None, (10, 4)])
def test_rows_that_were_never_written_are_no_zeros(tmp_path: Path, chunks: tuple[int, int] | None) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("emb", (10**12, 4), np.float32, chunks=chunks)
    with pytest.raises(FormatError, match="says it is 1000000000000 x 4; 0 of"):
        open_vectors(tmp_path / "x.h5")


def test_a_file_without_tables_is_said(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["line"] = np.arange(3.0)
    with pytest.raises(FormatError, match="no dataset of two axes"):
        open_vectors(tmp_path / "x.h5")


def test_a_group_is_not_replaced_and_a_dataset_holds_no_other(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["itest/queries"], file["train"] = ROWS, ROWS
    before = path.read_bytes()
    for key, problem in (("itest", "is a group"), ("itest/", "is a group"), ("train/x", "x.h5:train is a dataset")):
        with pytest.raises(InputError, match=problem):
            write_vectors(f"{path}:{key}", [ROWS], dim=4, dtype=np.float16)
    with pytest.raises(InputError, match="names no dataset"):
        write_vectors(f"{path}:/", [ROWS], dim=4, dtype=np.float16)
    assert path.read_bytes() == before
    write_vectors(f"{path}:itest/more", [ROWS], dim=4, dtype=np.float16)
    assert open_vectors(f"{path}:itest/queries").n == open_vectors(f"{path}:itest/more").n == 5
