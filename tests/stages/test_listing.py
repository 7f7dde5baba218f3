"""Lists of images in every format, streamed row by row."""

import gzip
import json
from pathlib import Path

import lance
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from goldpan.core.errors import FormatError, InputError
from goldpan.stages.acquire.listing import Row, find_column, listed_files, open_listed

ROWS = [
    {"URL": "http://a.test/1.jpg", "TEXT": 'a "quoted", é text'},
    {"URL": "http://a.test/2.jpg", "TEXT": None},
    {"URL": "http://b.test/3.jpg", "TEXT": "x\ty"},
]


def write(path: Path) -> Path:
    """Write `ROWS` in the format of the name."""
    packed = path.name.endswith(".gz")
    frame = pa.Table.from_pylist(ROWS).to_pandas()
    match path.name.removesuffix(".gz").rsplit(".", 1)[1]:
        case "parquet":
            pq.write_table(pa.Table.from_pylist(ROWS), path)
            return path
        case "lance":
            lance.write_dataset(pa.Table.from_pylist(ROWS), str(path))
            return path
        case "csv":
            text = frame.to_csv(index=False)
        case "tsv":
            text = frame.to_csv(index=False, sep="\t")
        case "json":  # as pandas writes the chunks of retrieval, slashes escaped
            text = frame.to_json(orient="records")
        case _:
            text = "\n".join(map(json.dumps, ROWS)) + "\n\n"
    data = text.encode()
    path.write_bytes(gzip.compress(data) if packed else data)
    return path


@pytest.mark.parametrize(
    "name",
    ["l.parquet", "l.csv", "l.TSV", "l.json", "l.jsonl", "l.ndjson", "l.lance", "l.csv.gz", "l.json.gz", "l.jsonl.gz"],
)
def test_every_format_gives_the_same_rows(tmp_path: Path, name: str) -> None:
    listed = open_listed(write(tmp_path / name.lower()).rename(tmp_path / name))
    assert listed.names == ["URL", "TEXT"]
    assert list(listed.rows) == [Row(i, row) for i, row in enumerate(ROWS)]


def test_a_text_has_a_url_a_line(tmp_path: Path) -> None:
    (tmp_path / "l.txt").write_bytes(b"\xef\xbb\xbfhttp://a\r\n\r\n  http://b/\xff \nhttp://c")
    listed = open_listed(tmp_path / "l.txt")
    assert [row.columns["url"] for row in listed.rows] == ["http://a", "http://b/�", "http://c"]


def test_a_folder_is_its_lists_sorted_by_name(tmp_path: Path) -> None:
    for name in ("b.csv", "a.parquet", "c.txt.gz", ".hidden.csv", "readme.md", "d.parquet.gz"):
        (tmp_path / name).touch()
    assert [path.name for path in listed_files(tmp_path)] == ["a.parquet", "b.csv", "c.txt.gz"]


def test_the_index_of_pandas_is_no_column(tmp_path: Path) -> None:
    pq.write_table(pa.table({"url": ["x"], "__index_level_0__": [4]}), tmp_path / "l.parquet")
    listed = open_listed(tmp_path / "l.parquet")
    assert (listed.names, [row.columns for row in listed.rows]) == (["url"], [{"url": "x"}])


def test_a_row_that_cannot_be_read_is_a_row_that_says_why(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text('url,text\nhttp://a,"two\nlines"\nhttp://b\n\nhttp://c,d\n')
    rows = list(open_listed(tmp_path / "l.csv").rows)
    assert [row.columns.get("text") for row in rows] == ["two\nlines", None, "d"]
    assert rows[1] == Row(1, {}, "has 1 cells, not the 2 of the header")
    (tmp_path / "l.jsonl").write_text('{"url": "http://a"}\n{"url": \n"http://c"\n')
    problems = [row.problem for row in open_listed(tmp_path / "l.jsonl").rows]
    assert problems == ["", "is no JSON", 'is "http://c", not a JSON record']


def test_a_long_json_is_read_piece_by_piece(tmp_path: Path) -> None:
    rows = [{"URL": f"http://a.test/{i}.jpg", "TEXT": "é" * (i % 300), "n": i} for i in range(20_000)]
    (tmp_path / "l.json").write_text(json.dumps(rows, indent=1, ensure_ascii=False))
    assert (tmp_path / "l.json").stat().st_size > 5 << 20
    assert [row.columns for row in open_listed(tmp_path / "l.json").rows] == rows


@pytest.mark.parametrize("text", ['[{"a": 1}, {"a": ', '[{"a": 1}', '[{"a": 1}, nonsense]', "<html>", "[" * 100_000])
def test_a_json_that_is_none_or_cut_off(tmp_path: Path, text: str) -> None:
    (tmp_path / "l.json").write_text(text)
    with pytest.raises(FormatError, match=r"l\.json at row"):
        list(open_listed(tmp_path / "l.json").rows)


@pytest.mark.parametrize(
    ("name", "data"),
    [("l.parquet", b"PAR1 no"), ("l.csv.gz", b"\x1f\x8b no gzip"), ("l.csv", b'url\n"' + b"x" * 200_000)],
)
def test_bytes_that_are_not_what_the_name_says(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=name):
        list(open_listed(tmp_path / name).rows)


@pytest.mark.parametrize("name", ["none.csv", "photo.jpg", "folder"])
def test_what_is_no_list_names_what_is(tmp_path: Path, name: str) -> None:
    (tmp_path / "photo.jpg").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=r"\.parquet, \.lance, \.csv"):
        listed_files(tmp_path / name)


def test_columns_are_found_in_any_case(tmp_path: Path) -> None:
    listed = open_listed(write(tmp_path / "l.csv"))
    assert find_column(None, ("link", "url"), listed, "--url-column") == "URL"
    assert find_column(None, ("id",), listed, "--id-column") is None
    assert find_column("TEXT", (), listed, "--url-column") == "TEXT"
    with pytest.raises(InputError, match="'text' for --caption-column; it has: URL, TEXT"):
        find_column("text", (), listed, "--caption-column")
