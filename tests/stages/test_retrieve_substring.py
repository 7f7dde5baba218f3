"""retrieve substring: the rows whose captions speak of classes."""

import json
import os
import sqlite3
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

import goldpan
from goldpan.core.errors import FormatError, InputError
from goldpan.formats.class_lists import read_classes
from goldpan.search.captions.language import query_of_class
from goldpan.stages.retrieve import substring
from goldpan.stages.retrieve.config import SubstringConfig

CAPTIONS = [
    "A great white shark",
    "White great, SHARK!",
    "sharks, great and white",
    "A Boeing 737-200 lands",
    "737 200",
    "737 then 200",
    "catalogue of a cat",
    None,
]


def rows() -> list[dict[str, Any]]:
    return [
        {
            "url": f"http://a/{i}",
            "caption": caption,
            "width": 100 * i,
            "nsfw": ("UNLIKELY", "NSFW", None, "UNSURE")[i % 4],
        }
        for i, caption in enumerate(CAPTIONS)
    ]


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    pq.write_table(pa.Table.from_pylist(rows()), tmp_path / "pool.parquet")
    return tmp_path / "pool.parquet"


def classes(folder: Path, *names: str, **more: Any) -> Path:
    (folder / "classes.json").write_text(json.dumps({"classes": names, **more}))
    return folder / "classes.json"


def found(folder: Path) -> list[dict[str, Any]]:
    return [row for path in sorted(folder.glob("chunk_*.json")) for row in json.loads(path.read_text())]


def texts(folder: Path) -> dict[str, list[str]]:
    told = defaultdict(list)
    for row in found(folder):
        told[row["QUERY"]].append(row["TEXT"])
    return dict(told)


def run(pool: Path, listed: Path, output: Path, **fields: Any) -> goldpan.Report:
    report = goldpan.retrieve_substring(metadata=[pool], classes=listed, output=output, **fields)
    assert report.rows_in == report.rows_out + report.failed
    return report


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("fts", {"great white shark": [0, 1], "737-200": [3, 4], "cat": [6]}),
        ("phrase", {"great white shark": [0], "737-200": [3, 4], "cat": [6]}),
        ("substring", {"great white shark": [0], "737-200": [3], "cat": [6]}),
        ("regex", {"great white shark": [0], "737-200": [3], "cat": [6]}),
    ],
)
def test_modes(pool: Path, tmp_path: Path, mode: str, expected: dict[str, list[int]]) -> None:
    listed = classes(tmp_path, *expected)
    run(pool, listed, tmp_path / "found", mode=mode, keep_nsfw=True)
    assert texts(tmp_path / "found") == {name: [CAPTIONS[i] for i in which] for name, which in expected.items()}


def test_classes_may_be_named_without_a_file(pool: Path, tmp_path: Path) -> None:
    names = ["cat", "737-200", "cat"]
    goldpan.retrieve_substring(metadata=[pool], names=names, output=tmp_path / "named")
    run(pool, classes(tmp_path, *names), tmp_path / "listed")
    assert found(tmp_path / "named") == found(tmp_path / "listed") != []
    summary = json.loads((tmp_path / "named/summary.json").read_text())
    assert summary["per_class"] == {"cat": 1, "737-200": 2}
    assert summary["repeated_names"] == ["cat"]


def test_a_row_has_all_columns_under_the_names_of_a_chunk(pool: Path, tmp_path: Path) -> None:
    report = run(pool, classes(tmp_path, "cat", "a", "ox"), tmp_path / "found", keep_nsfw=True)
    assert found(tmp_path / "found")[-1] == {
        "URL": "http://a/6", "TEXT": CAPTIONS[6], "WIDTH": 600, "NSFW": None, "QUERY": "a",
    }  # fmt: skip
    summary = json.loads((tmp_path / "found" / "summary.json").read_text())
    assert summary["per_class"] == {"cat": 1, "a": 3, "ox": 0}
    assert (summary["captions"], summary["rows"], summary["classes_without_rows"]) == (8, 4, ["ox"])
    assert report.details.items() <= summary.items()


def test_rows_marked_nsfw_go_unless_they_are_asked_for(pool: Path, tmp_path: Path) -> None:
    listed = classes(tmp_path, "great white shark")
    run(pool, listed, tmp_path / "safe")
    assert texts(tmp_path / "safe") == {"great white shark": [CAPTIONS[0]]}
    run(pool, listed, tmp_path / "all", keep_nsfw=True)
    assert len(found(tmp_path / "all")) == 2


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        (["WIDTH >= 300"], [3, 4, 5]),
        (["width<400"], [0, 1, 2, 3]),
        (["width != 300", "caption != 737 200"], [0, 1, 2, 5]),
        (["NSFW = UNLIKELY"], [0, 4]),
        (["nsfw != UNLIKELY"], [1, 2, 3, 5]),
        (['TEXT == "737 200"'], [4]),
        (["caption > 700"], []),
    ],
)
def test_conditions(pool: Path, tmp_path: Path, where: list[str], kept: list[int]) -> None:
    listed = classes(tmp_path, "all", class_map={"all": "737 OR shark*"})
    run(pool, listed, tmp_path / "found", where=where, keep_nsfw=True)
    assert [int(row["URL"][-1]) for row in found(tmp_path / "found")] == kept


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"where": ["WIDTH is 3"]}, "no condition; write a column, a sign, a value"),
        ({"where": ["height > 3"]}, "no column 'height' for --where; they have: url, caption, width, nsfw"),
        ({"where": ["WIDTH > wide"]}, "'wide' is no number"),
        ({"column": "TEXT"}, "no column 'TEXT' for --column; it has: url, caption, width, nsfw"),
        ({"classes": ["a OR"], "mode": "fts"}, "classes"),
        ({"mode": "words"}, "mode"),
        ({"classes": None}, "Name the classes: --classes FILE, or --names"),
        ({"names": ["a"]}, "Name the classes: --classes FILE, or --names"),
        ({"classes": None, "names": ["a", " "]}, "empty name"),
        ({"per_class": 0}, "per_class"),
    ],
)
def test_settings_that_are_not_understood(pool: Path, tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        goldpan.retrieve_substring(
            **{"metadata": [pool], "classes": classes(tmp_path, "a"), "output": tmp_path} | fields
        )


def test_a_query_that_is_none_names_its_class(pool: Path, tmp_path: Path) -> None:
    listed = classes(tmp_path, "ox", class_map={"ox": "ox AND"})
    with pytest.raises(InputError, match="Of the class 'ox': The query 'ox AND' is not understood"):
        run(pool, listed, tmp_path / "found")


def test_a_pool_without_captions_is_said(tmp_path: Path) -> None:
    pq.write_table(pa.table({"url": ["u"], "n": [3]}), tmp_path / "pool.parquet")
    with pytest.raises(InputError, match="no column of captions by its name; give one of url, n as --column"):
        run(tmp_path / "pool.parquet", classes(tmp_path, "a"), tmp_path / "found")
    pq.write_table(pa.table({"caption": [["u"]]}), tmp_path / "pool.parquet")
    with pytest.raises(InputError, match="captions that are no texts but list"):
        run(tmp_path / "pool.parquet", classes(tmp_path, "a"), tmp_path / "found")


KINDS = [pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string()), pa.binary(), pa.large_binary()]


@pytest.mark.parametrize("suffix", ["arrow", "parquet"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_text_is_looked_through(tmp_path: Path, kind: pa.DataType, suffix: str) -> None:
    columns = {name: pa.array([row[name] for row in rows()], pa.string()).cast(kind) for name in ("caption", "url")}
    pool = tmp_path / f"pool.{suffix}"
    if suffix == "parquet":
        pq.write_table(pa.table(columns), pool)
    else:
        feather.write_feather(pa.table(columns), pool)
    run(pool, classes(tmp_path, "shark"), tmp_path / "found")
    assert texts(tmp_path / "found") == {"shark": CAPTIONS[:2]}
    assert [row["URL"] for row in found(tmp_path / "found")] == ["http://a/0", "http://a/1"]


def test_captions_that_are_no_utf8_are_looked_through(tmp_path: Path) -> None:
    pq.write_table(pa.table({"caption": [b"caf\xe9 cat", None]}), tmp_path / "pool.parquet")
    run(tmp_path / "pool.parquet", classes(tmp_path, "cat"), tmp_path / "found")
    assert texts(tmp_path / "found") == {"cat": ["caf\ufffd cat"]}


def test_a_score_in_the_column_nsfw_is_no_mark(tmp_path: Path) -> None:
    pq.write_table(pa.table({"caption": ["cat"], "NSFW": [0.9]}), tmp_path / "pool.parquet")
    run(tmp_path / "pool.parquet", classes(tmp_path, "cat"), tmp_path / "found")
    assert [row["NSFW"] for row in found(tmp_path / "found")] == [0.9]
    run(tmp_path / "pool.parquet", classes(tmp_path, "cat"), tmp_path / "found", where=["NSFW < 0.5"])
    assert found(tmp_path / "found") == []


def test_quotes_around_a_value_come_off_and_others_stay(tmp_path: Path) -> None:
    listed = ["6'", "6", "it's", ""]
    pq.write_table(pa.table({"caption": ["cat"] * 4, "note": listed}), tmp_path / "pool.parquet")
    for value, kept in (("6'", "6'"), ('"6"', "6"), ("'it's'", "it's"), ("it's", "it's"), ("''", ""), ("", "")):
        run(tmp_path / "pool.parquet", classes(tmp_path, "cat"), tmp_path / "found", where=[f"note = {value}"])
        assert [row["note"] for row in found(tmp_path / "found")] == [kept], value


def test_the_first_rows_of_each_class_over_all_files(tmp_path: Path) -> None:
    for number in range(4):
        lines = [f"{number}-{i} {'cat' if i % 2 else 'dog'}" for i in range(10)]
        pq.write_table(pa.table({"caption": lines}), tmp_path / f"p{number}.parquet")
    listed = classes(tmp_path, "cat", "dog")
    files = sorted(tmp_path.glob("p*.parquet"))
    report = goldpan.retrieve_substring(metadata=files, classes=listed, output=tmp_path / "found", per_class=7)
    assert texts(tmp_path / "found") == {
        "dog": [f"{n}-{i} dog" for n, i in ((0, 0), (0, 2), (0, 4), (0, 6), (0, 8), (1, 0), (1, 2))],
        "cat": [f"{n}-{i} cat" for n, i in ((0, 1), (0, 3), (0, 5), (0, 7), (0, 9), (1, 1), (1, 3))],
    }
    assert (report.details["files"], report.details["files_looked_through"]) == (4, 2)


def test_rows_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    (tmp_path / "pool.csv").write_text("url,caption\nu,a cat\nv\nw,cats\nx,cat\n")
    report = run(tmp_path / "pool.csv", classes(tmp_path, "cat"), tmp_path / "found")
    assert (report.rows_in, report.rows_out, report.failures) == (4, 3, {"bad_row": 1})
    again = run(tmp_path / "pool.csv", classes(tmp_path, "cat"), tmp_path / "found")
    assert (again.already_done, again.failures) == (3, {"bad_row": 1})


def test_what_was_found_can_be_looked_through_again(pool: Path, tmp_path: Path) -> None:
    run(pool, classes(tmp_path, "737"), tmp_path / "first", keep_nsfw=True)
    run(tmp_path / "first" / "chunk_0.json", classes(tmp_path, "boeing"), tmp_path / "second", keep_nsfw=True)
    (row,) = found(tmp_path / "second")
    assert (row["TEXT"], row["QUERY"]) == (CAPTIONS[3], "boeing")


class Counted:
    """A progress that counts the rows that were looked at."""

    def __init__(self) -> None:
        self.rows, self.running = 0, False

    def start(self, what: str, total: int | None = None) -> None:
        self.running = True

    def advance(self, done: int = 1, failed: int = 0) -> None:
        self.rows += done

    def finish(self) -> None:
        self.running = False


def looked_at(pools: list[Path], listed: Path, output: Path, **fields: Any) -> int:
    """Run; return how many rows were looked at."""
    progress = Counted()
    report = substring.run(SubstringConfig(metadata=pools, classes=listed, output=output, **fields), progress)
    assert not progress.running
    assert report.already_done + progress.rows == report.rows_in
    return progress.rows


def test_only_what_is_new_is_looked_at(pool: Path, tmp_path: Path) -> None:
    listed, output, other = classes(tmp_path, "cat"), tmp_path / "found", tmp_path / "other.csv"
    other.write_text("caption\nanother cat\n")
    assert looked_at([pool], listed, output) == 8
    before = found(output)
    assert looked_at([pool], listed, output, layout="parquet") == 0
    assert looked_at([pool, other], listed, output) == 1
    assert [row["TEXT"] for row in found(output)] == [before[0]["TEXT"], "another cat"]
    assert looked_at([pool, other], listed, output, where=["TEXT != x"]) == 9
    assert looked_at([pool, other], classes(tmp_path, "cat", "dog"), output) == 9
    os.utime(pool, ns=(1, 1))
    assert looked_at([pool, other], listed, output) == 9 - 1
    assert looked_at([pool], listed, output) == 0
    assert [row["TEXT"] for row in found(output)] == ["catalogue of a cat"]


def test_a_file_that_breaks_off_loses_only_itself(pool: Path, tmp_path: Path) -> None:
    listed, output, broken = classes(tmp_path, "cat"), tmp_path / "found", tmp_path / "z.json"
    broken.write_text('[{"caption": "a cat"}, {"capt')
    with pytest.raises(FormatError, match=r"z\.json at row"):
        looked_at([pool, broken], listed, output)
    assert not (output / "summary.json").exists()
    broken.write_text('[{"caption": "a cat"}]')
    assert looked_at([pool, broken], listed, output) == 1
    assert len(found(output)) == 2


def test_chunks_of_parquet_hold_the_same(pool: Path, tmp_path: Path) -> None:
    listed, output = classes(tmp_path, "great white shark", "737"), tmp_path / "found"
    run(pool, listed, output)
    expected = found(output)
    run(pool, listed, output, layout="parquet")
    assert found(output) == []
    assert pq.read_table(output / "chunk_0.parquet").to_pylist() == expected


@pytest.mark.parametrize("name", ["DTD", "Flowers102", "ImageNet"])
def test_real_captions_are_those_that_sqlite_finds(shared: Path, tmp_path: Path, name: str) -> None:
    """Class by class the same rows as FTS5, in the order of the rows."""
    captions = shared / "data/captions/laion_10000.parquet"
    listed = shared / "data/templates" / f"{name}.json"
    report = run(captions, listed, tmp_path / "found")
    assert (report.rows_in, report.details["captions"]) == (10_000, 10_000)
    told = read_classes(listed)
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE VIRTUAL TABLE samples USING fts5(URL, TEXT)")
        columns = pq.read_table(captions, columns=["URL", "TEXT"]).to_pylist()
        database.executemany("INSERT INTO samples VALUES (:URL, :TEXT)", columns)
        expected = {
            each: [
                row[0]
                for row in database.execute(
                    "SELECT URL FROM samples WHERE TEXT MATCH ? ORDER BY rowid", [query_of_class(each, told.class_map)]
                )
            ]
            for each in told.names
        }
    ours = defaultdict(list)
    for row in found(tmp_path / "found"):
        ours[row["QUERY"]].append(row["URL"])
    assert dict(ours) == {each: urls for each, urls in expected.items() if urls}
    assert sum(map(len, ours.values())) > {"DTD": -1, "Flowers102": 20, "ImageNet": 1000}[name]
