"""Folders of numbered parts: order by number, rows across parts, metadata beside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from goldpan.core.errors import FormatError, InputError, UnknownName
from goldpan.formats.laion import PART_ROWS
from goldpan.formats.vectors import open_vectors, write_vectors

ROWS = np.arange(36, dtype=np.float16).reshape(12, 3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve parts of one row, as clip-retrieval writes them."""
    for kind in ("img_emb", "metadata"):
        (tmp_path / kind).mkdir()
    for part in range(12):
        np.save(tmp_path / f"img_emb/img_emb_{part}.npy", ROWS[part : part + 1])
        pq.write_table(pa.table({"url": [f"u{part}"]}), tmp_path / f"metadata/metadata_{part}.parquet")
    return tmp_path


def test_parts_follow_by_number(folder: Path) -> None:
    reader = open_vectors(folder)
    assert (reader.n, reader.dim, reader.dtype, reader.columns) == (12, 3, np.float16, ("url",))
    np.testing.assert_array_equal(reader.read(0, 12), ROWS)
    np.testing.assert_array_equal(reader.read(9, 11), ROWS[9:11])
    np.testing.assert_array_equal(reader.take([11, 2, 2, 10]), ROWS[[11, 2, 2, 10]])
    assert [len(block) for block in reader.blocks(5)] == [5, 5, 2]
    tables = list(reader.metadata(5))
    assert [table.num_rows for table in tables] == [5, 5, 2]
    assert pa.concat_tables(tables)["url"].to_pylist() == [f"u{part}" for part in range(12)]


def test_leading_zeros_and_a_later_start(tmp_path: Path) -> None:
    (tmp_path / "img_emb").mkdir()
    for part in (1, 2, 10):
        np.save(tmp_path / f"img_emb/img_emb_{part:04}.npy", ROWS[part : part + 1])
    np.testing.assert_array_equal(open_vectors(tmp_path).read(0, 3), ROWS[[1, 2, 10]])


def test_texts_beside_images_keep_their_metadata(tmp_path: Path) -> None:
    columns = [pa.table({"url": [f"u{i}" for i in range(12)]})]
    write_vectors(tmp_path / "x", [ROWS], dim=3, dtype="float16", columns=columns)
    write_vectors(f"{tmp_path}/x:text_emb", [ROWS + 1], dim=3, dtype="float16")
    np.testing.assert_array_equal(open_vectors(tmp_path / "x").read(0, 12), ROWS)
    reader = open_vectors(f"{tmp_path}/x:text_emb")
    np.testing.assert_array_equal(reader.read(0, 12), ROWS + 1)
    assert next(reader.metadata()).equals(columns[0])


def test_texts_that_do_not_fit_the_metadata_there_are_refused(folder: Path) -> None:
    with pytest.raises(InputError, match=r"metadata_0\.parquet has 1 rows, the vectors for it 12"):
        write_vectors(f"{folder}:text_emb", [ROWS], dim=3, dtype="float16")
    assert not (folder / "text_emb").exists()


def test_fewer_parts_leave_no_old_ones(folder: Path) -> None:
    columns = [pa.table({"caption": ["a", "b"]})]
    write_vectors(folder, [ROWS[:2]], dim=3, dtype="float16", columns=columns)
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))
    assert names == ["img_emb/img_emb_0.npy", "metadata/metadata_0.parquet"]
    assert next(open_vectors(folder).metadata()).equals(columns[0])


def test_a_full_part_starts_the_next(tmp_path: Path) -> None:
    n = PART_ROWS + 5
    rows = np.arange(n, dtype=np.int32)[:, None]
    write_vectors(tmp_path / "x", np.array_split(rows, 7), dim=1, dtype="int32", n=n)
    reader = open_vectors(tmp_path / "x")
    assert [part.name for part in sorted((tmp_path / "x/img_emb").iterdir())] == ["img_emb_0.npy", "img_emb_1.npy"]
    assert np.load(tmp_path / "x/img_emb/img_emb_1.npy").tolist() == rows[PART_ROWS:].tolist()
    assert pq.read_table(tmp_path / "x/metadata/metadata_1.parquet")["id"].to_pylist() == rows[PART_ROWS:, 0].tolist()
    np.testing.assert_array_equal(reader.read(PART_ROWS - 2, n), rows[-7:])


def test_metadata_that_do_not_match_are_refused(folder: Path) -> None:
    pq.write_table(pa.table({"url": ["a", "b"]}), folder / "metadata/metadata_3.parquet")
    with pytest.raises(FormatError, match=r"metadata_3\.parquet: 2 rows; img_emb_3\.npy has 1"):
        open_vectors(folder)
    (folder / "metadata/metadata_3.parquet").unlink()
    with pytest.raises(FormatError, match=r"metadata_3\.parquet is missing"):
        open_vectors(folder)


def test_parts_of_different_width_are_refused(folder: Path) -> None:
    np.save(folder / "img_emb/img_emb_5.npy", np.zeros((1, 4), np.float16))
    with pytest.raises(FormatError, match=r"img_emb_5\.npy: 4 values of float16 a row; img_emb_0\.npy has 3"):
        open_vectors(folder)


def test_what_is_no_folder_of_vectors_is_said(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(FormatError, match="holds neither"):
        open_vectors(tmp_path / "empty")
    (tmp_path / "empty/text_emb").mkdir()
    with pytest.raises(FormatError, match=r"no part text_emb_0\.npy"):
        open_vectors(tmp_path / "empty")
    with pytest.raises(UnknownName, match="Known: img_emb"):
        open_vectors(f"{folder}:text_emb")
    with pytest.raises(InputError, match="img_emb and text_emb"):
        write_vectors(f"{tmp_path}/new:emb", [ROWS], dim=3, dtype="float16")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        write_vectors(tmp_path / "file", [ROWS], dim=3, dtype="float16")
