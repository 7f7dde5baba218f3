"""Parquet: which column, lists of free size, other columns beside, rows named in errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from goldpan.core.errors import ArrayError, FormatError, InputError, UnknownName
from goldpan.formats.vectors import open_vectors, write_vectors

ROWS = np.arange(60, dtype=np.float32).reshape(20, 3)


def test_lists_of_free_size_as_vectordbbench_writes_them(tmp_path: Path) -> None:
    table = pa.table({"id": range(20), "emb": pa.array(ROWS.tolist(), pa.list_(pa.float32()))})
    pq.write_table(table, tmp_path / "train.parquet", row_group_size=7)
    reader = open_vectors(tmp_path / "train.parquet")
    assert (reader.n, reader.dim, reader.dtype, reader.columns) == (20, 3, np.float32, ("id",))
    np.testing.assert_array_equal(reader.read(5, 16), ROWS[5:16])
    np.testing.assert_array_equal(reader.take([19, 0, 8, 0]), ROWS[[19, 0, 8, 0]])
    assert [len(block) for block in reader.blocks(9)] == [9, 9, 2]


def test_what_we_write_has_an_id_and_is_read_by_pandas(tmp_path: Path) -> None:
    write_vectors(tmp_path / "x.parquet", [ROWS[:9], ROWS[9:]], dim=3, dtype="float32")
    frame = pq.read_table(tmp_path / "x.parquet").to_pandas()
    assert list(frame.columns) == ["id", "emb"]
    assert frame["id"].tolist() == list(range(20))
    np.testing.assert_array_equal(np.stack(frame["emb"]), ROWS)


def test_metadata_go_beside_the_vectors(tmp_path: Path) -> None:
    given = pa.table({"url": [f"u{i}" for i in range(20)], "tags": [["a"]] * 20})
    columns = [given.slice(0, 9), given.slice(9)]
    write_vectors(f"{tmp_path}/x.parquet:vec", [ROWS[:9], ROWS[9:]], dim=3, dtype="float32", columns=columns)
    reader = open_vectors(tmp_path / "x.parquet")
    assert reader.columns == ("url", "tags")
    assert pa.concat_tables(reader.metadata(6)).equals(given)


@pytest.mark.parametrize("rows", [[9, 10], [9], [9, 11, 1], [20]])
def test_metadata_out_of_step_are_refused(tmp_path: Path, rows: list[int]) -> None:
    columns = [pa.table({"url": ["u"] * n}) for n in rows]
    with pytest.raises(ArrayError, match="rows of metadata"):
        write_vectors(tmp_path / "x.parquet", [ROWS[:9], ROWS[9:]], dim=3, dtype="float32", columns=columns)
    assert not list(tmp_path.iterdir())


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    columns = [pa.table({"emb": ["u"] * 20})]
    with pytest.raises(InputError, match=r"name the vectors: FILE\.parquet:NAME"):
        write_vectors(tmp_path / "x.parquet", [ROWS], dim=3, dtype="float32", columns=columns)


def test_the_column_is_named_where_several_hold_numbers(tmp_path: Path) -> None:
    lists = pa.array(ROWS.tolist(), pa.list_(pa.float64(), 3))
    pq.write_table(pa.table({"left": lists, "right": lists, "name": ["x"] * 20}), tmp_path / "x.parquet")
    with pytest.raises(InputError, match=r"vectors in left, right; name one: .*x\.parquet:left"):
        open_vectors(tmp_path / "x.parquet")
    with pytest.raises(UnknownName, match="Known: left, right"):
        open_vectors(f"{tmp_path}/x.parquet:name")
    assert open_vectors(f"{tmp_path}/x.parquet:right").dtype == np.float64


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        (None, "there is no vector"),
        ([1.0, 2.0], "has 2 values"),
        ([1.0, None, 3.0], "value 1 of the vector is missing"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, bad: list[float] | None, sentence: str) -> None:
    rows = [*ROWS.tolist()[:13], bad, *ROWS.tolist()[14:]]
    pq.write_table(pa.table({"emb": pa.array(rows, pa.list_(pa.float32()))}), tmp_path / "x.parquet", row_group_size=6)
    reader = open_vectors(tmp_path / "x.parquet")
    np.testing.assert_array_equal(reader.read(0, 10), ROWS[:10])
    with pytest.raises(FormatError, match=sentence) as caught:
        list(reader.blocks(4))
    assert caught.value.row == 13


def test_a_first_row_without_vector_is_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"emb": pa.array([None, [1.0]], pa.list_(pa.float32()))}), tmp_path / "x.parquet")
    with pytest.raises(FormatError, match="there is no vector"):
        open_vectors(tmp_path / "x.parquet")


def test_row_groups_are_bounded_whatever_the_blocks(tmp_path: Path) -> None:
    wide = np.zeros((20_000, 1024), np.float32)
    write_vectors(tmp_path / "x.parquet", [wide], dim=1024, dtype="float32")
    groups = pq.ParquetFile(tmp_path / "x.parquet").metadata
    assert [groups.row_group(i).num_rows for i in range(groups.num_row_groups)] == [8192, 8192, 3616]


def test_a_table_without_vectors_is_said(tmp_path: Path) -> None:
    pq.write_table(pa.table({"name": ["x"]}), tmp_path / "x.parquet")
    with pytest.raises(FormatError, match="no column of lists of numbers"):
        open_vectors(tmp_path / "x.parquet")


def test_a_damaged_page_is_an_error_with_its_row(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    lists = pa.array(np.random.default_rng(0).integers(0, 50, (4000, 8)).tolist(), pa.list_(pa.float64(), 8))
    pq.write_table(pa.table({"emb": lists}), path, row_group_size=1000, compression="zstd", use_dictionary=False)
    third = pq.ParquetFile(path).metadata.row_group(2).column(0)
    with path.open("r+b") as file:
        file.seek(third.data_page_offset)
        file.write(b"\xff" * 40)
    reader = open_vectors(path)
    assert reader.read(0, 2000).shape == (2000, 8)
    with pytest.raises(FormatError, match="damaged in emb") as caught:
        list(reader.blocks(500))
    assert caught.value.row == 2000
