"""Conversion: byte for byte there and back, in bounded memory, never losing a value unasked."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from goldpan.core.errors import FormatError, InputError
from goldpan.formats.convert import convert, is_truth
from goldpan.formats.truth import read_truth, write_truth
from goldpan.formats.vectors import open_vectors, write_vectors

FLOATS = ["x.fvecs", "x.fbin", "x.npy", "x.h5", "x.h5:emb", "x.parquet", "folder"]
BYTES = ["x.bvecs", "x.u8bin", "x.bbin", "x.npy", "x.h5:hamming", "x.parquet", "folder"]
HALVES = ["x.hbin", "x.npy", "x.h5", "x.parquet", "folder"]
TRUTHS = ["t.ivecs", "t.npy", "t.ibin", "t.gt100", "t.h5", "t.h5:neighbors", "t.parquet"]


def contents(address: str) -> list[bytes]:
    path = Path(address.rpartition(":")[0] if ":" in address else address)
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return [file.read_bytes() for file in files if file.is_file()]


def there_and_back(folder: Path, first: str, second: str) -> None:
    """Convert first -> second -> first and compare the bytes."""
    (folder / "back").mkdir()
    convert(f"{folder}/{first}", f"{folder}/to_{second}", block_rows=7)
    convert(f"{folder}/to_{second}", f"{folder}/back/{first}", block_rows=11)
    assert contents(f"{folder}/back/{first}") == contents(f"{folder}/{first}")


@pytest.mark.parametrize(
    ("first", "second", "dtype"),
    [
        (first, second, dtype)
        for names, dtype in ((FLOATS, "float32"), (BYTES, "uint8"), (HALVES, "float16"), (["x.i8bin", "x.npy"], "int8"))
        for first in names
        for second in names
    ],
)
def test_vectors_byte_for_byte(tmp_path: Path, first: str, second: str, dtype: str) -> None:
    rows = np.random.default_rng(0).integers(0, 120, (40, 8)).astype(dtype)
    rows = rows / np.dtype(dtype).type(3) if dtype.startswith("float") else rows
    write_vectors(f"{tmp_path}/{first}", [rows], dim=8, dtype=dtype, n=40)
    there_and_back(tmp_path, first, second)


@pytest.mark.parametrize("first", TRUTHS)
@pytest.mark.parametrize("second", TRUTHS)
def test_truth_byte_for_byte(tmp_path: Path, first: str, second: str) -> None:
    ids = np.random.default_rng(0).integers(-1, 1000, (40, 10))
    write_truth(f"{tmp_path}/{first}", ids)
    there_and_back(tmp_path, first, second)


@given(
    rows=hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=9),
        elements=st.floats(width=32, allow_nan=True, allow_infinity=True),
    ),
    block_rows=st.integers(1, 10),
    second=st.sampled_from(["x.fbin", "x.npy", "x.h5", "x.parquet"]),
)
@settings(max_examples=40, deadline=None)
def test_any_values_survive(
    tmp_path_factory: pytest.TempPathFactory, rows: np.ndarray, block_rows: int, second: str
) -> None:
    folder = tmp_path_factory.mktemp("any")
    write_vectors(folder / "x.fvecs", [rows], dim=rows.shape[1], dtype="float32")
    convert(folder / "x.fvecs", folder / second, block_rows=block_rows)
    convert(folder / second, folder / "y.fvecs")
    assert (folder / "y.fvecs").read_bytes() == (folder / "x.fvecs").read_bytes()


def test_the_record_says_what_was_done(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((10, 4), np.float16))
    done = convert(tmp_path / "x.npy", tmp_path / "x.fvecs").as_dict()
    assert done.pop("seconds") >= 0
    assert done == {
        "source": f"{tmp_path}/x.npy",
        "target": f"{tmp_path}/x.fvecs",
        "kind": "vectors",
        "n": 10,
        "dim": 4,
        "dtype": "float32",
        "bytes": 200,
        "dropped": [],
    }


def test_a_type_that_loses_values_must_be_asked_for(tmp_path: Path) -> None:
    rows = np.array([[0.1, 0.2]])
    np.save(tmp_path / "x.npy", rows)
    with pytest.raises(InputError, match=r"holds float64, \.fvecs holds float32: .* accept it with --dtype float32"):
        convert(tmp_path / "x.npy", tmp_path / "x.fvecs")
    assert not (tmp_path / "x.fvecs").exists()
    convert(tmp_path / "x.npy", tmp_path / "x.fvecs", dtype="float32")
    np.testing.assert_array_equal(open_vectors(tmp_path / "x.fvecs").read(0, 1), rows.astype(np.float32))
    with pytest.raises(InputError, match="does not hold float16; allowed: float32"):
        convert(tmp_path / "x.npy", tmp_path / "x.fvecs", dtype="float16")


def test_asked_for_or_not_a_value_never_turns_into_another(tmp_path: Path) -> None:
    rows = np.zeros((9, 3), np.float32)
    rows[5, 1] = 1e5
    np.save(tmp_path / "x.npy", rows)
    with pytest.raises(InputError, match=r"Row 5 holds 100000\.0, which float16 does not have"):
        convert(tmp_path / "x.npy", tmp_path / "x.hbin", dtype="float16", block_rows=2)
    assert not (tmp_path / "x.hbin").exists()


def test_a_damaged_source_leaves_no_target(tmp_path: Path) -> None:
    rows = np.ones((100, 3), np.float32)
    write_vectors(tmp_path / "x.fvecs", [rows], dim=3, dtype="float32")
    with (tmp_path / "x.fvecs").open("r+b") as file:
        file.seek(16 * 77)
        file.write(b"\x04")
    with pytest.raises(FormatError, match=r"at row 77 \(byte 1232\)"):
        convert(tmp_path / "x.fvecs", tmp_path / "x.fbin", block_rows=10)
    assert [path.name for path in tmp_path.iterdir()] == ["x.fvecs"]


def test_metadata_are_carried_where_they_can_be_and_named_where_not(tmp_path: Path) -> None:
    lists = pa.array(np.arange(60.0).reshape(20, 3).tolist(), pa.list_(pa.float32()))
    table = pa.table({"url": [f"u{i}" for i in range(20)], "caption": [None, "x"] * 10, "emb": lists})
    pq.write_table(table, tmp_path / "x.parquet", row_group_size=6)
    convert(tmp_path / "x.parquet", tmp_path / "folder", block_rows=7)
    convert(tmp_path / "folder", tmp_path / "y.parquet", block_rows=9)
    again = pq.read_table(tmp_path / "y.parquet")
    assert again.select(["url", "caption"]).equals(table.select(["url", "caption"]))
    assert convert(tmp_path / "y.parquet", tmp_path / "x.npy").dropped == ("url", "caption")


def test_a_key_chooses_the_dataset(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["train"], file["test"] = np.zeros((5, 2), np.float32), np.zeros((3, 2), np.float32)
    assert convert(tmp_path / "x.h5", tmp_path / "a.npy", key="test").n == 3
    assert convert(f"{tmp_path}/x.h5:train", f"{tmp_path}/x.h5:copy").n == 5
    assert convert(f"{tmp_path}/x.h5:copy", tmp_path / "a.npy").n == 5


def test_a_file_may_be_converted_onto_itself(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.asfortranarray(np.arange(6, dtype=np.float32).reshape(3, 2)))
    convert(tmp_path / "x.npy", tmp_path / "x.npy")
    assert not np.isfortran(np.load(tmp_path / "x.npy"))


def test_what_holds_ids_is_told_from_what_holds_vectors(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "both.h5", "w") as file:
        file["train"], file["neighbors"] = np.zeros((5, 2)), np.zeros((5, 2), np.int32)
        file["itest/queries"], file["itest/knns"] = np.zeros((5, 2)), np.ones((5, 2), np.int32)
    np.save(tmp_path / "ids.npy", np.zeros((2, 2), np.int64))
    np.save(tmp_path / "bytes.npy", np.zeros((2, 2), np.uint8))
    write_truth(tmp_path / "gold.h5", [[1]])
    expected = {
        "x.ivecs": True,
        "x.ibin": True,
        "step1.gt100": True,
        "x.fvecs": False,
        "both.h5": False,
        "both.h5:train": False,
        "both.h5:neighbors": True,
        "both.h5:itest": True,
        "both.h5:itest/knns": True,
        "both.h5:itest/queries": False,
        "gold.h5": True,
        "ids.npy": True,
        "bytes.npy": False,
        "missing.npy": False,
    }
    assert {name: is_truth(f"{tmp_path}/{name}") for name in expected} == expected


def test_distances_take_the_target_s_convention_and_so_need_a_metric(tmp_path: Path) -> None:
    write_truth(tmp_path / "gt.ibin", [[1, 2]], [[2.0, 3.0]], metric="l2")
    convert(tmp_path / "gt.ibin", f"{tmp_path}/a.h5:neighbors", metric="l2")
    assert read_truth(tmp_path / "a.h5").distances.tolist() == [[2.0, 3.0]]
    for other in ("b.h5", "b.h5:neighbors", "b.parquet"):
        with pytest.raises(InputError, match="add --metric ip, cosine"):
            convert(tmp_path / "gt.ibin", f"{tmp_path}/{other}")
    assert {path.name for path in tmp_path.iterdir()} == {"gt.ibin", "a.h5"}
    convert(tmp_path / "gt.ibin", tmp_path / "same.gt100")
    assert (tmp_path / "same.gt100").read_bytes() == (tmp_path / "gt.ibin").read_bytes()
    assert convert(tmp_path / "gt.ibin", tmp_path / "gt.ivecs").dropped == ("distances",)


def test_options_that_mean_nothing_are_refused(tmp_path: Path) -> None:
    write_truth(tmp_path / "gt.ivecs", [[1]])
    np.save(tmp_path / "x.npy", np.zeros((1, 1)))
    with pytest.raises(InputError, match="leave out --dtype"):
        convert(tmp_path / "gt.ivecs", tmp_path / "gt.npy", dtype="int32")
    with pytest.raises(InputError, match="leave out --metric"):
        convert(tmp_path / "x.npy", tmp_path / "x.h5", metric="l2")


def test_progress_is_told_of_every_row(tmp_path: Path) -> None:
    told: list[object] = []

    class Listener:
        def start(self, label: str, total: int | None = None) -> None:
            told.append(total)

        def advance(self, done: int = 1, failed: int = 0) -> None:
            told.append(done)

        def finish(self) -> None:
            told.append("end")

    np.save(tmp_path / "x.npy", np.zeros((5, 2)))
    convert(tmp_path / "x.npy", tmp_path / "x.h5", block_rows=2, progress=Listener())
    assert told == [5, 2, 2, 1, "end"]


@pytest.mark.parametrize("target", ["x.fbin", "x.h5", "x.npy", "y.fvecs"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, target: str) -> None:
    block = np.zeros((1000, 256), np.float32)
    write_vectors(tmp_path / "x.fvecs", (block for _ in range(100)), dim=256, dtype="float32")
    tracemalloc.start()
    convert(tmp_path / "x.fvecs", tmp_path / target)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 << 20 < (tmp_path / "x.fvecs").stat().st_size // 8


@pytest.mark.parametrize("size", ["1M", "13M"])
@pytest.mark.parametrize("second", TRUTHS[1:])
def test_real_truth_is_rewritten_byte_for_byte(tmp_path: Path, shared: Path, size: str, second: str) -> None:
    source = shared / "data" / "groundtruth" / f"openimages_{size}_gtruth.ivecs"
    convert(source, f"{tmp_path}/{second}")
    convert(f"{tmp_path}/{second}", tmp_path / "again.ivecs")
    assert (tmp_path / "again.ivecs").read_bytes() == source.read_bytes()
