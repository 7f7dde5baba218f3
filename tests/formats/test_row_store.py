"""Rows of metadata by their numbers."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from goldpan.core.errors import FormatError, InputError
from goldpan.formats.row_store import RowStore, open_rows

N = 25


def table(start: int = 0, stop: int = N) -> pa.Table:
    numbers = range(start, stop)
    return pa.table({"url": [f"http://a/{i}" for i in numbers], "caption": [f"é {i}" for i in numbers], "n": numbers})


def write(folder: Path, kind: str) -> Path:
    """Write the rows in three files, or in the one that HDF5 has."""
    folder.mkdir()
    if kind == "hdf5":
        with h5py.File(folder / "metadata.hdf5", "w") as file:
            group = file.create_group("dataset")
            for name, column in zip(table().column_names, table().columns, strict=True):
                values = column.to_pylist()
                data = np.array([value.encode() for value in values]) if name != "n" else np.array(values)
                group.create_dataset(name, data=data)
        return folder / "metadata.hdf5"
    for number, (start, stop) in enumerate(((0, 3), (3, 20), (20, N))):
        part = table(start, stop)
        if kind == "parquet":
            pq.write_table(part, folder / f"metadata_{number * 9:02}.parquet", row_group_size=4)
        else:
            with pa.ipc.new_file(str(folder / f"{number * 9:02}.arrow"), part.schema) as out:
                out.write_table(part, max_chunksize=4)
    return folder


@pytest.fixture(params=["parquet", "arrow", "hdf5"])
def rows(request: pytest.FixtureRequest, tmp_path: Path) -> RowStore:
    return open_rows(write(tmp_path / "metadata", request.param))


def test_rows_come_in_the_order_asked_for(rows: RowStore) -> None:
    assert rows.n == N
    assert set(rows.columns) == {"url", "caption", "n"}
    wanted = [24, 0, 3, 3, 19, 20, 7]
    found = rows.rows(np.array(wanted), ["n", "caption"])
    assert found == [{"n": i, "caption": f"é {i}"} for i in wanted]
    assert rows.rows(np.array([], np.int64), ["n"]) == []
    assert rows.rows(np.array([1, 2]), []) == [{}, {}]


@pytest.mark.parametrize("numbers", [[-1], [N], [0, 99]])
def test_rows_that_are_not_there_are_refused(rows: RowStore, numbers: list[int]) -> None:
    with pytest.raises(InputError, match=r"Rows are numbered from 0 to 24"):
        rows.rows(np.array(numbers), ["n"])


def test_many_threads_may_ask(rows: RowStore) -> None:
    def ask(seed: int) -> bool:
        wanted = np.random.default_rng(seed).integers(0, N, 10)
        return [row["n"] for row in rows.rows(wanted, ["n"])] == wanted.tolist()

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(100)))


def test_files_follow_as_embedding_reader_sorts_them(tmp_path: Path) -> None:
    for number in (0, 2, 10):
        pq.write_table(pa.table({"n": [number]}), tmp_path / f"metadata_{number}.parquet")
    assert [row["n"] for row in open_rows(tmp_path).rows(np.arange(3), ["n"])] == [0, 10, 2]


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_a_file_may_lack_columns(tmp_path: Path, kind: str) -> None:
    for name, part in (("0", {"a": [1, 2], "b": ["x", "y"]}), ("1", {"c": [3.5], "a": [3]})):
        if kind == "parquet":
            pq.write_table(pa.table(part), tmp_path / f"{name}.parquet")
        else:
            with pa.ipc.new_file(str(tmp_path / f"{name}.arrow"), pa.table(part).schema) as out:
                out.write_table(pa.table(part))
    rows = open_rows(tmp_path)
    assert rows.columns == ("a", "b", "c")
    told = rows.rows(np.array([2, 0]), ["b", "a", "c"])
    assert told == [{"b": None, "a": 3, "c": 3.5}, {"b": "x", "a": 1, "c": None}]


def test_one_file_is_enough(tmp_path: Path) -> None:
    pq.write_table(table(), tmp_path / "m.parquet")
    assert open_rows(tmp_path / "m.parquet").n == N


@pytest.mark.parametrize("name", ["m.parquet", "m.arrow", "m.hdf5"])
def test_bytes_that_are_not_what_the_name_says(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PAR1ARROW1\x89HDF nothing of that")
    with pytest.raises(FormatError, match=name):
        open_rows(tmp_path / name)


def test_nothing_to_open(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no metadata; they end in \.parquet, \.arrow or \.hdf5"):
        open_rows(tmp_path)
    for name in ("a.hdf5", "b.hdf5"):
        h5py.File(tmp_path / name, "w").close()
    with pytest.raises(InputError, match="holds 2 HDF5 files"):
        open_rows(tmp_path)
