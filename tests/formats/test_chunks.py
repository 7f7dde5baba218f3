"""chunk_N.json, as unmet-promise and pandas write it."""

import json
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from goldpan.core.errors import InputError
from goldpan.formats.chunks import COLUMNS, chunk_files, chunk_names, chunk_row, read_chunk, write_chunks

ROW = {
    "QUERY": "ox", "URL": "http://a/1.jpg", "TEXT": 'an "ox" é', "SAMPLE_ID": "12.0", "HEIGHT": 300.0, "WIDTH": "400",
    "LICENSE": "?", "NSFW": "UNLIKELY", "similarity": 0.25, "more": None,
}  # fmt: skip


def test_a_chunk_is_what_pandas_writes(tmp_path: Path) -> None:
    (path,) = write_chunks(tmp_path, [ROW, ROW | {"similarity": float("nan"), "more": "x"}])
    rows = json.loads(path.read_text())
    frame = pd.DataFrame([chunk_row(ROW), chunk_row(ROW | {"similarity": None, "more": "x"})])
    assert rows == json.loads(frame.to_json(orient="records"))
    assert tuple(rows[0])[: len(COLUMNS)] == COLUMNS
    assert (rows[0]["SAMPLE_ID"], rows[0]["HEIGHT"], rows[0]["WIDTH"]) == (12, 300, 400)
    assert pd.read_json(path).URL.tolist() == ["http://a/1.jpg"] * 2


@pytest.mark.parametrize("layout", ["json", "parquet"])
def test_rows_are_shared_out_over_files_and_old_files_go(tmp_path: Path, layout: str) -> None:
    write_chunks(tmp_path, ({"URL": str(i)} for i in range(50)), rows_a_file=2)
    assert len(list(tmp_path.iterdir())) == 25
    files = write_chunks(tmp_path, ({"URL": str(i)} for i in range(23)), layout, rows_a_file=2)
    assert [path.name for path in files] == [f"chunk_{i}.{layout}" for i in range(12)]
    assert sorted(tmp_path.iterdir()) == sorted(files)
    assert chunk_files([tmp_path]) == files
    rows = [row.columns["URL"] for file in files for row in read_chunk(file)]
    assert rows == [str(i) for i in range(23)]


@pytest.mark.parametrize("layout", ["json", "parquet"])
def test_no_rows_are_a_chunk_without_rows(tmp_path: Path, layout: str) -> None:
    (path,) = write_chunks(tmp_path, [], layout)
    assert list(read_chunk(path)) == []


def test_parquet_has_the_columns_of_all_rows(tmp_path: Path) -> None:
    rows = [{"URL": str(i), "n": i} for i in range(5000)] + [{"URL": "x", "n": 0.5, "late": "y"}]
    (path,) = write_chunks(tmp_path, rows, "parquet")
    assert pq.read_table(path).to_pylist()[-2:] == [{"URL": "4999", "n": 4999.0, "late": None}, rows[-1]]
    with pytest.raises(InputError, match=r"differ in the kind of a column .* --layout json"):
        write_chunks(tmp_path, [{"n": i} for i in range(5000)] + [{"n": "x"}] * 5000, "parquet")
    assert pq.read_table(path).num_rows == 5001


def test_columns_get_the_names_of_a_chunk_unless_they_are_taken() -> None:
    assert chunk_names(["url", "caption", "original_width", "nsfw", "x"]) == {
        "url": "URL", "caption": "TEXT", "original_width": "WIDTH", "nsfw": "NSFW", "x": "x",
    }  # fmt: skip
    assert chunk_names(["caption", "TEXT"]) == {"caption": "caption", "TEXT": "TEXT"}
    assert chunk_names(["caption", "text"]) == {"caption": "TEXT", "text": "text"}
    assert chunk_names(["caption", "text"], captions="text") == {"caption": "caption", "text": "TEXT"}
    assert chunk_names(["caption", "alt"], captions="alt") == {"caption": "caption", "alt": "TEXT"}


def test_files_of_both_schemas_are_read(tmp_path: Path) -> None:
    (tmp_path / "groups.json").write_text(json.dumps({"ox": [{"URL": "u"}], "fox": [{"url": "v", "caption": "w"}]}))
    (tmp_path / "list.csv").write_text("url,caption,query\nu,t,ox\n")
    assert chunk_files([tmp_path / "list.csv", tmp_path]) == [
        tmp_path / "list.csv", tmp_path / "groups.json", tmp_path / "list.csv",
    ]  # fmt: skip
    groups = [row.columns for row in read_chunk(tmp_path / "groups.json")]
    assert groups[0] == {"URL": "u", "QUERY": "ox"}
    assert groups[1] == {"URL": "v", "TEXT": "w", "QUERY": "fox"}
    assert [row.columns for row in read_chunk(tmp_path / "list.csv")] == [{"URL": "u", "TEXT": "t", "QUERY": "ox"}]


def test_chunks_are_taken_by_number_and_nothing_beside_them(tmp_path: Path) -> None:
    for name in ("chunk_10.json", "chunk_9.json", "summary.json", "chunk_x.json"):
        (tmp_path / name).write_text("[]")
    assert [path.name for path in chunk_files([tmp_path])] == ["chunk_9.json", "chunk_10.json"]
    with pytest.raises(InputError, match="There is no file"):
        chunk_files([tmp_path / "none"])
