"""Rows about images out of files of every kind, one by one and in batches."""

import contextlib
import gzip
import json
import os
import sqlite3
from pathlib import Path

import lance
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from goldpan.core.errors import FormatError, InputError
from goldpan.formats.metadata import (
    Row,
    count_rows,
    find_column,
    metadata_files,
    open_metadata,
    read_batches,
    state_of,
    steady_batches,
)

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
        case "arrow":
            with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, pa.Table.from_pylist(ROWS).schema) as out:
                out.write_table(pa.Table.from_pylist(ROWS))
            return path
        case "feather":
            pa.feather.write_feather(pa.Table.from_pylist(ROWS), path)
            return path
        case "db" | "sqlite" as kind:
            with contextlib.closing(sqlite3.connect(path)) as database:
                table = "VIRTUAL TABLE samples USING fts5(URL, TEXT)" if kind == "db" else "TABLE samples (URL, TEXT)"
                database.execute(f"CREATE {table}")
                database.executemany("INSERT INTO samples VALUES (:URL, :TEXT)", ROWS)
                database.commit()
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


KINDS = [
    "l.parquet", "l.csv", "l.TSV", "l.json", "l.jsonl", "l.ndjson", "l.lance", "l.arrow", "l.feather", "l.db",
    "l.sqlite", "l.csv.gz", "l.json.gz", "l.jsonl.gz",
]  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_every_format_gives_the_same_rows(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name.lower()).rename(tmp_path / name)
    listed = open_metadata(path)
    assert listed.names == ["URL", "TEXT"]
    assert list(listed.rows) == [Row(i, row) for i, row in enumerate(ROWS)]
    (batch,) = read_batches(path)
    assert batch.rows.to_pylist() == ROWS
    assert batch.problems == []


def test_a_text_has_a_url_a_line(tmp_path: Path) -> None:
    (tmp_path / "l.txt").write_bytes(b"\xef\xbb\xbfhttp://a\r\n\r\n  http://b/\xff \nhttp://c")
    listed = open_metadata(tmp_path / "l.txt")
    assert [row.columns["url"] for row in listed.rows] == ["http://a", "http://b/�", "http://c"]


def test_a_folder_is_its_lists_sorted_by_name(tmp_path: Path) -> None:
    for name in ("b.csv", "a.parquet", "c.txt.gz", ".hidden.csv", "readme.md", "d.parquet.gz"):
        (tmp_path / name).touch()
    assert [path.name for path in metadata_files([tmp_path])] == ["a.parquet", "b.csv", "c.txt.gz"]


@pytest.mark.parametrize("name", ["l.tsv", "l.csv"])
def test_a_list_without_a_header(tmp_path: Path, name: str) -> None:
    tab = "\t" if name == "l.tsv" else ","
    (tmp_path / name).write_text(f"http://a.test/1.jpg{tab}so 5'\nhttp://a.test/2.jpg{tab}b\n")
    listed = open_metadata(tmp_path / name)
    assert listed.names == ["url", "caption"]
    assert [row.columns["caption"] for row in listed.rows] == ["so 5'", "b"]
    (tmp_path / name).write_text(f"a{tab}https://a.test/1.jpg{tab}http://b.test\n")
    assert [row.columns for row in open_metadata(tmp_path / name).rows] == [
        {"column_1": "a", "url": "https://a.test/1.jpg", "column_3": "http://b.test"}
    ]


def test_subfolders_are_not_looked_into(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("url\n")
    with pytest.raises(InputError, match="whose subfolders are not looked into"):
        metadata_files([tmp_path])


def test_tabs_without_a_header_quote_nothing(tmp_path: Path) -> None:
    (tmp_path / "l.tsv").write_text('say "so\thttp://a.test/1.jpg\n"b\thttp://a.test/2.jpg\nc\thttp://a.test/3.jpg\n')
    assert [row.columns["caption"] for row in open_metadata(tmp_path / "l.tsv").rows] == ['say "so', '"b', "c"]


def test_the_index_of_pandas_is_no_column(tmp_path: Path) -> None:
    pq.write_table(pa.table({"url": ["x"], "__index_level_0__": [4]}), tmp_path / "l.parquet")
    listed = open_metadata(tmp_path / "l.parquet")
    assert (listed.names, [row.columns for row in listed.rows]) == (["url"], [{"url": "x"}])


@pytest.mark.parametrize("name", ["l.parquet", "l.csv", "l.arrow"])
def test_columns_of_one_name_are_refused(tmp_path: Path, name: str) -> None:
    table = pa.Table.from_arrays([pa.array(["u"]), pa.array(["a"]), pa.array(["b"])], ["url", "text", "text"])
    if name == "l.parquet":
        pq.write_table(table, tmp_path / name)
    elif name == "l.csv":
        (tmp_path / name).write_text("url,text,text \nu,a,b\n")
    else:
        pa.feather.write_feather(table, tmp_path / name)
    for read in (open_metadata, lambda path: list(read_batches(path))):
        with pytest.raises(FormatError, match=r"l\.\w+: it has 2 columns called 'text'; rename all but one"):
            read(tmp_path / name)


def test_columns_without_a_name_are_numbered(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text(",url,,\n0,u,a,b\n")
    assert open_metadata(tmp_path / "l.csv").names == ["column_1", "url", "column_3", "column_4"]


def test_a_file_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    files = [write(tmp_path / "a.csv"), write(tmp_path / "b.csv")]
    assert metadata_files([files[1], tmp_path, files[0]]) == [files[1], files[0]]


def test_texts_of_sqlite_that_are_none(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "l.db")) as database:
        database.execute("CREATE TABLE samples (URL, TEXT)")
        database.execute("INSERT INTO samples VALUES (1, x'61ff'), (NULL, cast(x'62fe' AS TEXT)), (2.5, 'é')")
        database.commit()
    assert [list(row.columns.values()) for row in open_metadata(tmp_path / "l.db").rows] == [
        ["1", "a\ufffd"],
        [None, "b\ufffd"],
        ["2.5", "é"],
    ]


def test_a_row_that_cannot_be_read_is_a_row_that_says_why(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text('url,text\nhttp://a,"two\nlines"\nhttp://b\n\nhttp://c,d\n')
    rows = list(open_metadata(tmp_path / "l.csv").rows)
    assert [row.columns.get("text") for row in rows] == ["two\nlines", None, "d"]
    assert rows[1] == Row(1, {}, "has 1 cells, not the 2 of the first line")
    (tmp_path / "l.jsonl").write_text('{"url": "http://a"}\n{"url": \n"http://c"\n')
    problems = [row.problem for row in open_metadata(tmp_path / "l.jsonl").rows]
    assert problems == ["", "is no JSON", 'is "http://c", not a JSON record']


def test_a_long_json_is_read_piece_by_piece(tmp_path: Path) -> None:
    rows = [{"URL": f"http://a.test/{i}.jpg", "TEXT": "é" * (i % 300), "n": i} for i in range(20_000)]
    (tmp_path / "l.json").write_text(json.dumps(rows, indent=1, ensure_ascii=False))
    assert (tmp_path / "l.json").stat().st_size > 5 << 20
    assert [row.columns for row in open_metadata(tmp_path / "l.json").rows] == rows


@pytest.mark.parametrize("text", ['[{"a": 1}, {"a": ', '[{"a": 1}', '[{"a": 1}, nonsense]', "<html>", "[" * 100_000])
def test_a_json_that_is_none_or_cut_off(tmp_path: Path, text: str) -> None:
    (tmp_path / "l.json").write_text(text)
    with pytest.raises(FormatError, match=r"l\.json at row"):
        list(open_metadata(tmp_path / "l.json").rows)


@pytest.mark.parametrize(
    ("name", "data"),
    [("l.parquet", b"PAR1 no"), ("l.csv.gz", b"\x1f\x8b no gzip"), ("l.csv", b'"' + b"x" * 200_000)],
)
def test_bytes_that_are_not_what_the_name_says(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=name):
        list(open_metadata(tmp_path / name).rows)


@pytest.mark.parametrize("name", ["none.csv", "photo.jpg", "folder"])
def test_what_is_no_list_names_what_is(tmp_path: Path, name: str) -> None:
    (tmp_path / "photo.jpg").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=r"\.parquet, \.lance, \.csv"):
        metadata_files([tmp_path / name])


def test_columns_are_found_in_any_case(tmp_path: Path) -> None:
    names, path = ["URL", "TEXT"], tmp_path / "l.csv"
    assert find_column(None, ("link", "url"), names, path, "--url-column") == "URL"
    assert find_column(None, ("id",), names, path, "--id-column") is None
    assert find_column("TEXT", (), names, path, "--url-column") == "TEXT"
    with pytest.raises(InputError, match="'text' for --caption-column; it has: URL, TEXT"):
        find_column("text", (), names, path, "--caption-column")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_texts_of_windows(tmp_path: Path, encoding: str) -> None:
    text = "URL , TEXT\r\nhttp://a.test/é.jpg, two words\r\n"
    (tmp_path / "list.csv").write_bytes(("\ufeff" * (encoding == "utf-16-be") + text).encode(encoding))
    found = open_metadata(tmp_path / "list.csv")
    assert found.names == ["URL", "TEXT"]
    assert list(found.rows) == [Row(0, {"URL": "http://a.test/é.jpg", "TEXT": " two words"})]


def test_groups_of_json_are_rows_with_the_name_of_their_group(tmp_path: Path) -> None:
    (tmp_path / "l.json").write_text(
        '{"white shark": [{"URL": "u", "n": 1}, {"URL": "v"}], "none": [],\n "ox": [{"n": 2}]}'
    )
    rows = [row.columns for row in open_metadata(tmp_path / "l.json").rows]
    assert rows == [
        {"URL": "u", "n": 1, "QUERY": "white shark"},
        {"URL": "v", "QUERY": "white shark"},
        {"n": 2, "QUERY": "ox"},
    ]


def test_groups_longer_than_memory_holds_at_once(tmp_path: Path) -> None:
    groups = {f"class {i}": [{"URL": f"http://a/{i}/{j}", "TEXT": "x" * 500} for j in range(400)] for i in range(120)}
    (tmp_path / "l.json").write_text(json.dumps(groups))
    assert (tmp_path / "l.json").stat().st_size > 20 << 20
    rows = [row.columns for row in open_metadata(tmp_path / "l.json").rows]
    assert rows == [row | {"QUERY": name} for name, group in groups.items() for row in group]


@pytest.mark.parametrize("text", ['{"tags": ["a"], "url": "u"}', '{"tags": [], "url": "u"}', '{"a": {}, "b": [{}]}'])
def test_an_object_that_is_one_record(tmp_path: Path, text: str) -> None:
    (tmp_path / "l.json").write_text(f"{text}\n{text}")
    assert [row.columns for row in open_metadata(tmp_path / "l.json").rows] == [json.loads(text)] * 2


@pytest.mark.parametrize("rest", [': [{"n": 1}', ': [{"n": 1}], "b"', ': [{"n": 1}], "b": 3}'])
def test_groups_that_are_cut_off_or_none(tmp_path: Path, rest: str) -> None:
    long = json.dumps([{"TEXT": "x" * 1000}] * 2000)[:-1]
    (tmp_path / "l.json").write_text(f'{{"a": {long}], "c"{rest}')
    with pytest.raises(FormatError, match=r"l\.json at row"):
        list(open_metadata(tmp_path / "l.json").rows)


def test_batches_leave_out_what_cannot_be_read_and_say_so(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("url,text\nu,a\nv\nw,c\n")
    (batch,) = read_batches(tmp_path / "l.csv")
    assert batch.rows.to_pylist() == [{"url": "u", "text": "a"}, {"url": "w", "text": "c"}]
    assert batch.problems == ["row 1 of l.csv has 1 cells, not the 2 of the first line"]


def test_a_column_of_several_kinds_is_texts(tmp_path: Path) -> None:
    rows = [{"n": 1}, {"n": "x"}, {"n": None}, {"n": [2]}, {"n": "\ud800"}]
    (tmp_path / "l.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (batch,) = read_batches(tmp_path / "l.jsonl")
    assert batch.rows.column("n").to_pylist() == ["1", "x", None, "[2]", "?"]


def test_steady_batches_have_one_schema(tmp_path: Path) -> None:
    rows = [{"a": i} for i in range(5000)] + [{"a": 0.5, "b": "late", "c": 1}] + [{"c": "x"}] * 5000
    (tmp_path / "l.jsonl").write_text("\n".join(map(json.dumps, rows)))
    loose = list(read_batches(tmp_path / "l.jsonl"))
    steady = [batch.rows for batch in steady_batches(tmp_path / "l.jsonl")]
    assert len({str(batch.rows.schema) for batch in loose}) > 1
    schema = pa.schema([("a", pa.float64()), ("b", pa.string()), ("c", pa.string())])
    assert [batch.schema for batch in steady] == [schema] * 3
    table = pa.Table.from_batches(steady).to_pylist()
    assert table[4999:5002] == [
        {"a": 4999.0, "b": None, "c": None},
        {"a": 0.5, "b": "late", "c": "1"},
        {"a": None, "b": None, "c": "x"},
    ]
    pq.write_table(pa.table({"a": [1]}), tmp_path / "l.parquet")
    assert [batch.rows.to_pylist() for batch in steady_batches(tmp_path / "l.parquet")] == [[{"a": 1}]]


def test_lines_are_counted_and_what_would_have_to_be_read_is_not(tmp_path: Path) -> None:
    assert count_rows([write(tmp_path / "a.csv"), write(tmp_path / "b.parquet"), write(tmp_path / "c.lance")]) == 9
    (tmp_path / "e.txt").write_text("a line\nand one without an end")
    assert count_rows([tmp_path / "e.txt"]) == 2
    assert count_rows([write(tmp_path / "d.json")]) is None
    assert count_rows([write(tmp_path / "e.csv.gz")]) is None


def test_a_state_changes_with_a_file_and_with_a_table(tmp_path: Path) -> None:
    path, table = write(tmp_path / "l.csv"), write(tmp_path / "l.lance")
    before = state_of(path), state_of(table)
    assert (state_of(path), state_of(table)) == before
    os.utime(path, ns=(1, 1))
    lance.write_dataset(pa.Table.from_pylist(ROWS), str(table), mode="append")
    after = state_of(path), state_of(table)
    assert before[0] != after[0]
    assert before[1] != after[1]
